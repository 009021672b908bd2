"""Studies from sender to answers, by Debian's Orthanc, dcmtk, dicom3tools and a real server."""

import json
import os
import shutil
import signal
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pacs
import pytest
import tensorflow as tf
from dicomweb_client.api import DICOMwebClient
from model_server import free_port, running_server, wait_until
from pydicom import Dataset
from pydicom.uid import ComprehensiveSRStorage, SecondaryCaptureImageStorage
from small_model import SmallModel

from imaging.dicom.uids import derived_uid
from samples.synthetic import write_patients
from serving.pacs.journal import Journal
from serving.pacs.node import Node
from serving.pacs.spool import JOURNAL_FILE
from serving.tf_serving.config import DeploymentConfig
from serving.tf_serving.files import deployment_file

_STORESCU = shutil.which("storescu", path="/usr/bin")  # dcmtk's; pynetdicom has one, too
_ORTHANC = shutil.which("Orthanc", path=f"{os.environ['PATH']}:/usr/sbin")
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        not (_ORTHANC and _STORESCU and all(map(shutil.which, ("dsrdump", "dciodvfy")))),
        reason="orthanc, dcmtk and dicom3tools are not installed",
    ),
]
_PLUGIN = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so"
_SLICES = 8


class ShowingModel(SmallModel):
    """Shows an image as its own overlay, as a picture that can be opened."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
    def explain(self, image_bytes):
        answer = dict(super().explain(image_bytes))
        answer["overlay_bytes"] = tf.map_fn(
            lambda one: tf.io.encode_png(
                tf.io.decode_image(one, channels=3, expand_animations=False)
            ),
            image_bytes,
        )
        return answer


@pytest.fixture(scope="module")
def patients(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("sample") / "patients"
    write_patients(out, patients=2, slices=_SLICES, side=96)
    return out


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("model")
    model = ShowingModel()
    signatures = {"serving_default": model.serving_default, "explain": model.explain}
    tf.saved_model.save(model, str(folder / "brain_mri" / "7"), signatures=signatures)
    flags = ["--model_name=brain_mri", f"--model_base_path={folder / 'brain_mri'}"]
    with running_server(folder, *flags) as running:
        yield running.address


class Orthanc:
    """Debian's Orthanc with DICOMweb; it knows the node.

    Attributes:
        port: Where it takes C-STORE.
        node: Where it expects the node to do so.
        address: Its DICOMweb.
        web: A client of that.
    """

    def __init__(self, folder: Path) -> None:
        self.port, self.node, self._http = free_port(), free_port(), free_port()
        # As `mri serve files --pacs` deploys it, but for its places.
        settings = json.loads(deployment_file("orthanc.json", DeploymentConfig(models=folder)))
        settings |= {
            "StorageDirectory": str(folder / "orthanc"),
            "IndexDirectory": str(folder / "orthanc"),
            "DicomPort": self.port,
            "HttpPort": self._http,
            "RemoteAccessAllowed": False,
            "DicomModalities": {"node": ["BRAIN_MRI", "127.0.0.1", self.node]},
            "Plugins": [_PLUGIN],
        }
        self._file = folder / "orthanc.json"
        self._file.write_text(json.dumps(settings))
        self.log = folder / "orthanc.log"
        self.address = f"http://127.0.0.1:{self._http}/dicom-web"
        self.web = DICOMwebClient(self.address)
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen([str(_ORTHANC), self._file], stdout=log, stderr=log)
        wait_until(self._is_there, say=self.log.read_text)

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(60)

    def _is_there(self) -> bool:
        assert self._process.poll() is None, self.log.read_text()
        try:
            return self.ask("/system") != ""
        except OSError:
            return False

    def ask(self, path: str, body: str | None = None) -> str:
        data = None if body is None else body.encode()
        url = f"http://127.0.0.1:{self._http}{path}"
        with urllib.request.urlopen(urllib.request.Request(url, data), timeout=60) as answer:
            return answer.read().decode()

    def commitment(self, study: str) -> str:
        """What the node's storage commitment for a study comes to, as Orthanc asks for it."""
        asked = json.dumps({"Resources": [study]})
        path = json.loads(self.ask("/modalities/node/storage-commitment", asked))["Path"]
        wait_until(
            lambda: json.loads(self.ask(path))["Status"] != "Pending", say=self.log.read_text
        )
        return json.loads(self.ask(path))["Status"]

    def uids(self, kind: str, study: str | None = None) -> list[str]:
        """The SOPInstanceUIDs of a class, by QIDO-RS."""
        found = self.web.search_for_instances(study, search_filters={"SOPClassUID": kind})
        return [one["00080018"]["Value"][0] for one in found]

    def of_class(self, kind: str, study: str) -> list[Dataset]:
        """The instances of a class, by QIDO-RS and WADO-RS."""
        found = self.web.search_for_instances(study, search_filters={"SOPClassUID": kind})
        series = {one["0020000E"]["Value"][0] for one in found}
        return [one for uid in series for one in self.web.retrieve_series(study, uid)]


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory) -> Iterator[Orthanc]:
    running = Orthanc(tmp_path_factory.mktemp("archive"))
    yield running
    running.stop()


@contextmanager
def working(folder: Path, server: str, orthanc: Orthanc, **settings: Any) -> Iterator[Journal]:
    """A node at work, and the journal of its spool."""
    shown = {"server": server, "key_slices": 2}
    settings = {"stable_seconds": 1, "model": shown, **settings}
    node = Node(pacs.settings(folder, server, orthanc.port, **settings))
    thread = threading.Thread(target=node.run)
    thread.start()
    journal = Journal(folder / "spool" / JOURNAL_FILE)
    try:
        yield journal
    finally:
        node.stop()
        thread.join()
        journal.close()


@pytest.mark.parametrize("way", ["store", "web"])
def test_answers_to_a_study_are_found_in_orthanc(tmp_path, patients, server, orthanc, caplog, way):
    """By C-STORE in and out, and by QIDO, WADO and STOW alone."""
    caplog.set_level("DEBUG")
    patient, number = ("patient-001", "SYN00000001") if way == "store" else (
        "patient-002", "SYN00000002")  # fmt: skip
    to = {"ae_title": "ORTHANC", "host": "127.0.0.1", "port": orthanc.port}
    poll = {"url": orthanc.address, "seconds": 0.5, "days": 36_500}
    ways: dict[str, Any] = {
        "store": {"destinations": [{"name": "orthanc", **to}]},
        "web": {
            "destinations": [{"name": "orthanc", "url": orthanc.address}],
            "poll": [{**poll, "filters": {"PatientID": number}}],
            "keep": {"days": 36_500},
        },
    }
    listen = {"allowed": ["ORTHANC"], "port": orthanc.node, "commitment": [to]}
    settings = {"listen": listen, "series": [{"contrast": "with"}], **ways[way]}
    with working(tmp_path, server, orthanc, **settings) as journal:
        send = [_STORESCU, "-aec", "ORTHANC", "+sd", "+r", "127.0.0.1", str(orthanc.port)]
        subprocess.run([*send, patients / patient], check=True)
        [study] = orthanc.web.search_for_studies(search_filters={"PatientID": number})
        uid = study["0020000D"]["Value"][0]
        if way == "store":
            [found] = json.loads(orthanc.ask("/tools/lookup", uid))
            orthanc.ask("/modalities/node/store", found["ID"])
            assert orthanc.commitment(found["ID"]) == "Success"
        wait_until(lambda: journal.counts()["delivered"] == 1, say=lambda: caplog.text)
    [report] = orthanc.of_class(ComprehensiveSRStorage, uid)
    captures = orthanc.of_class(SecondaryCaptureImageStorage, uid)
    assert len(captures) == 2

    read = derived_uid("series", uid, "2")  # the T1 with contrast, and no other
    there = {one["00080018"]["Value"][0] for one in orthanc.web.search_for_instances(uid, read)}
    assert len(there) == _SLICES
    [evidence] = report.CurrentRequestedProcedureEvidenceSequence
    [series] = evidence.ReferencedSeriesSequence
    assert (evidence.StudyInstanceUID, series.SeriesInstanceUID) == (uid, read)
    assert {one.ReferencedSOPInstanceUID for one in series.ReferencedSOPSequence} == there
    assert set(_images(report)) == there
    key = {one.SourceImageSequence[0].ReferencedSOPInstanceUID for one in captures}
    shown = {
        one.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        for one in report.ContentSequence
        if one.ValueType == "IMAGE"
    }
    assert key == shown < there
    for one in (report, *captures):
        assert (one.PatientID, one.StudyInstanceUID) == (number, uid)

    for place, one in enumerate([report, *captures]):
        file = tmp_path / f"{place}.dcm"
        one.save_as(file, enforce_file_format=True)
        told = subprocess.run(["dciodvfy", file], capture_output=True, text=True)
        assert "Error" not in told.stdout + told.stderr
        assert ("ComprehensiveSR" if place == 0 else "SCImage") in told.stdout + told.stderr
    told = subprocess.run(
        ["dsrdump", "+Pl", tmp_path / "0.dcm"], capture_output=True, text=True, check=True
    ).stdout
    for line in (
        'CONTAINER:(,,"Model report: decision support")',
        'CODE:(,,"Procedure reported")=(113091000,SCT,"Magnetic resonance imaging")',
        'TEXT:(,,"Algorithm Name")="brain_mri"',
        'TEXT:(,,"Algorithm Version")="7"',
        'CODE:(,,"Likeliest class")=(notumor,99BRAINMRI,"notumor")',
        'NUM:(,,"Probability of glioma")="0.',
        'CODE:(,,"Refer to a reader")=(373067005,SCT,"No")',
        'TEXT:(,,"Comment")="Decision support, not a diagnosis."',
        f"{_SLICES} of {_SLICES} slices were judged.",
    ):
        assert line in told
    assert told.count('IMAGE:(,,"Source of Measurement")=(MR image,)') == _SLICES
    assert told.count('IMAGE:(,,"Key Images")=(MR image,)') == 2

    own = "\n".join(one.getMessage() for one in caplog.records if one.name.startswith("serving"))
    assert "is answered by model 7" in own
    assert not [text for text in (uid, str(report.PatientName), number) if text in own]


def _images(content: Dataset) -> Iterator[str]:
    """The images that an SR's content refers to, at any depth."""
    for one in content.get("ContentSequence", ()):
        if one.ValueType == "IMAGE":
            yield one.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        yield from _images(one)


def test_what_is_answered_while_orthanc_is_stopped_comes_when_it_is_back(tmp_path, server, orthanc):
    """In the middle of a load, by C-STORE and by STOW at once: nothing is lost, nothing doubled."""
    studies = [pacs.mr_series(1, study=f"load {number}") for number in range(9)]
    to = {"ae_title": "ORTHANC", "host": "127.0.0.1", "port": orthanc.port}
    settings = {
        "listen": {"allowed": [pacs.SENDER], "port": orthanc.node},
        "destinations": [{"name": "store", **to}, {"name": "web", "url": orthanc.address}],
        "retry": {"first": 0.1, "longest": 0.5, "attempts": 10_000},
    }
    with working(tmp_path, server, orthanc, **settings) as journal:
        wait_until(lambda: pacs.send(orthanc.node, studies[0]) == [0])
        wait_until(lambda: journal.counts()["delivered"] > 0, say=journal.counts)
        orthanc.stop()
        for study in studies[1:]:
            assert pacs.send(orthanc.node, study) == [0]
        wait_until(lambda: journal.counts()["answered"] == len(studies) - 1, say=journal.counts)
        orthanc.start()
        wait_until(lambda: journal.counts()["delivered"] == len(studies), say=journal.counts)
        expected = {
            one.instance for study in journal.studies() for one in journal.deliveries(study.key)
        }
    found = [
        uid
        for [image] in studies
        for kind in (ComprehensiveSRStorage, SecondaryCaptureImageStorage)
        for uid in orthanc.uids(kind, image.StudyInstanceUID)
    ]
    assert len(found) == len(studies) * 2
    assert set(found) == expected
