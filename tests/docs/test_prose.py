"""Prose is wrapped, so that a change to a sentence shows as a change to a line."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("schema/*.md"), *ROOT.glob("docs/*.md")],
    key=lambda path: path.relative_to(ROOT).as_posix(),
)
COLUMNS = 100
FENCE = re.compile(r" *(```|~~~)")
# What has no place to break, or has to stay on one line.
WHOLE = re.compile(r"\||#| {4}|.*(\]\(|<?https?:)")


def too_long(text: str) -> Iterator[int]:
    """The numbers of the lines of prose that are longer than they should be."""
    code = False
    for number, line in enumerate(text.splitlines(), 1):
        if FENCE.match(line):
            code = not code
        elif not code and len(line) > COLUMNS and not WHOLE.match(line):
            yield number


def test_documents_are_found() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in DOCUMENTS}
    assert {"README.md", "CHANGELOG.md", "schema/README.md", "docs/architecture.md"} <= names


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_prose_is_wrapped(path: Path) -> None:
    assert list(too_long(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("word " * 30, [1]),
        (f"# Title\n\n- {'word ' * 30}\n", [3]),
        ("word " * 20, []),
        (f"| {'word ' * 30} |", []),
        (f"```\n{'word ' * 30}\n```\n{'word ' * 30}", [4]),
        (f"[{'word ' * 30}](page.md)", []),
    ],
)
def test_only_prose_is_measured(text: str, found: list[int]) -> None:
    assert list(too_long(text.replace(" \n", "\n").rstrip())) == found
