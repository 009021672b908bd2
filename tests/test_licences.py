"""What the lock file installs may go with Apache-2.0, and each exception is explained."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[1]


def _licences(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "piplicenses", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_installed_package_may_be_distributed_with_ours():
    result = _licences()
    assert result.returncode == 0, result.stderr


def test_a_package_under_the_lgpl_is_refused():
    result = _licences("--ignore-packages", "namex")
    assert result.returncode == 1
    assert "psycopg" in result.stderr


def test_no_package_of_the_lock_file_is_under_the_gpl():
    lock = (ROOT / "requirements" / "lock.txt").read_text(encoding="utf-8")
    assert not re.search("^pylibjpeg-libjpeg", lock, re.MULTILINE)


def test_exceptions_have_reasons():
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    listed = re.search(r"ignore-packages = \[(.*?)\]", settings, re.DOTALL)
    assert listed
    page = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")
    rows = [row.split("|")[1] for row in page.splitlines() if row.startswith("| `")]
    assert sorted(re.findall(r'"(.+?)"', listed[1])) == sorted(
        re.findall(r"`(.+?)`", " ".join(rows))
    )
