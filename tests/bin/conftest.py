"""A copy of bin/ with a lock file of its own, so that an environment takes seconds to build."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def write_script(path: Path, text: str) -> Path:
    """Writes an executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/bash\n" + text, encoding="utf-8")
    path.chmod(0o755)
    return path


@dataclass
class Checkout:
    """A checkout that holds bin/, an empty lock file and a package, and how to start it."""

    folder: Path
    cache: Path
    programs: Path  # comes first on PATH
    variables: dict[str, str] = field(default_factory=dict)

    def environ(self) -> dict[str, str]:
        """Returns the variables of a machine on which nothing is set up."""
        environ = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("BRAIN_MRI_", "PIP_", "UV_", "PYTHON"))
        }
        environ["PATH"] = os.pathsep.join([str(self.programs), environ["PATH"]])
        environ["BRAIN_MRI_CACHE"] = str(self.cache)
        return environ | self.variables

    def start(self, *arguments: str, **options: object) -> subprocess.Popen[str]:
        """Starts bin/python in a session, that is a process group, of its own."""
        settings: dict[str, object] = {
            "cwd": self.folder.parent,
            "env": self.environ(),
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "start_new_session": True,
            "text": True,
        }
        # A shell starts what it puts in the background with interrupts ignored, and what is ignored
        # stays so in all that is started from there. Not by preexec_fn: beside gRPC's threads, a
        # child that runs Python before its program may abort.
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        program = str(self.folder / "bin" / "python")
        return subprocess.Popen([program, *arguments], **(settings | options))

    def run(self, *arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
        """Runs bin/python to its end."""
        sent = options.pop("input", None)
        if sent is not None:
            options["stdin"] = subprocess.PIPE
        process = self.start(*arguments, **options)
        try:
            out, err = process.communicate(sent, timeout=300)
        finally:
            process.kill()
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def environments(self) -> list[Path]:
        """Returns the environments in the cache, whole or not."""
        return sorted(path for path in self.cache.glob("env-*") if path.is_dir())


def make_checkout(folder: Path) -> Checkout:
    """Copies bin/ below a folder whose names need quoting."""
    checkout = Checkout(
        folder / "ein Gehäuse" / "check out", folder / "the cache ü", folder / "programs"
    )
    shutil.copytree(ROOT / "bin", checkout.folder / "bin")
    (checkout.folder / "requirements").mkdir()
    (checkout.folder / "requirements" / "lock.txt").touch()
    (checkout.folder / "requirements" / "debian.txt").write_text("python3 # for all\n")
    (checkout.folder / "mri").mkdir()
    (checkout.folder / "mri" / "__init__.py").touch()
    (checkout.folder / "mri" / "__main__.py").write_text("import sys\nprint(sys.argv[1:])\n")
    # A virtual environment without pip takes a tenth of a second instead of three.
    python = write_script(
        checkout.programs / "quick-python",
        'if [ "$2" = venv ]; then\n'
        f'  exec "{sys.executable}" -m venv --without-pip "$3"\n'
        "fi\n"
        f'exec "{sys.executable}" "$@"\n',
    )
    checkout.variables["BRAIN_MRI_PYTHON"] = str(python)
    return checkout


def make_old(checkout: Checkout) -> Checkout:
    """Makes the machine look older than it is, with an mmdebstrap that has its root at hand."""
    root = os.environ.get("BRAIN_MRI_INSIDE")
    if sys.platform != "linux" or not root:
        pytest.skip("needs the Debian root file system, which this machine can do without")
    write_script(checkout.programs / "getconf", "echo glibc 2.36\n")
    write_script(checkout.programs / "id", "echo 0\n")  # what others need, mmdebstrap asks for
    write_script(
        checkout.programs / "mmdebstrap",
        'if [ -e "$0.gate" ]; then touch "$0.started"; cat "$0.gate"; fi\n'
        'echo x >>"$0.calls"\n'
        "directory=$(mktemp -d)\n"
        f"ln -s '{root}'/* \"$directory\"\n"
        'rm "$directory/dev"\n'
        'tar -c -C "$directory" .\n'
        'rm -r "$directory"\n',
    )
    return checkout


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A checkout on a machine that can do without a root file system."""
    return make_checkout(tmp_path)


@pytest.fixture
def old_checkout(tmp_path: Path) -> Checkout:
    """A checkout on a machine that needs a root file system."""
    return make_old(make_checkout(tmp_path))


@pytest.fixture(scope="module", params=["native", "debian"])
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout whose environment is there, on either kind of machine."""
    checkout = make_checkout(tmp_path_factory.mktemp("built"))
    if request.param == "debian":
        make_old(checkout)
    result = checkout.run("-c", "pass")
    assert result.returncode == 0, result.stderr
    return checkout
