import errno
import fcntl
import os
import stat
from pathlib import Path

import pytest

from components.ingest.config import SALT_FILE_VARIABLE, SALT_VARIABLE
from components.ingest.patients import patient_salt
from pipeline.removal import Removal
from pipeline.work import Work


@pytest.fixture
def work(tmp_path) -> Work:
    return Work(tmp_path)


def test_a_folder_beside_the_current_one_has_one_name(tmp_path):
    (tmp_path / "here").mkdir()
    work = Work(tmp_path / "here" / ".." / "work")
    assert work == Work(tmp_path / "work")
    assert Removal(work.root).allows(work.artifacts / "Trainer"), "or clean removes nothing"


def test_what_lies_behind_a_link_for_temporary_files_stays(tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "others").write_text("kept")
    work = Work(tmp_path / "work")
    work.root.mkdir()
    work.temporary.symlink_to(shared)
    with work.exclusively():
        pass
    assert (shared / "others").read_text() == "kept"


def test_up_is_from_where_a_link_leads_and_other_links_stay(tmp_path):
    (tmp_path / "far" / "inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "far" / "inner")
    assert Work(tmp_path / "link" / ".." / "work").root == tmp_path / "far" / "work"
    assert Work(tmp_path / "link" / "work").root == tmp_path / "link" / "work"


def test_the_salt_is_made_once_for_its_owners_eyes(work):
    salt = work.patient_salt()
    assert len(salt) == 32
    assert work.patient_salt() == salt
    [file] = work.root.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_salt_that_was_cut_off_is_made_anew_and_kept(work):
    (work.root / "patient-salt").touch()
    salt = work.patient_salt()
    assert len(salt) == 32
    assert work.patient_salt() == salt


def test_of_two_tasks_that_make_the_salt_at_once_both_have_the_same(work, monkeypatch):
    real, others = Path.write_text, []

    def meanwhile(self: Path, *arguments: str, **options: str) -> int:
        if not others:
            others.append("")
            others.append(work.patient_salt())
        return real(self, *arguments, **options)

    monkeypatch.setattr(Path, "write_text", meanwhile)
    assert work.patient_salt() == others[1] == work.patient_salt()
    [file] = work.root.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("own", ["", "mine"])
def test_each_folder_lends_its_own_salt_unless_the_variable_says_one(tmp_path, monkeypatch, own):
    monkeypatch.setenv(SALT_VARIABLE, own)
    monkeypatch.delenv(SALT_FILE_VARIABLE, raising=False)
    for name in ("one", "other"):
        work = Work(tmp_path / name)
        work.root.mkdir()
        work.lend_patient_salt()
        assert patient_salt().decode() == (own or work.patient_salt())
        assert os.environ[SALT_VARIABLE] == own, "it would be told to every process of the run"


def test_a_salt_that_cannot_be_written_leaves_no_half_of_it(work, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space left"):
        work.patient_salt()
    assert not list(work.root.iterdir())


def test_whether_a_run_goes_on_is_asked_as_nfs_wants_it(work, monkeypatch):
    flock = fcntl.flock

    def on_nfs(file, mode: int) -> None:
        if mode & fcntl.LOCK_EX and fcntl.fcntl(file, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        flock(file, mode)

    monkeypatch.setattr(fcntl, "flock", on_nfs)
    assert not work.is_busy()
    with work.shared():
        assert work.is_busy()
    assert not work.is_busy()
