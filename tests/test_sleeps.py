"""A test waits for what it holds in its own hand, not for time to pass."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
# In strings too, which may be programs that a test runs; a shell's is followed by a number.
CALL = re.compile(r"(?<!def )\bsleep(?:\(| +\d)")
REASON = re.compile(r"#(?! ?(?:noqa|fmt|type|pragma)\b)\s*\w+.*\w")


def unexplained(text: str) -> Iterator[int]:
    """The numbers of the lines that sleep without a reason in a comment."""
    for number, line in enumerate(text.splitlines(), 1):
        call = CALL.search(line)
        if call and not REASON.search(line, call.end()):
            yield number


def test_whoever_sleeps_says_why_on_the_same_line() -> None:
    found = [
        f"{path.relative_to(TESTS.parent)}:{number}"
        for path in sorted(TESTS.rglob("*.py"))
        for number in unexplained(path.read_text(encoding="utf-8"))
    ]
    assert not found, "without a reason: " + ", ".join(found)


@pytest.mark.parametrize(
    ("rest", "explained"),
    [
        ("(1)", False),
        (" = 1", True),
        (" 60", False),
        ("(1)  #", False),
        ("(1)  # noqa: ASYNC251", False),
        ("(0)  # lets the other task run", True),
        ('(60)"  # is killed before', True),
    ],
)
def test_a_reason_is_words(rest: str, explained: bool) -> None:
    assert list(unexplained(f"pass\n{'sleep'}{rest}\n")) == ([] if explained else [2])
