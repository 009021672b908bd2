import os
from types import SimpleNamespace

import pytest

from pipeline.scheduling import spans
from pipeline.scheduling.spans import Arrivals


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(spans, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


@pytest.fixture
def arrivals(tmp_path, clock):
    span = tmp_path / "incoming" / "span-001"
    span.mkdir(parents=True)
    (span / "image.png").write_bytes(b"half")
    return Arrivals(tmp_path / "incoming", settle=10)


def _look(arrivals: Arrivals) -> list[int]:
    return [number for number in arrivals.present() if arrivals.is_whole(number)]


def test_a_span_settles(arrivals, clock):
    assert _look(arrivals) == []
    clock.now = 9
    assert _look(arrivals) == []
    clock.now = 10
    assert _look(arrivals) == [1]


@pytest.mark.parametrize("mount_point", [False, True])
def test_it_settles_anew_after_its_folder_was_away(arrivals, clock, mount_point):
    assert _look(arrivals) == []
    away = arrivals.folder.rename(arrivals.folder.with_name("away"))
    clock.now = 5
    if mount_point:  # what is unmounted leaves an empty folder
        arrivals.folder.mkdir()
        assert _look(arrivals) == []
        arrivals.folder.rmdir()
    else:
        with pytest.raises(FileNotFoundError):
            _look(arrivals)
    away.rename(arrivals.folder)
    clock.now = 60
    assert _look(arrivals) == []
    clock.now = 70
    assert _look(arrivals) == [1]


def test_a_folder_whose_names_can_be_read_and_no_more_is_unreadable(arrivals, monkeypatch):
    monkeypatch.setattr(os, "access", lambda _path, mode: mode != os.X_OK)
    with pytest.raises(PermissionError):
        arrivals.present()
