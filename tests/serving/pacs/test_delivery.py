"""Answers go out: each counts for itself, whatever the archive makes of another one."""

import json
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator

import fake_server
import pacs
import pytest
from pydicom.uid import SecondaryCaptureImageStorage

from components.free_ports import free_ports
from serving.pacs.config import DestinationConfig, KeepConfig, RetryConfig
from serving.pacs.delivery import destination
from serving.pacs.headers import read_header
from serving.pacs.journal import Journal
from serving.pacs.monitoring import NodeMetrics
from serving.pacs.objects import encoded
from serving.pacs.outbox import Outbox
from serving.pacs.spool import Spool, write_whole

ANSWERS = 3


@pytest.fixture
def spool(tmp_path) -> Iterator[Spool]:
    """One with a study whose three answers wait."""
    made = Spool(tmp_path / "spool", KeepConfig(), pacs.Clock())
    [image] = pacs.mr_series(1)
    made.add(read_header(encoded(image)), encoded(image))
    [study] = made.journal.studies()
    answers = pacs.mr_series(ANSWERS, series="9", SOPClassUID=SecondaryCaptureImageStorage)
    files = []
    for one in answers:
        files.append((one.SOPInstanceUID, f"{one.SOPInstanceUID}.dcm"))
        write_whole(made.folder_of(study.key) / files[-1][1], encoded(one))
    made.journal.answer(study, files, ["archive"])
    yield made
    made.journal.close()


Open = Callable[..., Outbox]


@pytest.fixture
def opened(spool) -> Open:
    def made(**where: object) -> Outbox:
        to = destination(DestinationConfig(name="archive", **where), pacs.NODE)
        stopping = threading.Event()
        return Outbox(to, spool, RetryConfig(), NodeMetrics(), pacs.Clock(), stopping)

    return made


def by_store(port: int) -> dict[str, object]:
    return {"ae_title": pacs.ARCHIVE, "host": "127.0.0.1", "port": port}


def finish(outbox: Outbox) -> None:
    while outbox.work():
        pass


def outcomes(spool: Spool) -> list[tuple[str, int, str]]:
    [study] = spool.journal.studies()
    return [(one.state, one.attempts, one.reason) for one in spool.journal.deliveries(study.key)]


class Choosy(pacs.Archive):
    """Ends the association at the first object that it sees, whenever it comes."""

    hated = ""

    def keep(self, event):
        uid = event.request.AffectedSOPInstanceUID
        self.hated = self.hated or uid
        if uid == self.hated:
            event.assoc.abort()
        return super().keep(event)


def test_an_object_at_which_the_archive_hangs_up_counts_for_itself_alone(spool, opened):
    with pacs.archive(kept=Choosy()) as archive:
        finish(opened(**by_store(archive.port)))
    told = Counter((state, attempts) for state, attempts, _ in outcomes(spool))
    assert told == {("waiting", 1): 1, ("sent", 0): ANSWERS - 1}


@pytest.mark.parametrize("content", [None, b"", b"no DICOM at all"])
def test_an_answer_that_cannot_be_read_counts_for_itself_alone(spool, opened, content):
    bad = spool.folder_of(spool.journal.studies()[0].key) / spool.journal.due("archive", 0)[0].file
    bad.unlink()
    if content is not None:
        bad.write_bytes(content)
    with pacs.archive() as archive:
        finish(opened(**by_store(archive.port)))
    told = outcomes(spool)
    assert [reason for *_, reason in told if "the answer cannot be read" in reason]
    assert sorted((state, attempts) for state, attempts, _ in told) == [
        ("sent", 0), ("sent", 0), ("waiting", 1),
    ]  # fmt: skip


def test_what_was_sent_but_could_not_be_noted_is_noted_first(spool, opened, monkeypatch):
    def fails(*_):
        raise sqlite3.OperationalError("database or disk is full")

    with pacs.archive() as archive:
        outbox = opened(**by_store(archive.port))
        with monkeypatch.context() as patch:
            patch.setattr(Journal, "sent", fails)
            for _ in range(3):  # the disk is full for a while
                with pytest.raises(sqlite3.Error):
                    outbox.work()
        finish(outbox)
        assert len(archive.arrivals) == ANSWERS
        assert set(archive.arrivals.values()) == {1}
    assert {state for state, *_ in outcomes(spool)} == {"sent"}


@pytest.mark.parametrize("way", ["store", "web"])
def test_nobody_who_listens_counts_for_all_that_wait(spool, opened, way):
    [port] = free_ports(1)
    web = {"url": f"http://127.0.0.1:{port}/dicom-web"}
    assert opened(**(by_store(port) if way == "store" else web)).work()
    assert outcomes(spool) == [("waiting", 1, "archive cannot be reached")] * ANSWERS


FAILED = {"00081198": {"vr": "SQ", "Value": [{"00081197": {"vr": "US", "Value": [272]}}]}}
STORED = {"00081199": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": ["1.2.3"]}}]}}


def tells(status: int, body: object, kind: str = "application/dicom+json") -> fake_server.Answer:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    def answer(handler, _: bytes) -> None:
        handler.send_response(status)
        handler.send_header("content-type", kind)
        handler.send_header("content-length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


@pytest.mark.parametrize(
    ("first", "there", "reason"),
    [
        (tells(200, STORED), False, None),
        (tells(200, STORED, "application/dicom+json; charset=utf-8"), False, None),
        (tells(202, FAILED), False, "it reports the object as failed"),
        (tells(202, FAILED), True, None),
        (
            tells(202, FAILED, "application/dicom+json; charset=utf-8"),
            False,
            "it reports the object as failed",
        ),
        (tells(409, FAILED), True, None),
        (tells(409, FAILED), False, "it refuses the object with HTTP status 409"),
        (tells(503, b"later"), True, "it refuses the object with HTTP status 503"),
        (tells(200, b"{no JSON"), False, "its answer cannot be read (JSONDecodeError)"),
        (tells(200, b"<no XML", "application/xml"), False, "its answer cannot be read"),
        (fake_server.hangs_up, False, "it does not answer"),
    ],
)
def test_what_a_web_server_says_of_an_object_counts_for_that_alone(
    spool, opened, first, there, reason
):
    posted = []

    def server(handler, body: bytes) -> None:
        if handler.command == "GET":  # QIDO
            tells(200, [{"00080018": {"vr": "UI", "Value": ["1.2.3"]}}] if there else [])(
                handler, body
            )
            return
        posted.append(body)
        (first if len(posted) == 1 else tells(200, STORED))(handler, body)

    with fake_server.running(server) as running:
        finish(opened(url=f"{running.address}/dicom-web"))
    told = outcomes(spool)
    assert len(posted) == ANSWERS
    missed = [why for state, attempts, why in told if (state, attempts) == ("waiting", 1)]
    assert len(missed) == (reason is not None)
    assert all(why.startswith(f"archive: {reason}") for why in missed)
    assert sum(state == "sent" for state, *_ in told) == ANSWERS - len(missed)
