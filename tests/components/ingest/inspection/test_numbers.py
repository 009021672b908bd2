"""The table of names beside the page."""

import csv
import io

from components.ingest.inspection.numbers import table_of_names
from components.ingest.looks import Rejection


def test_no_name_of_a_file_is_a_formula(make_record, make_survey):
    formula = '=HYPERLINK("http://example.org")'
    survey = make_survey(
        [make_record("glioma", "train", name=f"{formula}.png")], [Rejection(formula, "empty file")]
    )
    rows = list(csv.DictReader(io.StringIO(table_of_names(survey))))
    assert [row["name"] for row in rows] == [f"./{formula}.png", f"./{formula}"]
