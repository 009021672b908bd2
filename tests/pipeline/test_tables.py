import io

import pytest
from rich.console import Console
from rich.table import Column, Table

from pipeline.tables import Listed, print_list, print_table

RUNS = ["2026-01-02T03-04-05.678", "2026-01-03T03-04-05.678"]
COLUMNS = [
    Listed("run", RUNS),
    Listed("state", ["waits for review", "served"]),
    Listed("versions", ["", "1795859782, 1795859790"]),
    Listed("accuracy", ["0.988", "0.991"], right=True),
    Listed("data", ["/data/scans [old] (leak_free)"] * 2),
]
OPTIONAL = ("data", "versions", "accuracy")


def _console(width: int) -> Console:
    return Console(file=io.StringIO(), width=width)


def _listed(width: int, **more: bool) -> list[str]:
    console = _console(width)
    print_list(console, COLUMNS, OPTIONAL, **more)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize(
    ("width", "left_out"),
    [(200, ""), (80, "data"), (60, "versions, data"), (40, "accuracy, versions, data")],
)
def test_a_list_has_a_line_for_each_and_says_what_there_is_no_room_for(width, left_out):
    heading, first, second, *last = _listed(width)
    assert max(len(line.rstrip()) for line in (heading, first, second)) <= width
    assert (first.split()[0], second.split()[0]) == (RUNS[0], RUNS[1])
    assert "waits for review" in first
    assert last == ([f"Not shown: {left_out}. --wide shows all columns."] if left_out else [])
    for column in COLUMNS:
        assert (column.heading in heading) == (column.heading not in left_out.split(", "))


@pytest.mark.parametrize("width", [20, 40, 200])
def test_a_wide_list_has_all_columns_in_one_line(width):
    heading, first, second = _listed(width, wide=True)
    assert all(column.heading in heading for column in COLUMNS)
    assert first.rstrip().endswith("/data/scans [old] (leak_free)")
    assert "1795859782, 1795859790" in second


def test_a_list_without_room_for_what_matters_most_cuts_nothing():
    said = "\n".join(_listed(20))
    assert all(run in said for run in RUNS)
    assert "state  waits for review" in said


def _shown(width: int, **more: object) -> str:
    table = Table("feature", Column("what to do", overflow="fold"), "n", title="drift", **more)
    table.add_row("image/mean", "look at the images of the new scanner", "1,000")
    table.add_row("image/std", "", "2")
    console = _console(width)
    print_table(console, table)
    return console.file.getvalue()


def test_a_table_that_is_too_wide_becomes_a_line_for_each_cell():
    assert "│ image/mean │" in _shown(60)
    assert "1,000" in _shown(60)
    assert _shown(30) == (
        "drift\nfeature  image/mean\nwhat to do  look at the images of the new scanner\n"
        "n  1,000\n\nfeature  image/std\nn  2\n"
    )
    assert "image/mean look at the images of the new scanner 1,000\n" in _shown(
        30, show_header=False, box=None
    )
