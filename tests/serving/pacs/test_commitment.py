"""Who sent images asks which are safe, and is told on another association."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pacs
import pytest
from pydantic import ValidationError
from pydicom.uid import EnhancedMRImageStorage, MRImageStorage

from serving.pacs import commitment
from serving.pacs.commitment import (
    CONFLICT,
    INVALID,
    LIMITED,
    NO_SUCH_ACTION,
    NO_SUCH_OBJECT,
    NOT_AUTHORIZED,
    PROCESSING_FAILURE,
)
from serving.pacs.config import KeepConfig, ListenConfig, RetryConfig
from serving.pacs.listener import Listener
from serving.pacs.monitoring import NodeMetrics
from serving.pacs.spool import Spool

Start = Callable[..., AbstractContextManager[Listener]]
_RETRY = RetryConfig(first=10, attempts=3)


@pytest.fixture
def asker() -> Iterator[pacs.Asker]:
    with pacs.asker() as found:
        yield found


@pytest.fixture
def start(tmp_path, asker) -> Start:
    @contextmanager
    def started(**limits: int) -> Iterator[Listener]:
        keep = KeepConfig(**limits)
        spool = Spool(tmp_path / "spool", keep, pacs.Clock())
        told = {"ae_title": pacs.SENDER, "host": "127.0.0.1", "port": asker.port}
        config = ListenConfig(allowed=[pacs.SENDER, "OTHER"], port=0, commitment=[told])
        listener = Listener(config, keep, spool, NodeMetrics())
        listener.start()
        try:
            yield listener
        finally:
            listener.stop()
            spool.journal.close()

    return started


def references(series) -> list[tuple[str, str]]:
    return [(one.SOPClassUID, one.SOPInstanceUID) for one in series]


def told(sequence) -> list[tuple[str, str]]:
    return [(one.ReferencedSOPClassUID, one.ReferencedSOPInstanceUID) for one in sequence]


def test_what_was_stored_is_committed_to(start, asker):
    series = pacs.mr_series(3)
    with start() as listener:
        pacs.send(listener.port, series)
        assert asker.ask(listener.port, references(series), transaction="1.2.3") == 0
        assert not asker.reports
        assert listener.commitments.report(0, _RETRY)
        assert not listener.commitments.report(0, _RETRY)  # once
    [(event, report)] = asker.reports
    assert (event, report.TransactionUID) == (1, "1.2.3")
    assert told(report.ReferencedSOPSequence) == references(series)
    assert "FailedSOPSequence" not in report


def test_what_is_missing_is_said_with_the_reason(start, asker, tmp_path):
    here, lost, damaged, never = pacs.mr_series(4)
    with start() as listener:
        for one in (here, lost, damaged):
            pacs.send(listener.port, [one])
        for one, content in ((lost, None), (damaged, b"")):
            [file] = _files(listener, one)
            file.unlink() if content is None else file.write_bytes(content)
        other = (EnhancedMRImageStorage, here.SOPInstanceUID)
        asker.ask(listener.port, [*references([here, lost, damaged, never]), other])
        listener.commitments.report(0, _RETRY)
    [(event, report)] = asker.reports
    assert event == 2
    assert told(report.ReferencedSOPSequence) == references([here])
    assert told(report.FailedSOPSequence) == [*references([lost, damaged, never]), other]
    assert [one.FailureReason for one in report.FailedSOPSequence] == [
        NO_SUCH_OBJECT, PROCESSING_FAILURE, NO_SUCH_OBJECT, CONFLICT,
    ]  # fmt: skip


def _files(listener: Listener, image):
    spool = listener.commitments._spool
    study, name = spool.journal.find_image(image.SOPInstanceUID)
    return [spool.folder_of(study) / name]


def test_a_request_outlives_a_restart_and_is_answered_when_the_asker_is_there(start, asker, caplog):
    series = pacs.mr_series(1)
    with start() as listener:
        pacs.send(listener.port, series)
        asker.ask(listener.port, references(series))
        asker.status = 0x0110
        assert listener.commitments.report(0, _RETRY)
    asker.status = 0x0000
    with start() as listener:
        assert not listener.commitments.report(9, _RETRY)  # it is not time yet
        assert listener.commitments.report(11, _RETRY)
    assert [event for event, _ in asker.reports] == [1, 1]
    assert "SENDER is not told of a storage commitment: it answers with status 0110" in caplog.text
    assert series[0].SOPInstanceUID not in caplog.text


def test_an_asker_that_is_gone_is_given_up_after_the_last_try(start, asker, caplog):
    with start() as listener:
        asker.ask(listener.port, [(MRImageStorage, "1.2.3")])
        asker.status = 0x0110
        tries = 0
        while listener.commitments.report(tries * 1000, _RETRY):
            tries += 1
    assert tries == 3
    assert "must ask again" in caplog.text


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"sender": "OTHER"}, NOT_AUTHORIZED),
        ({"action": 2}, NO_SUCH_ACTION),
        ({"instance": "1.2.3"}, NO_SUCH_OBJECT),
        ({"references": []}, INVALID),
        ({"references": [(MRImageStorage, "1.2." + "3" * 70)]}, INVALID),
        ({"transaction": "not a uid"}, INVALID),
        ({"references": [(MRImageStorage, f"1.2.{n}") for n in range(6)]}, LIMITED),
    ],
)
def test_what_cannot_be_answered_is_refused(start, asker, wrong, status):
    with start(instances=5) as listener:
        asked = {"references": [(MRImageStorage, "1.2.3")], **wrong}
        assert asker.ask(listener.port, asked.pop("references"), **asked) == status
        assert not listener.commitments.report(0, _RETRY)


def test_a_disk_that_fails_acknowledges_nothing(start, asker, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with start() as listener:
        monkeypatch.setattr(commitment, "write_whole", full)
        assert asker.ask(listener.port, [(MRImageStorage, "1.2.3")]) == PROCESSING_FAILURE


def test_a_damaged_request_is_removed_and_the_others_answered(start, asker, tmp_path, caplog):
    with start() as listener:
        asker.ask(listener.port, [(MRImageStorage, "1.2.3")])
        folder = tmp_path / "spool" / "commitments"
        (folder / "0.json").write_text(json.dumps({"transaction": 1}))
        listener.commitments.report(0, _RETRY)
        assert not list(folder.iterdir())
    assert len(asker.reports) == 1
    assert "damaged" in caplog.text


def test_who_asks_must_be_let_in():
    asker = {"ae_title": "STRANGER", "host": "localhost", "port": 104}
    with pytest.raises(ValidationError, match="commitment names \\['STRANGER'\\]"):
        ListenConfig(allowed=["SENDER"], commitment=[asker])
