import os
import subprocess
import sys

import pytest

from components import code_version
from components.code_version import RELEASE


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """Asks in a folder that may be a checkout, with a git that says what it is told to."""
    monkeypatch.delenv("BRAIN_MRI_COMMIT", raising=False)
    monkeypatch.setattr(code_version, "_ROOT", tmp_path)
    monkeypatch.setattr(code_version.importlib.metadata, "version", lambda _name: "0.1.0+gold")

    def ask(changed: str = "", *, checkout: bool = True) -> str:
        if checkout:
            (tmp_path / ".git").mkdir()
        answers = {"rev-parse": "8be32c1234", "status": changed}
        monkeypatch.setattr(code_version, "_git", lambda what, *_rest: answers[what])
        code_version.code_version.cache_clear()
        return code_version.code_version()

    yield ask
    code_version.code_version.cache_clear()


def test_a_checkout_names_its_commit_and_not_that_of_an_earlier_build(asked):
    assert asked() == f"{RELEASE}+g8be32c1234"


def test_changes_that_are_not_committed_are_told(asked):
    assert asked(" M README.md") == f"{RELEASE}+g8be32c1234.dirty"


def test_where_git_cannot_be_run_the_wrapper_says_the_commit(asked, monkeypatch):
    monkeypatch.setenv("BRAIN_MRI_COMMIT", "gabc.dirty")
    assert asked() == f"{RELEASE}+gabc.dirty"


def test_what_is_installed_says_what_it_was_built_from(asked, monkeypatch):
    monkeypatch.setenv("BRAIN_MRI_COMMIT", "gabc")
    assert asked(checkout=False) == "0.1.0+gold"


def test_without_git_there_is_the_version_of_the_build(asked, monkeypatch):
    def missing(_what, *_rest):
        raise FileNotFoundError("git")

    asked()
    monkeypatch.setattr(code_version, "_git", missing)
    code_version.code_version.cache_clear()
    assert code_version.code_version() == "0.1.0+gold"


def test_what_is_neither_has_the_release_alone(asked, monkeypatch):
    def missing(_name):
        raise code_version.importlib.metadata.PackageNotFoundError

    monkeypatch.setattr(code_version.importlib.metadata, "version", missing)
    assert asked(checkout=False) == RELEASE


@pytest.mark.parametrize("flag", ["--version", "-h"])
def test_the_command_says_it(flag):
    done = subprocess.run(
        [sys.executable, "-m", "mri", flag],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "100"},
    )
    assert (f"mri {RELEASE}" if flag == "--version" else "Usage: mri") in done.stdout
