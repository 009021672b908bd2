"""Quoted messages and commands exist, and terms are explained where they first stand."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
import typer

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
ROOMS = {path.parent for path in ROOT.glob("*/__init__.py")} - {ROOT / "tests"}
ANYTHING = "\0"
"""What stands in the place of a value in a message."""
TERMS = {
    "Blessed", "Candidate", "Drift", "Finding", "Foreign", "Gate", "Group", "Leak", "Novel",
    "Reader", "Refer", "Span", "Swapped accuracy", "Work folder",
}  # fmt: skip
"""Words that need an entry in the glossary."""
INTRODUCED = {
    "README.md": ("gate", "blessing", "foreign"),
    "docs/tutorial.md": ("blessed",),
    "docs/evaluation.md": ("blessed", "swapped", "novel", "foreign"),
    "docs/gate.md": ("gate", "span"),
    "docs/data.md": ("gate", "span", "novel"),
    "docs/inspect.md": ("span",),
    "docs/confidence.md": ("foreign", "reader"),
    "docs/page.md": ("reader",),
    "docs/models.md": ("bless",),
    "docs/running.md": ("work folder",),
}
"""Documents, and words that have to be explained in them, or linked to the glossary, where they
first stand."""


def text_of(node: ast.AST) -> str | None:
    """A literal's text, with `ANYTHING` for values."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub(r"%(\.\d+)?[sdfr]|\{[\w.:!]*\}", ANYTHING, node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(
            one.value if isinstance(one, ast.Constant) else ANYTHING for one in node.values
        )
    return None


@cache
def messages() -> tuple[str, ...]:
    """All texts of the code, and the scripts' lines."""
    found = []
    for room in ROOMS:
        for path in room.rglob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
            for node in ast.walk(tree):
                text = text_of(node)
                if text and id(node) not in docstrings:
                    found.append(text)
    scripts = [path.read_text(encoding="utf-8") for path in (ROOT / "bin").glob("*.sh")]
    return (*found, *(re.sub(r'\$\w+|"\s*\\\n\s*"', ANYTHING, script) for script in scripts))


def exists(quoted: str) -> bool:
    """Whether some message of the code says this; `…` is any value or what follows it."""
    parts = [re.escape(part.strip()) for part in quoted.split("…")]
    pattern = re.compile(rf"\s*(?:{ANYTHING}|[^.]*?)\s*".join(parts))
    return any(pattern.search(message) for message in messages())


def rows() -> Iterator[tuple[str, str]]:
    """The quoted messages of the page of troubles, and what it says to do."""
    for line in (DOCS / "troubleshooting.md").read_text(encoding="utf-8").splitlines():
        cells = line.strip("|").split(" | ")
        if line.startswith("| `") and len(cells) == 3:
            for quoted in re.findall(r"`([^`]+)`", cells[0]):
                yield quoted, cells[2]


def quoted_commands(text: str) -> Iterator[list[str]]:
    """The words of each `mri` command in code spans."""
    for span in re.findall(r"`([^`]+)`", text):
        found = re.search(r"(?:^|/|\s)mri ((?:[a-z-]+ ?)+)", span)
        if found:
            yield found[1].split()


@cache
def commands() -> frozenset[str]:
    """Every command, such as `models list`, and every group."""
    from mri.lazy import LazyGroup
    from mri.main import app

    command = typer.main.get_command(app)
    assert isinstance(command, LazyGroup)
    command.load_all()

    def named(group: object, before: str = "") -> Iterator[str]:
        for name, one in getattr(group, "commands", {}).items():
            yield f"{before}{name}"
            yield from named(one, f"{before}{name} ")

    return frozenset(named(command))


def known(words: list[str]) -> bool:
    """Whether words begin with a command, and a group is not left without one."""
    names = [" ".join(words[:count]) for count in range(1, len(words) + 1)]
    return any(name in commands() for name in names)


@pytest.mark.parametrize("quoted", [quoted for quoted, _ in rows()])
def test_a_quoted_message_exists(quoted: str) -> None:
    assert exists(quoted), f"no message of the code says {quoted!r}"


def test_messages_are_found_and_inventions_are_not() -> None:
    assert len(list(rows())) > 25
    assert exists("There is no pushed model in …: run `mri run` first.")
    assert not exists("There is no pushed model on …: run `mri run` first.")


def test_what_is_to_be_typed_exists() -> None:
    for quoted, remedy in rows():
        for words in quoted_commands(remedy):
            assert known(words), f"{quoted}: mri {' '.join(words)}"


def test_each_command_has_its_use() -> None:
    text = (DOCS / "commands.md").read_text(encoding="utf-8")
    used = {
        name
        for words in quoted_commands(text)
        for count in range(1, len(words) + 1)
        if (name := " ".join(words[:count])) in commands()
    }
    assert all(known(words) for words in quoted_commands(text))
    assert commands() - used == set()


def test_the_glossary_is_sorted_and_defines_its_words() -> None:
    text = (DOCS / "glossary.md").read_text(encoding="utf-8")
    entries = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert entries == sorted(entries, key=str.lower)
    assert set(entries) >= TERMS
    starts = [found.end() for found in re.finditer(r"^## .+$", text, re.MULTILINE)]
    for entry, (start, end) in zip(entries, pairwise([*starts, len(text)]), strict=True):
        body = " ".join(text[start:end].split())
        assert re.search(rf"\*[^*]*{entry[:4]}[^*]*\*", body, re.IGNORECASE), entry


@pytest.mark.parametrize(
    ("document", "word"), [(one, word) for one, words in INTRODUCED.items() for word in words]
)
def test_a_word_is_told_where_it_first_stands(document: str, word: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    text = re.sub(r"^(```|~~~).*?^\1", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"`[^`]*`|!\[[^\]]*\]\([^)]*\)|^#.*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"\]\((?![^)]*glossary)[^)]*\)", "]", text)
    paragraphs = re.split(r"\n\s*\n|\n(?=- |\|)", text)
    first = next(one for one in paragraphs if re.search(rf"\b{word}", one, re.IGNORECASE))
    told = rf"\[[^\]]*{word}[^\]]*\]\([^)]*glossary\.md#|\*[^*]*{word}[^*]*\*"
    assert re.search(told, first, re.IGNORECASE), first
