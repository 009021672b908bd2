import os
from types import SimpleNamespace

import pytest

from components.errors import PipelineError
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


def test_a_link_to_a_span_is_seen_and_settles_by_what_it_leads_to(arrivals, clock, tmp_path):
    span = arrivals.folder / "span-001"
    far = span.rename(tmp_path / "far")
    span.symlink_to(far)
    assert _look(arrivals) == []
    clock.now = 9
    (far / "image.png").write_bytes(b"whole by now")
    assert _look(arrivals) == []
    clock.now = 18
    assert _look(arrivals) == []
    clock.now = 19
    assert _look(arrivals) == [1]


@pytest.mark.parametrize("what", ["class folder", "file"])
def test_a_link_in_a_span_settles_by_what_it_leads_to(arrivals, clock, tmp_path, what):
    far = tmp_path / "far"
    far.mkdir()
    (far / "more.png").write_bytes(b"half")
    link = arrivals.folder / "span-001" / ("glioma" if what == "class folder" else "more.png")
    link.symlink_to(far if what == "class folder" else far / "more.png")
    _look(arrivals)
    clock.now = 9
    (far / "more.png").write_bytes(b"whole by now")
    assert _look(arrivals) == []
    clock.now = 18
    assert _look(arrivals) == []


def test_links_that_lead_nowhere_or_in_a_circle_hold_up_nobody(arrivals, clock):
    (arrivals.folder / "span-002").symlink_to("nowhere")
    (arrivals.folder / "span-003").symlink_to("span-003")
    (arrivals.folder / "span-001" / "up").symlink_to("..")
    (arrivals.folder / "span-001" / "gone.png").symlink_to("nowhere")
    assert arrivals.present() == [1]
    _look(arrivals)
    clock.now = 10
    assert _look(arrivals) == [1]


def test_the_same_number_twice_is_refused_with_both_names(arrivals):
    (arrivals.folder / "span-1").mkdir()
    with pytest.raises(PipelineError, match=r"span-001 and span-1 .* have the same number"):
        arrivals.present()
