"""What killed processes left goes; what is somebody's, or means something, stays."""

import io
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from commands import clean
from rich.console import Console

from components.whole_file import whole_file, writing_in
from pipeline.orphans import remove_orphans
from pipeline.removal import Removal
from pipeline.work import Work

_HEX = "0123456789abcdef"


@pytest.fixture
def work(tmp_path) -> Work:
    return Work(tmp_path / "work")


def _fill(path: Path) -> Path:
    path.mkdir(parents=True)
    (path / "file").write_bytes(b"x" * 100)
    return path


def _leave(work: Work) -> list[Path]:
    """All that is left where a kill comes in the worst moments."""
    folders = [
        work.temporary / "beam-temp-1",
        work.serving / "brain_mri" / ".12.unfinished",
        work.serving / "brain_mri" / f".13.{_HEX * 2}",
        work.artifacts / "Trainer" / "model" / "3" / ".serve_check",
        work.artifacts / "Ingest" / ".system" / "executor_execution" / "1" / ".temp",
        work.root / ".sample.a_b0c1d2",
        work.cache / ".examples-4.abcdefgh",
        work.cache / "features" / ".digest.removed",
    ]
    files = [
        work.temporary / "tmp1",
        work.root / ".unfinished-01234567-batching.config",
        work.runs / "run" / ".unfinished-89abcdef-pipeline.json",
        work.cache / "deep" / "er" / ".unfinished-89abcdef-two\nlines",
    ]
    for folder in folders:
        _fill(folder)
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x" * 100)
    return [*folders, *files]


def _keep(work: Work) -> list[Path]:
    """What only looks like it."""
    folders = [
        work.serving / "brain_mri" / "12",
        work.serving / "brain_mri" / ".hidden",
        work.artifacts / "Ingest" / "examples" / "1" / ".12.unfinished",
        work.artifacts / "Ingest" / "examples" / "1" / ".temp",
        work.cache / "features" / "digest",
        work.root / ".git",
    ]
    files = [
        work.root / "metadata.sqlite-journal",  # without it the database could not be mended
        work.root / "unfinished-01234567-notes.txt",
        work.runs / "run" / "log.txt",
    ]
    for folder in folders:
        _fill(folder)
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return [*folders, *files]


def _sweep(work: Work) -> Removal:
    removal = Removal(work.root)
    with work.exclusively():
        remove_orphans(work, removal)
    assert not removal.failures
    return removal


def test_what_nobody_owns_goes_and_all_else_stays(work):
    left, kept = _leave(work), _keep(work)
    removal = _sweep(work)
    assert not [path for path in left if path.exists()]
    assert all(path.exists() for path in kept)
    assert sum(freed.count for freed in removal.freed.values()) == len(left)
    assert sum(freed.size for freed in removal.freed.values()) == 100 * len(left)


def test_a_temporary_folder_that_somebody_holds_stays_until_it_is_let_go(work):
    copy = _fill(work.temporary / "mri-data-1")
    with writing_in(copy):
        remove_orphans(work, Removal(work.root))
        assert copy.exists()
    remove_orphans(work, Removal(work.root))
    assert not copy.exists()


def test_clean_removes_it_where_no_run_was_ever_recorded_and_a_dry_run_counts_it(work):
    left = _leave(work)
    said = io.StringIO()
    console = Console(file=said, width=200)
    assert clean(console, work.root, 10, dry_run=True)
    assert f"{100 * len(left):,} bytes would be freed; nothing was removed" in said.getvalue()
    assert all(path.exists() for path in left)
    assert clean(console, work.root, 10)
    assert f"{100 * len(left):,} bytes freed" in said.getvalue()
    assert not [path for path in left if path.exists()]


_WRITER = """
import sys
from pathlib import Path
from components.whole_file import whole_file, writing_in
with whole_file(Path(sys.argv[1])) as file:
    file.write_text("half")
    print(file, flush=True)
    sys.stdin.read()
    file.write_text("whole")
"""


def test_what_a_living_process_writes_stays_until_it_is_killed(work):
    """A model server, a page or a scheduler, none of which holds the work folder."""
    work.requests.mkdir(parents=True)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    command = [sys.executable, "-c", _WRITER, str(work.requests / "requests.parquet")]
    with subprocess.Popen(command, text=True, **pipes) as writer:
        unfinished = Path(writer.stdout.readline().rstrip("\n"))
        _sweep(work)
        assert unfinished.read_text() == "half"
        writer.communicate("")
        assert (work.requests / "requests.parquet").read_text() == "whole"
    with subprocess.Popen(command, text=True, **pipes) as writer:
        unfinished = Path(writer.stdout.readline().rstrip("\n"))
        writer.kill()
        writer.wait()
    assert unfinished.exists()
    _sweep(work)
    assert not unfinished.exists()


def test_a_socket_goes_when_nobody_listens(work):
    work.root.mkdir(parents=True)
    path = work.root / "server.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        _sweep(work)
        assert path.exists()
    _sweep(work)
    assert not path.exists()


def test_nothing_is_followed_through_a_link(work, tmp_path):
    far = _fill(tmp_path / "far")
    (far / ".unfinished-01234567-x").touch()
    work.temporary.mkdir(parents=True)
    (work.root / "link").symlink_to(far)
    (work.temporary / "link").symlink_to(far)
    _sweep(work)
    assert (far / ".unfinished-01234567-x").exists()
    assert (far / "file").exists()
    assert (work.root / "link").exists()
    assert not (work.temporary / "link").is_symlink()


def test_a_block_that_holds_the_folder_leaves_nothing_in_tmp_and_the_environment_as_it_was(
    work, monkeypatch
):
    monkeypatch.setenv("TMPDIR", "/somewhere")
    before = tempfile.tempdir

    def interrupted() -> None:
        with work.exclusively():
            (Path(tempfile.mkdtemp()) / "file").touch()
            tempfile.mkstemp()
            assert len(list(work.temporary.iterdir())) == 2
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(work.temporary.iterdir()) == []
    assert (os.environ["TMPDIR"], tempfile.tempdir) == ("/somewhere", before)


def test_a_file_that_is_whole_leaves_nothing_where_folders_cannot_be_locked(tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with whole_file(tmp_path / "file") as file:
        file.write_text("whole")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["whole"]
