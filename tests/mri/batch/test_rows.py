"""A table of results that a spreadsheet may open."""

import csv
from pathlib import Path

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
    assert second["path"] == f"scans/{text}.png"
