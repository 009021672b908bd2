"""The command blocks of README.md and the tutorial, run as they are written, in a fresh clone.

A block in `sh` is run, one in `text` is what a command prints. A block that begins with a comment
`# Needs ...` asks for what a test may not have: it is skipped, and that comment is the reason.
The blocks of a document are typed into one shell, one after the other. Where the environment has a
root file system of its own, git, make and curl are outside of it, as a user is; then

    python3 -m pytest --noconftest -c /dev/null tests/e2e/test_readme.py

with a Python and pytest of the machine runs all of it.
"""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = ("README.md", "docs/tutorial.md")
BLOCK = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
NEEDS = re.compile(r"\A# (Needs .+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block of a document."""

    document: str
    line: int
    language: str
    text: str

    @property
    def needs(self) -> str | None:
        """What it asks for that a test may not have."""
        found = NEEDS.match(self.text)
        return found and found[1]

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


def blocks() -> list[Block]:
    """All blocks of the documents, in order."""
    return [
        Block(name, text[: found.start()].count("\n") + 1, found["language"], found["text"])
        for name in DOCUMENTS
        for text in [(ROOT / name).read_text(encoding="utf-8")]
        for found in BLOCK.finditer(text)
    ]


COMMANDS = [block for block in blocks() if block.language == "sh"]


class Shell:
    """A shell that blocks are typed into; it ends at the first command that fails."""

    def __init__(self, folder: Path) -> None:
        ours = ("BRAIN_MRI_PATH", "MRI_")  # the clone's own packages, and nobody's settings
        self._bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc", "-euo", "pipefail"],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            env={name: value for name, value in os.environ.items() if not name.startswith(ours)},
        )

    def run(self, text: str) -> None:
        """Runs a block.

        Raises:
            AssertionError: A command failed; it comes with what the block has printed.
        """
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        end = "-- end of block --"
        assert self._bash.poll() is None, "an earlier block failed"
        self._bash.stdin.write(f"{{\n{text}\n}} </dev/null\necho\necho '{end}'\n")
        self._bash.stdin.flush()
        printed = []
        for line in self._bash.stdout:
            if line.strip() == end:
                return
            printed.append(line)
        raise AssertionError("a command failed:\n" + "".join(printed))

    def close(self) -> None:
        """Ends the shell and all that it has started."""
        with suppress(ProcessLookupError):
            os.killpg(self._bash.pid, signal.SIGTERM)
        self._bash.communicate(timeout=60)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of what is committed."""
    missing = [tool for tool in ("git", "make", "curl") if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"a user's {', '.join(missing)} cannot be seen from inside the environment")
    if not (ROOT / ".git").exists():
        pytest.skip("no git repository here to clone")
    folder = tmp_path_factory.mktemp("clone") / "brain-mri-pipeline"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    return folder


@pytest.fixture(scope="module")
def shell() -> Iterator[dict[str, Shell]]:
    """A shell for each document, opened when its first block is run."""
    shells: dict[str, Shell] = {}
    yield shells
    for opened in shells.values():
        opened.close()


@pytest.mark.parametrize("block", COMMANDS, ids=str)
def test_block_is_shell_that_can_be_run(block: Block) -> None:
    result = subprocess.run(
        ["bash", "-n"], input=block.text, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    for command in re.findall(r"^(?:bin/\w+|make)\b.*", block.text, re.MULTILINE):
        program, target = command.split()[:2]
        if program == "make":
            assert f"\n{target}:" in (ROOT / "Makefile").read_text(encoding="utf-8")
        else:
            assert os.access(ROOT / program, os.X_OK)


def test_blocks_are_marked() -> None:
    assert {block.language for block in blocks()} == {"sh", "text"}
    skipped = [block for block in COMMANDS if block.needs]
    assert {block.needs for block in skipped} == {"Needs the internet: Kaggle's download."}
    assert {block.document for block in COMMANDS if not block.needs} == set(DOCUMENTS)


@pytest.mark.slow
@pytest.mark.timeout(2400)  # `make run` trains a network, on two cores for some six minutes
@pytest.mark.parametrize("block", COMMANDS, ids=str)
def test_block_runs(block: Block, clone: Path, shell: dict[str, Shell]) -> None:
    if block.needs:
        pytest.skip(block.needs)
    if block.document not in shell:
        shell[block.document] = Shell(clone)
    shell[block.document].run(block.text)
