"""What the page calls a file, as a file's name may name a patient; the names stand in a table."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from components.spreadsheet import harmless_path

if TYPE_CHECKING:
    from components.ingest.survey import Survey


def image_number(index: int) -> str:
    """The number of a record, by its index."""
    return f"image {index + 1}"


def rejection_number(index: int) -> str:
    """The number of a rejection, by its index."""
    return f"file {index + 1}"


def table_of_names(survey: Survey) -> str:
    """Says whose number is whose.

    Args:
        survey: The images and the rejections.

    Returns:
        CSV with the columns `number`, `name` and `frame`; what is not Unicode is escaped.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("number", "name", "frame"))
    for index, record in enumerate(survey.records):
        writer.writerow((image_number(index), harmless_path(record.name), record.frame))
    for index, rejection in enumerate(survey.rejections):
        writer.writerow((rejection_number(index), harmless_path(rejection.name), ""))
    return stream.getvalue().encode("utf-8", "backslashreplace").decode()
