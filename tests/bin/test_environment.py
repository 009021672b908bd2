"""How bin/python builds its environment, and what it says where it cannot."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from process_gates import Gate, gate

pytestmark = pytest.mark.long

if TYPE_CHECKING:
    from conftest import Checkout

LIMIT = 300
"""Seconds that bound a wait for what must come; nothing rests on how soon it does."""


def write_script(path: Path, text: str) -> Path:
    path.write_text("#!/bin/bash\n" + text, encoding="utf-8")
    path.chmod(0o755)
    return path


def wait_for(path: Path, writer: subprocess.Popen[str]) -> None:
    while not path.exists():
        assert writer.poll() is None, writer.stderr.read()
        time.sleep(0.02)  # between two looks at what another process writes


@pytest.fixture
def held_python(checkout: Checkout) -> Iterator[Gate]:
    """Makes the build stand still in the middle until the gate is opened."""
    with gate(checkout.programs / "gate") as held:
        program = write_script(
            checkout.programs / "held-python",
            'if [ "$2" = venv ]; then\n'
            f'  if [ -e "{held.path}" ]; then mkdir -p "$3/half"; fi\n'
            f'  echo x >>"{checkout.programs}/calls"\n'
            f'  if [ -e "{held.path}" ]; then cat "{held.path}"; fi\n'
            "fi\n"
            f'exec "{checkout.programs}/quick-python" "$@"\n',
        )
        checkout.variables["BRAIN_MRI_PYTHON"] = str(program)
        yield held


def test_an_interrupted_build_is_repaired(checkout: Checkout, held_python: Gate):
    process = checkout.start("-c", "pass")
    wait_for(checkout.programs / "calls", process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    (half_done,) = checkout.environments()
    assert (half_done / "half").exists()
    held_python.open()

    result = checkout.run("-c", "print('ready')")

    assert (result.returncode, result.stdout) == (0, "ready\n"), result.stderr
    assert checkout.environments() == [half_done]
    assert not (half_done / "half").exists()


def test_of_two_at_once_one_builds_and_the_other_waits(checkout: Checkout, held_python: Gate):
    first = checkout.start("-c", "print('first')")
    wait_for(checkout.programs / "calls", first)
    second = checkout.start("-c", "print('second')")
    line = second.stderr.readline()
    held_python.open()

    assert first.communicate(timeout=LIMIT)[0] == "first\n"
    assert second.communicate(timeout=LIMIT)[0] == "second\n"
    assert "waiting for it to end" in line
    assert (checkout.programs / "calls").read_text() == "x\n"


def test_two_at_once_without_flock(checkout: Checkout, held_python: Gate):
    """macOS has no flock; a lock whose holder was killed counts for nothing there either."""
    for directory in ("/usr/bin", "/bin", str(Path(sys.executable).parent)):
        for program in Path(directory).iterdir():
            if program.name != "flock" and not (checkout.programs / program.name).exists():
                (checkout.programs / program.name).symlink_to(program)
    environ = checkout.environ() | {"PATH": str(checkout.programs)}
    killed = checkout.start("-c", "pass", env=environ)
    wait_for(checkout.programs / "calls", killed)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    (checkout.programs / "calls").unlink()

    first = checkout.start("-c", "print('first')", env=environ)
    wait_for(checkout.programs / "calls", first)
    second = checkout.start("-c", "print('second')", env=environ)
    line = second.stderr.readline()
    held_python.open()

    assert first.communicate(timeout=LIMIT)[0] == "first\n"
    assert second.communicate(timeout=LIMIT)[0] == "second\n"
    assert f"process {first.pid} sets up" in line
    assert (checkout.programs / "calls").read_text() == "x\n"


def test_an_interrupted_root_file_system_is_made_anew_and_then_kept(old_checkout: Checkout):
    with gate(old_checkout.programs / "mmdebstrap.gate"):
        process = old_checkout.start("-c", "pass")
        wait_for(old_checkout.programs / "mmdebstrap.started", process)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert [path.suffix for path in old_checkout.cache.glob("rootfs-*/")] == [".partial"]

    result = old_checkout.run("-c", "print('ready')")

    assert (result.returncode, result.stdout) == (0, "ready\n"), result.stderr
    assert [path.suffix for path in old_checkout.cache.glob("rootfs-*/")] == [""]

    (old_checkout.folder / "requirements" / "lock.txt").write_text("\n")  # another environment

    assert old_checkout.run("-c", "pass").returncode == 0

    assert len(old_checkout.environments()) == 2
    assert (old_checkout.programs / "mmdebstrap.calls").read_text() == "x\n"


def test_a_failed_build_says_what_failed_and_leaves_nothing_that_counts(checkout: Checkout):
    program = write_script(
        checkout.programs / "broken-python",
        'if [ "$2" = venv ]; then mkdir -p "$3"; echo "the reason why" >&2; exit 9; fi\n'
        f'exec "{sys.executable}" "$@"\n',
    )
    checkout.variables["BRAIN_MRI_PYTHON"] = str(program)

    for _ in range(2):
        result = checkout.run("-c", "print('ready')")
        assert (result.returncode, result.stdout) == (1, "")
        assert "the reason why" in result.stderr
        assert "making a virtual environment failed" in result.stderr


def test_a_full_disk_is_named(checkout: Checkout):
    program = write_script(
        checkout.programs / "broken-python",
        'if [ "$2" = venv ]; then echo "OSError: [Errno 28] No space left on device"; exit 1; fi\n'
        f'exec "{sys.executable}" "$@"\n',
    )
    checkout.variables["BRAIN_MRI_PYTHON"] = str(program)

    result = checkout.run("-c", "pass")

    assert result.returncode == 1
    assert f"The disk that holds {checkout.cache} is full" in result.stderr.splitlines()[-1]


def test_a_cache_that_cannot_be_written_is_named(checkout: Checkout, tmp_path: Path):
    (tmp_path / "file").touch()
    checkout.variables["BRAIN_MRI_CACHE"] = str(tmp_path / "file" / "cache")

    result = checkout.run("-c", "pass")

    assert result.returncode == 1
    assert re.fullmatch(r"brain-mri: .*/file/cache cannot be written to: .*\n", result.stderr)


def test_without_a_home_it_asks_for_a_cache(checkout: Checkout):
    environ = checkout.environ()
    for name in ("HOME", "XDG_CACHE_HOME", "BRAIN_MRI_CACHE"):
        environ.pop(name, None)

    result = checkout.run("-c", "pass", env=environ)

    assert result.returncode == 1
    assert "set BRAIN_MRI_CACHE" in result.stderr


@pytest.mark.parametrize("system", ["Linux aarch64", "Darwin x86_64", "FreeBSD amd64"])
def test_a_system_without_builds_is_sent_to_docker(checkout: Checkout, system: str):
    write_script(checkout.programs / "uname", f"echo {system}\n")

    result = checkout.run("-c", "pass")

    assert result.returncode == 1
    assert system in result.stderr
    assert f"docker build --platform linux/amd64 -t brain-mri-pipeline '{checkout.folder}'" in (
        result.stderr
    )
    assert not checkout.cache.exists()


@pytest.fixture
def bare_machine(checkout: Checkout) -> Checkout:
    """A machine with an old glibc and without mmdebstrap and bubblewrap."""
    if sys.platform != "linux":
        pytest.skip("an old glibc is a matter of Linux")
    for program in Path("/usr/bin").iterdir():
        if program.name not in ("mmdebstrap", "bwrap", "newuidmap", "apt-get"):
            (checkout.programs / program.name).symlink_to(program)
    (checkout.programs / "getconf").unlink(missing_ok=True)
    write_script(checkout.programs / "getconf", "echo glibc 2.36\n")
    checkout.variables["PATH"] = str(checkout.programs)
    return checkout


def test_an_ordinary_user_is_told_the_line_to_run(bare_machine: Checkout):
    (bare_machine.programs / "id").unlink()
    write_script(bare_machine.programs / "id", "echo 1000\n")
    write_script(bare_machine.programs / "apt-get", "touch must-not-run\n")

    result = bare_machine.run("-c", "pass")

    assert result.returncode == 1
    assert result.stderr.endswith("sudo apt-get install -y mmdebstrap bubblewrap uidmap\n")
    assert not (bare_machine.folder.parent / "must-not-run").exists()


def test_root_installs_the_two_packages(bare_machine: Checkout):
    (bare_machine.programs / "id").unlink()
    write_script(bare_machine.programs / "id", "echo 0\n")
    write_script(bare_machine.programs / "apt-get", 'echo "$@" >>"$0.calls"; [ "$1" = update ]\n')

    result = bare_machine.run("-c", "pass")

    assert result.returncode == 1
    assert "installing mmdebstrap bubblewrap failed" in result.stderr
    assert (bare_machine.programs / "apt-get.calls").read_text().splitlines() == [
        "update",
        "-o DPkg::Lock::Timeout=300 install -y --no-install-recommends mmdebstrap bubblewrap",
    ]


def test_an_old_linux_without_apt_is_sent_to_docker(bare_machine: Checkout):
    result = bare_machine.run("-c", "pass")

    assert result.returncode == 1
    assert "docker build" in result.stderr


def test_an_unknown_python_is_refused(checkout: Checkout):
    checkout.variables["BRAIN_MRI_PYTHON"] = "python2.7"

    result = checkout.run("-c", "pass")

    assert result.returncode == 1
    assert "BRAIN_MRI_PYTHON=python2.7 is not Python 3.10 to 3.13" in result.stderr


def test_two_checkouts_with_one_lock_file_share_an_environment(checkout: Checkout, tmp_path: Path):
    other = tmp_path / "other"
    shutil.copytree(checkout.folder, other)
    checkout.run("-c", "pass")

    result = subprocess.run(
        [str(other / "bin" / "python"), "-c", "import mri; print(mri.__file__)"],
        env=checkout.environ(),
        capture_output=True,
        text=True,
    )

    assert (result.stdout, result.stderr) == (f"{other / 'mri' / '__init__.py'}\n", "")


def test_removing_takes_the_environment_of_this_lock_file_only(checkout: Checkout):
    checkout.run("-c", "pass")
    (kept,) = checkout.environments()
    (checkout.folder / "requirements" / "lock.txt").write_text("\n")
    checkout.run("-c", "pass")

    checkout.run("--remove-environment")

    assert checkout.environments() == [kept]

    checkout.run("--remove-environment", "all")

    assert not checkout.cache.exists()
