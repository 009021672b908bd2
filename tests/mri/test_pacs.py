"""`mri pacs`: what a person sees and sets."""

import json

import pytest
import yaml
from mri_command import mri

from serving.pacs.journal import Journal, State
from serving.pacs.spool import JOURNAL_FILE

SETTINGS = {
    "spool": "spool",
    "listen": {"allowed": ["SENDER"]},
    "destinations": [{"name": "archive", "url": "http://127.0.0.1:8042/dicom-web"}],
}


@pytest.fixture
def config(tmp_path) -> str:
    file = tmp_path / "pacs.yaml"
    file.write_text(yaml.safe_dump(SETTINGS))
    return str(file)


@pytest.fixture
def journal(tmp_path) -> Journal:
    """A failed study, and a received one."""
    (tmp_path / "spool").mkdir()
    made = Journal(tmp_path / "spool" / JOURNAL_FILE)
    for key, now in (("aaaa1111", 1.0), ("bbbb2222", 2.0)):
        made.add(key, "1.2.3", "file.dcm", "digest", 10, now)
    made.settle(1.5)
    stable = made.next_in(State.STABLE, 5.0)
    made.move(stable, State.FAILED, "its images are of different patients")
    return made


def test_status_lists_studies_and_why_they_failed(config, journal):
    told = mri("pacs", "status", "--config", config, COLUMNS="200").stdout
    assert "1 received, 1 failed" in told
    assert "different patients" in told
    found = json.loads(mri("pacs", "status", "--config", config, "--json").stdout)
    assert [one["key"] for one in found["studies"]] == ["bbbb2222", "aaaa1111"]


def test_show_and_retry_take_the_beginning_of_a_key(config, journal):
    told = mri("pacs", "show", "aa", "--config", config)
    assert "failed" in told.stdout
    assert "Decision support, not a diagnosis." in told.stdout
    assert mri("pacs", "retry", "aa", "--config", config).returncode == 0
    assert journal.find("aa").state is State.STABLE
    unknown = mri("pacs", "show", "cc", "--config", config)
    assert unknown.returncode == 1
    assert "no study begins with 'cc'" in unknown.stderr
    assert "give a study's key" in mri("pacs", "retry", "--config", config).stderr.lower()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"listen": {"allowed": []}}, "listen.allowed"),
        ({"listen": {"allowed": ["A" * 17]}}, "must be an AE title"),
        ({"stable_second": 5}, "did you mean 'stable_seconds'"),
        ({"series": [{"description": "("}]}, "must be a regular expression"),
        ({"destinations": [{"name": "x", "host": "h"}]}, "must have either ae_title"),
        ({"destinations": [{"name": "x", "url": "ftp://h"}]}, "must be a plain address"),
        ({"destinations": SETTINGS["destinations"] * 2}, "must have different names"),
        ({"spool": None}, "spool"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path, change, said):
    file = tmp_path / "pacs.yaml"
    file.write_text(yaml.safe_dump({**SETTINGS, **change}))
    told = mri("pacs", "status", "--config", str(file))
    assert told.returncode == 2
    assert said in told.stderr
    assert "pacs.yaml" in told.stderr


def test_a_spool_that_is_not_there_is_said(config):
    assert "start `mri pacs run` first" in mri("pacs", "status", "--config", config).stderr
