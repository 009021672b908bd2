"""What the lock file installs may go with Apache-2.0, and each exception is explained."""

import re
import sys
from collections.abc import Callable
from importlib.metadata import Distribution
from pathlib import Path

import piplicenses
import pytest

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[1]


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Runs pip-licenses as `make licences` does, but for the texts of licences: nobody reads those.

    It looks for them among all files of all packages, three times over.
    """
    monkeypatch.chdir(ROOT)  # where its settings are
    monkeypatch.setattr(Distribution, "files", ())
    # Once it is imported, setuptools shows the packages that it has copies of.
    installed = [path for path in sys.path if "_vendor" not in Path(path).parts]
    monkeypatch.setattr(sys, "path", installed)

    def run(*arguments: str) -> None:
        monkeypatch.setattr(sys, "argv", ["pip-licenses", *arguments])
        piplicenses.main()

    return run


def test_every_installed_package_may_be_distributed_with_ours(check, capsys):
    check()
    assert "tensorflow" in capsys.readouterr().out


def test_a_package_under_the_lgpl_is_refused(check, capsys):
    with pytest.raises(SystemExit) as ended:
        # Of those that name no licence, so that what is left is refused for what it names.
        check("--ignore-packages", "namex", "huey", "promql-parser", "sigstore-models", "skops")
    assert ended.value.code == 1
    assert "psycopg" in capsys.readouterr().err


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
