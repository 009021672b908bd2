"""bin/install.py: pip's settings reach uv, and nothing comes in without its hash."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

pytestmark = pytest.mark.long

if TYPE_CHECKING:
    from conftest import Checkout

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def install() -> ModuleType:
    spec = importlib.util.spec_from_file_location("install", ROOT / "bin" / "install.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_uv_is_told_what_pip_knows(install: ModuleType):
    settings = {
        "index-url": "https://a.invalid/simple",
        "extra-index-url": "https://b.invalid/simple\nhttps://c.invalid/simple",
        "find-links": "/wheels /more-wheels",
        "trusted-host": "a.invalid b.invalid",
        "cert": "/etc/ca.pem",
        "disable-pip-version-check": "1",
    }

    environment = install.uv_environment(settings, {"HOME": "/h", "SSL_CERT_FILE": "/other.pem"})

    assert environment["UV_DEFAULT_INDEX"] == "https://a.invalid/simple"
    assert environment["UV_INDEX"] == "https://b.invalid/simple https://c.invalid/simple"
    assert environment["UV_FIND_LINKS"] == "/wheels,/more-wheels"
    assert environment["UV_INSECURE_HOST"] == "a.invalid b.invalid"
    assert environment["SSL_CERT_FILE"] == "/etc/ca.pem"
    assert environment["HOME"] == "/h"


def test_what_is_set_for_uv_itself_wins(install: ModuleType):
    environment = install.uv_environment({"index-url": "https://a"}, {"UV_DEFAULT_INDEX": "mine"})

    assert environment["UV_DEFAULT_INDEX"] == "mine"


def test_pips_files_and_variables_are_read_by_their_rank(
    install: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    file = tmp_path / "pip.conf"
    file.write_text(
        "[global]\nindex-url = https://global\nretries = 7\ntimeout = 5\n"
        "[install]\nindex-url = https://install\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    monkeypatch.setenv("PIP_RETRIES", "9")
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)

    settings = install.pip_settings()

    assert settings["index-url"] == "https://install"
    assert settings["retries"] == "9"
    assert settings["timeout"] == "5"


def test_the_pin_of_uv_is_taken_with_its_hashes(install: ModuleType):
    lock = (
        "a==1 \\\n    --hash=sha256:aa\n"
        "uv==2 \\\n    --hash=sha256:bb \\\n    --hash=sha256:cc\n    # via -r dev.in\n"
        "uvicorn==3 \\\n    --hash=sha256:dd\n"
    )

    assert install.uv_requirement(lock) == (
        "uv==2 \\\n    --hash=sha256:bb \\\n    --hash=sha256:cc\n"
    )


def test_a_lock_file_without_uv_is_refused(install: ModuleType):
    with pytest.raises(ValueError, match="does not pin uv"):
        install.uv_requirement("a==1\n")


def make_wheel(folder: Path, name: str, files: dict[str, str]) -> str:
    """Writes a wheel; returns its line for a lock file."""
    folder.mkdir(exist_ok=True)
    wheel = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    files = files | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
        record += f"{path},sha256={digest.decode().rstrip('=')},{len(text.encode())}\n"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in (files | {f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}).items():
            member = zipfile.ZipInfo(path)
            member.external_attr = 0o100755 << 16
            archive.writestr(member, text)
    return f"{name}==1.0 --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"


@pytest.fixture
def offline_lock(checkout: Checkout) -> Path:
    """A lock file of two wheels in a folder that pip's own settings name, and no index."""
    uv = Path(sysconfig.get_path("scripts"), "uv")
    if not uv.exists():
        pytest.skip("needs uv, which the lock file holds")
    wheels = checkout.folder.parent / "wheels"
    script = f'#!/bin/bash\nexec "{uv}" "$@"\n'
    lock = checkout.folder / "requirements" / "lock.txt"
    lock.write_text(
        make_wheel(wheels, "uv", {"uv-1.0.data/scripts/uv": script})
        + make_wheel(wheels, "probe", {"probe.py": "answer = 42\n"})
    )
    configuration = checkout.folder.parent / "pip.conf"
    link = shutil.copytree(wheels, checkout.cache.parent / "wheels")  # no space in a list of paths
    configuration.write_text(f"[global]\nfind-links = {link}\nno-index = true\n")
    checkout.variables["PIP_CONFIG_FILE"] = str(configuration)
    del checkout.variables["BRAIN_MRI_PYTHON"]  # pip is needed this time
    return lock


def test_locked_packages_are_installed_from_where_pip_would_take_them(
    checkout: Checkout, offline_lock: Path
):
    result = checkout.run("-c", "import probe; print(probe.answer)")

    assert result.stdout == "42\n", result.stderr


def test_the_lock_file_pins_every_package_by_hash():
    for path in (ROOT / "requirements").glob("lock*.txt"):
        entries = path.read_text().replace("\\\n", " ").splitlines()
        pins = [line for line in entries if line and not line.lstrip().startswith("#")]
        assert pins
        assert [pin for pin in pins if "==" not in pin or "--hash=sha256:" not in pin] == []


def test_install_needs_the_standard_library_alone():
    """It runs when nothing else is there."""
    result = subprocess.run(
        [sys.executable, "-I", "-S", str(ROOT / "bin" / "install.py"), "--help"],
        capture_output=True,
        text=True,
    )

    assert result.returncode == 0, result.stderr


def test_another_hash_is_refused_in_the_whole_lock_file_and_in_a_part(
    checkout: Checkout, offline_lock: Path, tmp_path: Path
):
    """As the small container images are made, of a part."""
    asked = tmp_path / "part.in"
    asked.write_text("probe\n")
    python = tmp_path / "environment" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", str(python.parents[1])], check=True)
    command = [str(python), str(ROOT / "bin" / "install.py"), "--cache", str(tmp_path / "cache")]
    none = "--hash=sha256:" + "0" * 64
    right = f"{offline_lock.read_text()}other==1.0 {none}\n"
    uv, probe, other = right.splitlines(keepends=True)

    wrong = f"{uv}{probe.partition(' ')[0]} {none}\n"
    for lock, words in ((wrong, []), (wrong + other, ["--only", str(asked)])):
        offline_lock.write_text(lock)
        refused = subprocess.run(
            [*command, *words, str(offline_lock)],
            env=checkout.environ(), capture_output=True, text=True,
        )  # fmt: skip
        assert refused.returncode != 0
        assert "hash" in refused.stderr.lower()

    offline_lock.write_text(right)
    only = [*command, "--only", str(asked), str(offline_lock)]
    subprocess.run(only, env=checkout.environ(), check=True)

    found = subprocess.run(
        [python, "-I", "-c", "import probe; print(probe.answer)"], capture_output=True, text=True
    )
    assert found.stdout == "42\n", found.stderr
