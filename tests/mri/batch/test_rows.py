"""A table of results that a spreadsheet may open."""

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from mri.batch.rows import write_rows
from mri.classified import Classified

FORMULA = '=HYPERLINK("http://example.org")'


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_a_formula(tmp_path: Path, begin: str) -> None:
    """Names of files and classes are anybody's, and a spreadsheet would run them."""
    text = begin + FORMULA
    rows = [
        Classified(f"{text}.png", label=text, confidence=0.5, probabilities={text: 0.5}),
        Classified(f"scans/{text}.png", error=text),
    ]
    write_rows(rows, tmp_path / "rows.csv", "csv")
    with (tmp_path / "rows.csv").open(encoding="utf-8", newline="") as file:
        first, second = csv.DictReader(file)
    for cell in (*first.values(), *second.values()):
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert first["path"] == f"./{text}.png"  # the same file
    assert first["label"] == f"'{text}"
    assert (first["prediction_set"], first["set_level"]) == ("", "")
    assert second["path"] == f"scans/{text}.png"


def test_the_classes_that_remain_possible_are_a_list_in_either_format(tmp_path: Path) -> None:
    row = Classified("a.png", prediction_set=("notumor", "glioma"), set_level=0.9)
    write_rows([row], tmp_path / "rows.csv", "csv")
    write_rows([row], tmp_path / "rows.parquet", "parquet")
    with (tmp_path / "rows.csv").open(encoding="utf-8", newline="") as file:
        [written] = csv.DictReader(file)
    assert json.loads(written["prediction_set"]) == ["notumor", "glioma"]
    [stored] = pq.read_table(tmp_path / "rows.parquet").to_pylist()
    assert stored["prediction_set"] == ["notumor", "glioma"]
