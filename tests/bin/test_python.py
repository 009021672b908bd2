"""bin/python, once its environment is there, is Python as far as anyone can tell."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytestmark = pytest.mark.long

if TYPE_CHECKING:
    from conftest import Checkout

TELL = """
import json, os, sys
print(json.dumps([sys.argv[1:], os.getcwd(), sys.stdin.read()]))
print("err", file=sys.stderr)
sys.exit(255)
"""

WAIT = """
import os, signal, sys
awaited = (signal.SIGTERM, signal.SIGINT)
signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
os.write(1, b"up\\n")
os.write(1, f"stopped by {signal.sigwait(awaited):d}\\n".encode())
sys.exit(7)
"""
HANG = "import signal; print('up', flush=True); signal.pause()"
LIMIT = 300
"""Seconds that bound a wait for what must come; nothing rests on how soon it does."""


def test_what_goes_in_and_comes_out_is_the_programs_alone(built: Checkout, tmp_path: Path):
    folder = tmp_path / "Ordner mit Ümlaut 'and quote"
    folder.mkdir()
    arguments = ["two words", "", "*", "$HOME", "näme", "line\nbreak", "--help"]

    result = built.run("-c", TELL, *arguments, cwd=folder, input="some\ninput")

    assert (result.returncode, result.stderr) == (255, "err\n")
    assert json.loads(result.stdout) == [arguments, str(folder), "some\ninput"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_sent_to_it_reaches_the_program(built: Checkout, number: signal.Signals):
    process = built.start("-c", WAIT)
    assert process.stdout.readline() == "up\n"

    process.send_signal(number)

    out, _ = process.communicate(timeout=LIMIT)
    assert (out, process.returncode) == (f"stopped by {number.value}\n", 7)


def test_a_program_that_dies_of_a_signal_is_seen_to(built: Checkout):
    process = built.start("-c", HANG)
    assert process.stdout.readline() == "up\n"

    process.terminate()

    assert process.wait(timeout=LIMIT) == -signal.SIGTERM
    process.communicate()


def test_no_program_is_left_when_it_is_killed(built: Checkout):
    process = built.start("-c", HANG)
    assert process.stdout.readline() == "up\n"

    process.kill()

    try:
        # Ends when nobody holds the other end of standard output.
        process.communicate(timeout=LIMIT)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def test_it_works_through_symbolic_links(built: Checkout, tmp_path: Path):
    first = tmp_path / "first"
    second = tmp_path / "deeper" / "second"
    second.parent.mkdir()
    first.symlink_to(built.folder / "bin" / "mri")
    second.symlink_to("../first")

    result = subprocess.run(
        [str(second), "run", "a b"],
        cwd=tmp_path,
        env=built.environ(),
        capture_output=True,
        text=True,
    )

    assert (result.stdout, result.stderr) == ("['run', 'a b']\n", "")


def test_our_packages_come_first_and_the_current_directory_not_at_all(
    built: Checkout, tmp_path: Path
):
    (tmp_path / "mri.py").write_text("raise SystemExit('the wrong file')\n")
    (tmp_path / "stray.py").touch()

    result = built.run("-c", "import mri; print(mri.__file__); import stray", cwd=tmp_path)

    assert result.stdout == f"{built.folder / 'mri' / '__init__.py'}\n"
    assert "No module named 'stray'" in result.stderr


def test_the_callers_own_python_stays_out(built: Checkout, tmp_path: Path):
    (tmp_path / "stray.py").touch()
    environ = built.environ() | {
        "PYTHONPATH": str(tmp_path),
        "PYTHONHOME": str(tmp_path),
        "VIRTUAL_ENV": str(tmp_path),
    }

    result = built.run(
        "-c",
        "import importlib.util, shutil, sys; "
        "print(importlib.util.find_spec('stray'), shutil.which('python3'), sys.prefix)",
        env=environ,
    )

    prefix = built.environments()[0]
    assert result.stdout == f"None {prefix / 'bin' / 'python3'} {prefix}\n", result.stderr


def test_packages_can_be_shown_from_another_place(built: Checkout, tmp_path: Path):
    (tmp_path / "mri.py").touch()
    environ = built.environ() | {"BRAIN_MRI_PATH": str(tmp_path)}

    result = built.run("-c", "import mri; print(mri.__file__)", env=environ)

    assert result.stdout == f"{tmp_path / 'mri.py'}\n"


def test_a_second_start_builds_nothing(built: Checkout):
    def made() -> dict[Path, int]:
        there = [*built.cache.iterdir(), *built.cache.glob("env-*/complete")]
        return {path: path.stat().st_mtime_ns for path in there}

    before = made()

    result = built.run("-c", "pass")

    assert (result.returncode, result.stderr) == (0, "")
    assert made() == before
