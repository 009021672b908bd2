"""Images come in by C-STORE over real sockets."""

import errno
import socket
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pacs
import pytest
from certificates import self_signed
from pydicom.uid import CTImageStorage
from pynetdicom import AE

from serving.pacs import spool as spool_module
from serving.pacs import tls as tls_module
from serving.pacs.config import KeepConfig, ListenConfig
from serving.pacs.listener import (
    CANNOT_UNDERSTAND,
    DIFFERENT,
    MISMATCH,
    OUT_OF_RESOURCES,
    Listener,
)
from serving.pacs.monitoring import NodeMetrics
from serving.pacs.objects import encoded
from serving.pacs.spool import Spool

Start = Callable[..., AbstractContextManager[tuple[Listener, Spool]]]


@pytest.fixture
def start(tmp_path) -> Start:
    @contextmanager
    def started(keep: dict | None = None, **listen: object) -> Iterator[tuple[Listener, Spool]]:
        limits = KeepConfig(**keep or {})
        spool = Spool(tmp_path / "spool", limits, pacs.Clock())
        config = ListenConfig(allowed=[pacs.SENDER], port=0, **listen)
        listener = Listener(config, limits, spool, NodeMetrics())
        listener.start()
        try:
            yield listener, spool
        finally:
            listener.stop()
            spool.journal.close()

    return started


def held(spool: Spool) -> int:
    return sum(spool.journal.size(one.key) for one in spool.journal.studies())


def files(spool: Spool) -> list[Path]:
    return [one for one in spool.folder.rglob("*.dcm") if not one.name.startswith(".")]


def test_what_is_acknowledged_is_on_the_disk_once(start):
    with start() as (listener, spool):
        series = pacs.mr_series(3)
        assert pacs.send(listener.port, series) == [0, 0, 0]
        assert pacs.send(listener.port, series) == [0, 0, 0]  # a sender that was not sure
        assert held(spool) == len(files(spool)) == 3
        assert oct(spool.folder.stat().st_mode)[-2:] == "00"


def test_only_known_titles_and_kinds_are_let_in(start):
    series = pacs.mr_series(1)
    with start() as (listener, spool):
        assert pacs.send(listener.port, series, sender="STRANGER") is None
        assert pacs.send(listener.port, series, node="ANOTHER") is None
        assert pacs.send(listener.port, pacs.mr_series(1, SOPClassUID=CTImageStorage)) is None
        assert held(spool) == 0


@pytest.mark.parametrize(
    ("elements", "status"),
    [
        ({"StudyInstanceUID": "not a uid"}, CANNOT_UNDERSTAND),
        ({"SeriesInstanceUID": None}, CANNOT_UNDERSTAND),
        ({"StudyInstanceUID": "../../etc/passwd"}, CANNOT_UNDERSTAND),
    ],
)
def test_what_cannot_be_filed_is_refused(start, elements, status):
    with start() as (listener, spool):
        assert pacs.send(listener.port, pacs.mr_series(1, **elements)) == [status]
        assert files(spool) == []


def test_another_image_under_a_known_uid_is_refused(start):
    with start() as (listener, spool):
        pacs.send(listener.port, pacs.mr_series(1))
        assert pacs.send(listener.port, pacs.mr_series(1, PatientID="another")) == [DIFFERENT]
        assert held(spool) == 1


def test_a_request_that_names_another_image_is_refused(start, tmp_path, monkeypatch):
    [one] = pacs.mr_series(1)
    uid = one.SOPInstanceUID.encode()
    file = tmp_path / "wrong.dcm"
    # The request is made of what the file says before its data set: there another digit stands.
    file.write_bytes(encoded(one).replace(uid, uid[:-1] + (b"1" if uid[-1:] != b"1" else b"2"), 1))
    monkeypatch.setattr("pynetdicom._config.STORE_SEND_CHUNKED_DATASET", True)
    with start() as (listener, spool):
        entity = AE(ae_title=pacs.SENDER)
        entity.add_requested_context(one.SOPClassUID, one.file_meta.TransferSyntaxUID)
        association = entity.associate("127.0.0.1", listener.port, ae_title=pacs.NODE)
        assert association.send_c_store(file).Status == MISMATCH
        association.release()
        assert files(spool) == []


@pytest.mark.parametrize("keep", [{"bytes": 20_000}, {"instances": 1}, {"instance_bytes": 100}])
def test_beyond_a_limit_images_are_refused_and_those_before_kept(start, keep):
    with start(keep) as (listener, spool):
        statuses = pacs.send(listener.port, pacs.mr_series(4))
        assert statuses is not None
        assert statuses[-1] == OUT_OF_RESOURCES
        assert held(spool) == len(files(spool)) == statuses.count(0)


def test_a_full_disk_refuses_and_leaves_nothing_half_written(start, monkeypatch):
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with start() as (listener, spool):
        with monkeypatch.context() as patch:
            patch.setattr(spool_module.os, "fsync", full)
            assert pacs.send(listener.port, pacs.mr_series(1)) == [OUT_OF_RESOURCES]
            assert held(spool) == 0
        assert not [one for one in (spool.folder / "studies").rglob("*") if one.is_file()]
        assert pacs.send(listener.port, pacs.mr_series(1)) == [0]  # there is room again


def test_half_an_association_keeps_what_was_acknowledged(start):
    with start() as (listener, spool):
        series = pacs.mr_series(3)
        entity = AE(ae_title=pacs.SENDER)
        entity.add_requested_context(series[0].SOPClassUID, "1.2.840.10008.1.2.1")
        association = entity.associate("127.0.0.1", listener.port, ae_title=pacs.NODE)
        assert association.send_c_store(series[0]).Status == 0
        association.abort()
        assert held(spool) == 1
        assert pacs.send(listener.port, series) == [0, 0, 0]
        assert held(spool) == 3


def test_twenty_associations_at_once(start):
    with start() as (listener, spool):
        studies = [pacs.mr_series(2, study=str(number)) for number in range(20)]
        with ThreadPoolExecutor(20) as threads:
            told = list(threads.map(lambda one: pacs.send(listener.port, one), studies))
        assert told == [[0, 0]] * 20
        assert held(spool) == 40
        assert len(spool.journal.studies()) == 20


def test_over_tls_and_not_without(start, tmp_path):
    certificate = self_signed(tmp_path / "node.pem")
    with start(tls={"certificate": certificate}) as (listener, spool):
        context = ssl.create_default_context(cafile=str(certificate))
        series = pacs.mr_series(1)
        assert pacs.send(listener.port, series, tls=(context, "127.0.0.1")) == [0]
        assert held(spool) == 1
        assert pacs.send(listener.port, pacs.mr_series(1, study="2")) is None


def test_who_connects_and_says_nothing_keeps_nobody_waiting(start, tmp_path, monkeypatch):
    monkeypatch.setattr(tls_module, "HANDSHAKE_SECONDS", 0.1)
    certificate = self_signed(tmp_path / "node.pem")
    with start(tls={"certificate": certificate}) as (listener, spool):
        context = ssl.create_default_context(cafile=str(certificate))
        with socket.create_connection(("127.0.0.1", listener.port)):
            assert pacs.send(listener.port, pacs.mr_series(1), tls=(context, "127.0.0.1")) == [0]
        assert held(spool) == 1


def test_an_image_that_does_not_end_ends_the_association(start):
    big, side = pacs.mr_series(1)[0], 1500
    big.Rows = big.Columns = side
    big.PixelData = bytes(2 * side * side)
    with start({"instance_bytes": 100_000}) as (listener, spool):
        assert pacs.send(listener.port, [big]) == [None]
        assert files(spool) == []
        assert pacs.send(listener.port, pacs.mr_series(1)) == [0]


def test_a_message_longer_than_was_agreed_is_not_waited_for(start):
    with start() as (listener, _), socket.create_connection(("127.0.0.1", listener.port)) as one:
        one.settimeout(30)
        one.sendall(b"\x01\0\x7f\xff\xff\xff" + bytes(100))  # a request of two gigabytes
        try:
            answer = one.recv(1)
        except ConnectionResetError:
            answer = b""
        assert answer == b""
