"""A study from sender to answers, by Debian's Orthanc, dcmtk and dicom3tools and a real server."""

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import tensorflow as tf
import yaml
from dicomweb_client.api import DICOMwebClient
from model_server import free_port, running_server, wait_until
from small_model import SmallModel

from imaging.dicom.uids import derived_uid
from samples.synthetic import write_patients

_STORESCU = shutil.which("storescu", path="/usr/bin")  # dcmtk's; pynetdicom has one, too
_ORTHANC = shutil.which("Orthanc", path=f"{os.environ['PATH']}:/usr/sbin")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (_ORTHANC and _STORESCU and all(map(shutil.which, ("dsrdump", "dciodvfy")))),
        reason="orthanc, dcmtk and dicom3tools are not installed",
    ),
]
_PLUGIN = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so"


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
def patient(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("sample") / "patients"
    write_patients(out, patients=1, slices=8, side=96)
    return out / "patient-001"


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
    """A running Orthanc."""

    def __init__(self, folder: Path, node: int) -> None:
        self.port, self.http = free_port(), free_port()
        settings = {
            "Name": "test",
            "StorageDirectory": str(folder / "orthanc"),
            "IndexDirectory": str(folder / "orthanc"),
            "DicomAet": "ORTHANC",
            "DicomPort": self.port,
            "HttpPort": self.http,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomModalities": {"node": ["BRAIN_MRI", "127.0.0.1", node]},
            "Plugins": [_PLUGIN],
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        }
        file = folder / "orthanc.json"
        file.write_text(json.dumps(settings))
        self.log = folder / "orthanc.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([str(_ORTHANC), file], stdout=log, stderr=log)
        self.web = DICOMwebClient(f"http://127.0.0.1:{self.http}/dicom-web")
        wait_until(self._is_there, say=self.log.read_text)

    def _is_there(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            return self.ask("/system") != ""
        except OSError:
            return False

    def ask(self, path: str, body: str | None = None) -> str:
        data = None if body is None else body.encode()
        url = f"http://127.0.0.1:{self.http}{path}"
        with urllib.request.urlopen(urllib.request.Request(url, data), timeout=60) as answer:
            return answer.read().decode()

    def series(self, study: str) -> dict[str, str]:
        """Modality by SeriesInstanceUID."""
        found = self.web.search_for_series(study)
        return {one["0020000E"]["Value"][0]: one["00080060"]["Value"][0] for one in found}


@pytest.mark.parametrize("way", ["store", "web"])
def test_answers_to_a_study_are_found_in_orthanc(tmp_path, patient, server, way):
    """By C-STORE in and out, and by QIDO, WADO and STOW alone."""
    node_port = free_port()
    orthanc = Orthanc(tmp_path, node_port)
    web = f"http://127.0.0.1:{orthanc.http}/dicom-web"
    by_store = {"ae_title": "ORTHANC", "host": "127.0.0.1", "port": orthanc.port}
    settings = {
        "spool": "spool",
        "stable_seconds": 2,
        "listen": {"allowed": ["ORTHANC"], "port": node_port},
        "model": {"server": server, "key_slices": 2},
        "series": [{"contrast": "with"}],
        "destinations": [{"name": "orthanc", **(by_store if way == "store" else {"url": web})}],
        "keep": {"days": 36_500},
        "poll": [{"url": web, "seconds": 1, "days": 36_500}] if way == "web" else [],
    }
    config = tmp_path / "pacs.yaml"
    config.write_text(yaml.safe_dump(settings))
    log = tmp_path / "node.log"
    with log.open("wb") as stream:
        node = subprocess.Popen(
            [sys.executable, "-m", "mri", "pacs", "run", "--config", config],
            stdout=stream, stderr=stream, env=dict(os.environ),
        )  # fmt: skip
    try:
        to = ["127.0.0.1", str(orthanc.port), str(patient)]
        subprocess.run([_STORESCU, "-aec", "ORTHANC", "+sd", "+r", *to], check=True)
        [study] = json.loads(orthanc.ask("/studies"))
        uid = json.loads(orthanc.ask(f"/studies/{study}"))["MainDicomTags"]["StudyInstanceUID"]
        if way == "store":
            wait_until(lambda: "listens at" in log.read_text(), say=log.read_text)
            orthanc.ask("/modalities/node/store", study)
        wait_until(
            lambda: sorted(orthanc.series(uid).values()) == ["MR", "MR", "MR", "OT", "SR"],
            say=lambda: log.read_text() + str(orthanc.series(uid)),
        )
        names = {modality: one for one, modality in orthanc.series(uid).items()}
        [report] = orthanc.web.retrieve_series(uid, names["SR"])
        captures = orthanc.web.retrieve_series(uid, names["OT"])
    finally:
        for process in (node, orthanc.process):
            process.send_signal(signal.SIGTERM)
            process.wait(60)
    assert len(captures) == 2
    read = derived_uid("series", uid, "2")  # the T1 with contrast, and no other
    evidence = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
    assert [one.SeriesInstanceUID for one in evidence] == [read]
    slices = {one.ReferencedSOPInstanceUID for one in evidence[0].ReferencedSOPSequence}
    assert len(slices) == 8
    assert {one.SourceImageSequence[0].ReferencedSOPInstanceUID for one in captures} <= slices
    for number, one in enumerate([report, *captures]):
        file = tmp_path / f"{number}.dcm"
        one.save_as(file, enforce_file_format=True)
        told = subprocess.run(["dciodvfy", file], capture_output=True, text=True)
        assert "Error" not in told.stdout + told.stderr
    told = subprocess.run(
        ["dsrdump", "+Pl", tmp_path / "0.dcm"], capture_output=True, text=True, check=True
    ).stdout
    assert '"Likeliest class")=(' in told
    assert "Decision support, not a diagnosis." in told
    assert 'TEXT:(,,"Algorithm Version")="7"' in told
    assert told.count("Key Images") == 2
    assert not [text for text in (uid, "Sample^Ada", "SYN0000") if text in log.read_text()]
