"""bin/safe_path.py: what Python 3.10 lacks, tried on whatever Python runs this."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Two folders that hold a package of one name: where the program is, and where ours is."""
    here, ours = tmp_path / "here", tmp_path / "ours"
    for folder in (here, ours):
        (folder / "wanted").mkdir(parents=True)
        (folder / "wanted" / "__init__.py").touch()
    (here / "stray.py").touch()
    (here / "program.py").write_text("import wanted; print(wanted.__file__)\n")
    return here, ours


def run(
    folders: tuple[Path, Path], *words: str, how: str = "SafePath()"
) -> subprocess.CompletedProcess[str]:
    """Runs Python where site imports the module, as a .pth file makes it do."""
    here, ours = folders
    start = ours.parent / "start"
    start.mkdir(exist_ok=True)
    (start / "sitecustomize.py").write_text(
        f"import sys\nsys.path.remove({str(start)!r})\nsys.path.append({str(ROOT / 'bin')!r})\n"
        f"from safe_path import SafePath, activate\n"
        + (f"sys.meta_path.insert(0, {how})\n" if how else "activate()\n")
    )
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environ["PYTHONPATH"] = os.pathsep.join([str(ours), str(start)])
    return subprocess.run(
        [sys.executable, *words], cwd=here, env=environ, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "words", [("-c", "import wanted; print(wanted.__file__)"), ("-m", "program"), ("program.py",)]
)
def test_our_package_outranks_one_beside_the_program(folders, words: tuple[str, ...]) -> None:
    here, ours = folders
    if words[0] == "-m":  # what is beside it is not found, so it has to be elsewhere
        (here / "program.py").rename(ours / "program.py")
    result = run(folders, *words)
    assert result.stdout == f"{ours / 'wanted' / '__init__.py'}\n", result.stderr


def test_without_it_the_one_beside_the_program_is_found(folders) -> None:
    here, _ = folders
    result = run(folders, "program.py", how="")  # the variable is not set
    assert result.stdout == f"{here / 'wanted' / '__init__.py'}\n", result.stderr


def test_nothing_else_is_imported_from_there(folders) -> None:
    assert "No module named 'stray'" in run(folders, "-c", "import stray").stderr


def test_what_a_program_puts_first_itself_stays(folders) -> None:
    here, _ = folders
    program = f"import json, sys; sys.path.insert(0, {str(here)!r}); import stray; import wave"
    result = run(folders, "-c", f"{program}; print(sys.path[0])")
    assert result.stdout == f"{here}\n", result.stderr


def test_our_own_folder_may_be_the_current_one(folders) -> None:
    _, ours = folders
    (ours / "program.py").write_text("import wanted, sys; print(sys.path.count(sys.path[0]))\n")
    result = run((ours, ours), "-m", "program")
    assert result.stdout == "1\n", result.stderr


@pytest.mark.skipif(sys.version_info >= (3, 11), reason="this Python does it by itself")
def test_the_variable_activates_it(tmp_path: Path) -> None:
    program = "import sys; sys.path.insert(0, 'first'); import wave; print(sys.path[0])"
    result = subprocess.run(
        [str(ROOT / "bin" / "python"), "-c", program], capture_output=True, text=True, check=False
    )
    assert result.stdout == "first\n", result.stderr
