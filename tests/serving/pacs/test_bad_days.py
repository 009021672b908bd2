"""What fails for a while is waited for, and what is odd in one study is its own affair."""

import json
import logging
import sqlite3
from datetime import datetime, timedelta

import fake_server
import pacs
import pytest
from pacs import finish, receive, states, texts
from pydicom import Dataset
from pydicom.uid import (
    ComprehensiveSRStorage,
    EnhancedMRImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
    SecondaryCaptureImageStorage,
)

from components.errors import PipelineError, UsageError
from components.free_ports import free_ports
from imaging.picture import ReadFailedError
from serving.client import images as client_images
from serving.pacs import node as node_module
from serving.pacs import rules as rules_module
from serving.pacs.config import PacsConfig, RuleConfig
from serving.pacs.headers import read_header
from serving.pacs.journal import State
from serving.pacs.node import Node
from serving.pacs.objects import encoded

pytestmark = pytest.mark.long


class Interrupted(pacs.Model):
    """Answers oddly to what is asked of images, the first times."""

    def __init__(self, odd: fake_server.Answer, signature: str, times: int) -> None:
        super().__init__()
        self.odd, self.signature, self.times = odd, signature, times

    def __call__(self, handler, body: bytes) -> None:
        asked = "explain" if b'"explain"' in body else "predict"
        if handler.command == "POST" and asked == self.signature and self.times:
            self.times -= 1
            self.odd(handler, body)
        else:
            super().__call__(handler, body)


def unloaded(model: pacs.Model) -> fake_server.Answer:
    """What a server answers of a version that it has not any more."""

    def answer(handler, body: bytes) -> None:
        model.version = 8
        fake_server.says(404, {"error": "Servable not found for request"})(handler, body)

    return answer


@pytest.mark.parametrize(
    ("way", "signature"),
    [("hangs up", "predict"), ("busy", "predict"), ("busy", "explain"), ("unloaded", "explain")],
)
def test_a_model_server_that_restarts_in_a_study_is_asked_again(
    tmp_path, archive, clock, way, signature
):
    odd = {"hangs up": fake_server.hangs_up, "busy": fake_server.says(503, {"error": "busy"})}
    times = 1 if way == "unloaded" else 2  # as often as the client asks
    model = Interrupted(fake_server.hangs_up, signature, times)
    model.odd = odd.get(way) or unloaded(model)
    with fake_server.running(model) as server:
        node = Node(pacs.settings(tmp_path, server.address, archive.port), clock)
        receive(node, pacs.mr_series())
        finish(node, clock)
        [study] = node.spool.journal.studies()
        assert (study.state, study.attempts) == (State.STABLE, 1)
        assert "the model server answers" in study.reason
        finish(node, clock, 900)
        assert states(node) == [State.DELIVERED]
        node.close()
    assert len(archive.of_class(SecondaryCaptureImageStorage)) == 1  # not without its key slice


def test_a_server_without_a_model_is_not_asked_for_every_study(tmp_path, archive, clock):
    model = pacs.Model()
    model.version = None
    with fake_server.running(model) as server:
        node = Node(pacs.settings(tmp_path, server.address, archive.port), clock)
        for number in range(5):
            receive(node, pacs.mr_series(1, study=str(number)))
        finish(node, clock)
        assert len(server.requests) == 1
        for _ in range(10):
            finish(node, clock, 60)
        assert 5 <= len(server.requests) <= 11
        model.version = 7
        finish(node, clock, 60)  # and none waits longer than a minute
        assert states(node) == [State.DELIVERED] * 5
        node.close()


@pytest.mark.parametrize(
    "error", [OSError(5, "I/O error"), MemoryError(), sqlite3.OperationalError("disk is full")]
)
def test_a_machine_that_fails_postpones_and_fails_no_study(node, clock, monkeypatch, error):
    def fails(*_):
        raise error

    receive(node, pacs.mr_series(1))
    with monkeypatch.context() as patch:
        patch.setattr(node_module, "write_report", fails)
        finish(node, clock)
        [study] = node.spool.journal.studies()
        assert (study.state, study.attempts) == (State.READ, 1)
    finish(node, clock, 900)
    assert states(node) == [State.DELIVERED]


def test_an_image_that_cannot_be_read_now_is_not_answered_without_it(
    node, clock, monkeypatch, archive
):
    def fails(*_, **__):
        raise ReadFailedError("not enough memory")

    receive(node, pacs.mr_series(2))
    with monkeypatch.context() as patch:
        patch.setattr(client_images, "open_file", fails)
        finish(node, clock)
        [study] = node.spool.journal.studies()
        assert (study.state, study.reason) == (State.STABLE, "an image could not be read now")
    finish(node, clock, 900)
    [report] = archive.of_class(ComprehensiveSRStorage)
    assert "2 of 2 slices were judged" in " ".join(texts(report))


def test_a_study_is_answered_before_the_next_one_is_read(node, clock):
    for number in range(3):
        receive(node, pacs.mr_series(1, study=str(number)))
    clock.now += 61
    node.work()
    assert sorted(states(node)) == [State.READ, State.STABLE, State.STABLE]
    node.work()
    assert sorted(states(node)) == [State.ANSWERED, State.READ, State.STABLE]


def test_a_node_that_is_stopped_ends_after_a_series(tmp_path, archive, clock):
    class Stopping(pacs.Model):
        def __call__(self, handler, body: bytes) -> None:
            if handler.command == "POST":
                node.stop()
            super().__call__(handler, body)

    model = Stopping()
    with fake_server.running(model) as server:
        settings = pacs.settings(tmp_path, server.address, archive.port)
        node = Node(settings, clock)
        for number in range(3):
            receive(node, pacs.mr_series(2, series=str(number)))
        clock.now += 61
        node.work()
        [study] = node.spool.journal.studies()
        assert (study.state, study.attempts) == (State.STABLE, 0)
        assert model.asked == 3  # two slices, and the key slice of the series
        node.close()
        node = Node(settings, clock)
        node.stop = lambda: None
        finish(node, clock)
        assert states(node) == [State.DELIVERED]
        node.close()


def test_without_its_port_for_metrics_a_node_takes_no_images(tmp_path, server, archive):
    [port] = free_ports(1)
    with fake_server.running(fake_server.predicts, port=port):
        settings = pacs.settings(tmp_path, server, archive.port, http_port=port)
        node = Node(settings)
        started = []
        node.listener.start = lambda: started.append(True)
        with pytest.raises(PipelineError, match="choose another http_port"):
            node.run()
        node.close()
    assert not started


def test_who_is_written_in_another_way_is_the_same_patient(node, clock):
    receive(node, pacs.mr_series(1))
    receive(node, pacs.mr_series(1, series="2", PatientName="GEHEIMNIS^JÖRG^^"))
    finish(node, clock)
    assert states(node) == [State.DELIVERED]


@pytest.mark.parametrize("kind", [EnhancedMRImageStorage, LegacyConvertedEnhancedMRImageStorage])
def test_references_to_many_frames_name_the_frame(node, archive, clock, kind):
    [one] = pacs.mr_series(1)
    receive(
        node,
        pacs.mr_series(1, SOPClassUID=kind, NumberOfFrames=3, PixelData=one.PixelData * 3),
    )
    finish(node, clock)
    [report] = archive.of_class(ComprehensiveSRStorage)
    [capture] = archive.of_class(SecondaryCaptureImageStorage)
    [key] = [one for one in report.ContentSequence if one.ValueType == "IMAGE"]
    for reference in (key.ReferencedSOPSequence[0], capture.SourceImageSequence[0]):
        assert reference.ReferencedFrameNumber == 1


@pytest.mark.parametrize(("offset", "hours"), [("+0530", 5.5), ("-0800", -8), ("+9999", None)])
def test_times_are_told_in_the_time_zone_of_the_study(node, archive, clock, offset, hours):
    series = pacs.mr_series(1, TimezoneOffsetFromUTC=offset, StudyDescription="HEAD")
    before = datetime.now().astimezone()
    receive(node, series)
    finish(node, clock)
    zone = before.utcoffset() if hours is None else timedelta(hours=hours)
    for kind in (ComprehensiveSRStorage, SecondaryCaptureImageStorage):
        [answer] = archive.of_class(kind)
        assert answer.StudyDescription == "HEAD"
        assert answer.get("TimezoneOffsetFromUTC") == (None if hours is None else offset)
        said = datetime.strptime(answer.ContentDate + answer.ContentTime[:6], "%Y%m%d%H%M%S")
        late = said - zone - before.replace(tzinfo=None) + before.utcoffset()
        assert timedelta(seconds=-1) <= late < timedelta(minutes=10)


def test_two_thousand_slices_are_more_than_a_rule_takes():
    header = read_header(encoded(pacs.mr_series(1)[0]))
    [choice] = rules_module.choose([header] * 2000, [RuleConfig()])
    assert choice.reason == "rule 'default': it has 2,000 slices, not 8 to 512"


def test_only_what_is_used_of_an_image_is_read():
    [image] = pacs.mr_series(1)
    image.private_block(0x0019, "SECRET MAKER", create=True).add_new(1, "OB", bytes(10_000))
    large = Dataset()
    large.TextValue = "x" * 10_000
    image.ContentSequence = [large]
    header = read_header(encoded(image))
    assert len(header.dataset) < 30
    assert not any(one.tag.is_private or one.keyword == "ContentSequence" for one in header.dataset)


def test_studies_are_polled_for_no_longer_than_they_are_kept(tmp_path):
    file = tmp_path / "pacs.yaml"
    settings = pacs.settings(tmp_path, "localhost:1", 4242).model_dump(mode="json")
    file.write_text(json.dumps(settings | {"poll": [{"url": "http://localhost/web", "days": 9}]}))
    with pytest.raises(UsageError, match=r"poll.days \(9\) must be at most keep.days \(7\)"):
        PacsConfig.read(file)


@pytest.mark.parametrize(
    ("name", "fits"), [("", True), ("new", True), ("a/b", False), ("f", False)]
)
def test_a_folder_of_models_may_be_made_later_but_must_be_one(tmp_path, archive, name, fits):
    (tmp_path / "f").write_text("a file")
    model = {"server": "localhost:1", "folder": tmp_path / name}
    settings = pacs.settings(tmp_path, "localhost:1", archive.port, model=model)
    if fits:
        Node(settings).close()
        return
    with pytest.raises(PipelineError, match="is not a folder: name the one that holds"):
        Node(settings)


def test_who_calls_with_another_title_is_counted_and_not_named(node, caplog):
    caplog.set_level(logging.DEBUG)
    node.listener.start()
    try:
        assert pacs.send(node.listener.port, pacs.mr_series(1), sender="Geheimnis") is None
    finally:
        node.listener.stop()
    assert states(node) == []
    assert "Geheimnis" not in caplog.text
