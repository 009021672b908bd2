import errno
import os
from pathlib import Path

import pytest

from components import contents
from components.contents import read_digests
from components.errors import PipelineError

LIMIT = 1000


@pytest.fixture
def files(tmp_path) -> list[str]:
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for path in paths:
        path.write_bytes(b"content of " + path.name.encode())
    return [str(path) for path in paths]


@pytest.fixture
def reads(monkeypatch) -> list[str]:
    """The files that were read."""
    real, read = contents.file_digest, []

    def reading(path, limit):
        read.append(Path(path).name)
        return real(path, limit)

    monkeypatch.setattr(contents, "file_digest", reading)
    return read


@pytest.fixture
def settled(monkeypatch) -> None:
    """Files are old enough for their times to tell of each change."""
    monkeypatch.setattr(contents, "_SETTLED", -(10**15))


def test_what_has_not_changed_is_not_read_again(files, reads, settled, tmp_path):
    known = tmp_path / "work" / "known.parquet"
    first = read_digests(files, LIMIT, known)
    assert sorted(reads) == ["0.png", "1.png", "2.png"]
    reads.clear()
    assert read_digests(files, LIMIT, known) == first
    assert reads == []
    assert read_digests(files, LIMIT) == first
    assert len(reads) == 3


def test_a_change_is_seen_where_size_and_time_are_put_back(files, reads, settled, tmp_path):
    known = tmp_path / "known.parquet"
    first = read_digests(files, LIMIT, known)
    path = Path(files[1])
    before = path.stat()
    path.write_bytes(path.read_bytes().upper())
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    again = read_digests(files, LIMIT, known)
    assert [one == other for one, other in zip(first, again, strict=True)] == [True, False, True]


def test_a_file_that_changed_a_moment_ago_is_read_again(files, reads, tmp_path):
    """It may change once more within the same tick of the file system's clock."""
    known = tmp_path / "known.parquet"
    first = read_digests(files, LIMIT, known)
    reads.clear()
    assert read_digests(files, LIMIT, known) == first
    assert len(reads) == 3


@pytest.mark.parametrize(
    "damage", [lambda content: content[: len(content) // 2], lambda content: b"", bytes.swapcase]
)
def test_a_damaged_memory_is_made_anew(files, reads, settled, tmp_path, damage):
    known = tmp_path / "known.parquet"
    first = read_digests(files, LIMIT, known)
    known.write_bytes(damage(known.read_bytes()))
    assert read_digests(files, LIMIT, known) == first
    reads.clear()
    assert read_digests(files, LIMIT, known) == first
    assert reads == []


def test_a_memory_that_cannot_be_written_only_costs_time(files, settled, tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(contents.os, "fsync", full)
    known = tmp_path / "work" / "known.parquet"
    assert read_digests(files, LIMIT, known) == read_digests(files, LIMIT)
    assert not list(known.parent.iterdir())


def test_what_cannot_be_read_says_why_and_is_tried_again(files, settled, tmp_path):
    known = tmp_path / "known.parquet"
    Path(files[0]).unlink()
    Path(files[0]).symlink_to(tmp_path / "nowhere")
    Path(files[1]).write_bytes(b"x" * (LIMIT + 1))
    found = read_digests(files, LIMIT, known)
    assert found[0] == "unread: cannot be read: No such file or directory"
    assert found[1] == "unread: more bytes than the limit of 1,000"
    (tmp_path / "nowhere").write_bytes(b"here")
    assert len(read_digests(files, LIMIT, known)[0]) == 64
    assert len(read_digests(files, LIMIT + 1, known)[1]) == 64
    assert read_digests(files, LIMIT, known)[1] == found[1]


def test_what_the_machine_cannot_do_now_is_said_and_no_answer(files, monkeypatch):
    def many(*_: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr("imaging.reader.os.open", many)
    with pytest.raises(PipelineError, match=r"0\.png \(Too many open files\), which does not mean"):
        read_digests(files[:1], LIMIT)


def test_names_that_are_no_text_are_remembered(tmp_path, reads, settled):
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.png")
    Path(odd).write_bytes(b"x")
    known = tmp_path / "known.parquet"
    first = read_digests([odd], LIMIT, known)
    assert read_digests([odd], LIMIT, known) == first
    assert len(reads) == 1
