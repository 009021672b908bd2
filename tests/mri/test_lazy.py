"""The tables of commands say what the commands say of themselves."""

import json
import re
import subprocess
import sys

import pytest

_LOAD_ALL = """
import json, os, sys
os.environ["TERMINAL_WIDTH"] = "80"  # before typer is imported
sys.modules["rfc3987_syntax"] = None  # what jsonschema can do without takes seconds to import
import typer
from typer.testing import CliRunner
from mri.lazy import LazyGroup
from mri.main import app

def lines(group, name):
    for one, command in group.commands.items():
        yield f"{name} {one}", group.table[one], command.help
        if isinstance(command, LazyGroup):
            yield from lines(command, f"{name} {one}")

def helps(command, words):
    yield CliRunner().invoke(app, [*words, "--help"], prog_name="mri", color=False).output
    for name, one in getattr(command, "commands", {}).items():
        yield from helps(one, [*words, name])

mri = typer.main.get_command(app)
mri.load_all()
heavy = [name for name in ("tensorflow", "keras") if name in sys.modules]
print(json.dumps([list(lines(mri, "mri")), heavy, "".join(helps(mri, []))]))
"""


def _python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout


@pytest.fixture(scope="module")
def loaded() -> tuple[list[tuple[str, str, str]], list[str], str]:
    """Of all commands name, line and help, what is imported when all are, and their help pages."""
    lines, heavy, pages = json.loads(_python(_LOAD_ALL))
    return lines, heavy, pages


def test_a_line_of_a_table_is_the_first_of_the_commands_own_help(loaded):
    lines, _, _ = loaded
    names = {name for name, _, _ in lines}
    assert {"mri run", "mri data sample", "mri serve bench", "mri kubeflow runs"} <= names
    for name, line, own in lines:
        assert line == own.split("\n\n")[0].replace("\n", " "), name


def test_no_command_loads_tensorflow_to_explain_itself(loaded):
    _, heavy, _ = loaded
    assert heavy == []


def test_a_command_is_loaded_with_no_other():
    said = _python(
        "import sys; from mri.main import app\n"
        "try: app(['data', 'sample', '--help'])\n"
        "except SystemExit: pass\n"
        "print(*sorted(name for name in sys.modules if name.startswith('mri.')))"
    )
    assert (
        said.splitlines()[-1]
        == "mri.data mri.data.sample mri.lazy mri.main mri.plain_help mri.terminal"
    )


def test_help_fits_80_columns_in_words(loaded):
    _, _, said = loaded
    assert "Usage: mri kubeflow runs stop" in said
    lines = [line for line in said.splitlines() if "…" in line]
    assert lines == []
    assert [kind for kind in ("<bool>", "<str>", "<path>", "int range") if kind in said] == []
    # A paragraph is broken where the terminal ends, and nowhere else.
    assert "A node that has run\n before on the same inputs is" in re.sub(" +\n", "\n", said)
