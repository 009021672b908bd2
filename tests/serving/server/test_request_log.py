"""The log of predictions: what is in it, what is not, and that it never disturbs."""

import os
import subprocess
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
from drawing import draw, encode
from model_server import HANGS, ended, free_port, running_server, strings, wait_until

from imaging.quality import measure
from serving.server import request_log
from serving.server.request_log import RequestLog

pytestmark = pytest.mark.long

COLUMNS = {
    *("time", "model", "version", "label", "confidence", "in_distribution", "latency_ms"),
    "reasons",
    *("mean", "std", "foreground", "aspect", "sharpness", "border"),
}


def rows(folder: Path) -> list[dict]:
    # One whose name begins with a dot is still being written.
    files = sorted(folder.glob("[!.]*.parquet"))
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def test_a_row_for_each_image_and_nothing_that_says_whose_it_is(toys, tmp_path):
    log = tmp_path / "log"
    flags = (f"--model_base_path={toys / 'bytes'}", f"--request_log_dir={log}")
    flags += ("--request_log_rows=4", "--request_log_seconds=86400")
    picture = draw(1)
    image = encode(picture)
    with running_server(tmp_path, *flags) as server:
        started = time.monotonic()
        server.predict({"image_bytes": strings(image, b"not an image")})
        server.predict({"image_bytes": strings(image)}, outputs=["echo_bytes"])  # nothing to log
        server.predict({"image_bytes": strings(image)}, outputs=["label", "confidence"])
        assert not list(log.glob("*.parquet"))
        server.predict({"image_bytes": strings(image)})
        longest = (time.monotonic() - started) * 1000
        wait_until(lambda: rows(log))
        assert len(rows(log)) == 4
        server.predict({"image_bytes": strings(b"later")})
    logged = rows(log)
    assert len(logged) == 5  # what was waiting was written at the end
    assert {column for row in logged for column in row} == COLUMNS
    first, second, filtered = logged[0], logged[1], logged[2]
    rgb = np.asarray(picture, np.uint8)
    rgb = np.repeat(rgb[..., np.newaxis], 3, axis=2) if rgb.ndim == 2 else rgb
    assert first["mean"] == pytest.approx(measure(rgb).mean)
    assert first["border"] == pytest.approx(measure(rgb).border)
    assert (first["model"], first["version"], first["in_distribution"]) == ("default", 1, True)
    assert first["confidence"] == pytest.approx(1 / (1 + len(image)))
    assert 0 < first["latency_ms"] <= longest
    assert (second["label"], second["mean"]) == ("n", None)
    assert filtered["in_distribution"] is None
    assert not [path for path in log.iterdir() if path.suffix != ".parquet"]
    assert os.fspath(tmp_path) not in str(logged)


def test_a_share_of_the_requests(tmp_path):
    log = RequestLog(tmp_path, sampling=0.0)
    log.observe(*asked_of(strings(b"x")), (strings(b"n"), np.float32([0.5])), 0.1)
    log.close()
    assert rows(tmp_path) == []


def asked_of(images):
    """A model, a request and a call, of which the log takes note."""
    outputs = {name: SimpleNamespace(name=f"{name}:0") for name in ("label", "confidence")}
    signatures = {"serving_default": SimpleNamespace(outputs=outputs)}
    servable = SimpleNamespace(name="m", version=1, signatures=signatures)
    request = SimpleNamespace(model_spec=SimpleNamespace(signature_name=""))
    call = SimpleNamespace(api="Predict", fetches=("label:0", "confidence:0"), arrays=[images])
    return servable, request, call


@pytest.mark.parametrize(
    ("labels", "wrong"),
    [
        (np.float32([1.0]), None),
        (strings(b"n", b"n"), None),
        (np.array(b"n", object), None),
        (strings([b"n"]), None),
        (strings(b"n"), np.array([10**400], object)),
    ],
)
def test_an_answer_of_another_form_is_said_and_the_next_is_logged(tmp_path, caplog, labels, wrong):
    log, asked, confidences = RequestLog(tmp_path), asked_of(strings(b"x")), np.float32([0.5])
    log.observe(*asked, (labels, confidences if wrong is None else wrong), 0.1)
    log.observe(*asked, (strings(b"n"), confidences), 0.1)
    log.close(HANGS)
    assert "a prediction does not have the expected form" in caplog.text
    assert [row["label"] for row in rows(tmp_path)] == ["n"]


def test_images_that_wait_take_so_much_memory_and_no_more(tmp_path, monkeypatch, caplog):
    measuring, go_on, whole = threading.Event(), threading.Event(), request_log.rows_of

    def slowly(prediction):
        measuring.set()
        assert go_on.wait(HANGS)
        return whole(prediction)

    monkeypatch.setattr(request_log, "rows_of", slowly)
    asked = asked_of(strings(*[bytes(2**26)] * 2))
    answer = (strings(b"n", b"n"), np.float32([0.5, 0.5]))
    log = RequestLog(tmp_path)
    log.observe(*asked, answer, 0.1)
    assert measuring.wait(HANGS)
    for _ in range(4):
        log.observe(*asked, answer, 0.1)
    assert caplog.text.count("more requests arrive than can be measured") == 1
    go_on.set()
    log.close(HANGS)
    logged = rows(tmp_path)
    assert len(logged) == 4  # of two requests of 128 MB
    assert {row["latency_ms"] for row in logged} == {100}


def test_a_full_disk_fails_no_request(toys, tmp_path, monkeypatch):
    """The folder is on a full file system, in which the first file cannot be written."""
    full = tmp_path / "log"
    full.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=2", "none", str(full)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        # Where nothing can be mounted, a folder that has gone does.
        full.rmdir()
    flags = (f"--model_base_path={toys / 'bytes'}", "--request_log_rows=1")
    try:
        with running_server(tmp_path, *flags, f"--request_log_dir={full}") as server:
            if mounted.returncode:
                full.rmdir()
            for _ in range(20):
                server.predict({"image_bytes": strings(b"x")})
            wait_until(lambda: "Predictions are not logged" in server.log.read_text())
            server.predict({"image_bytes": strings(b"x")})
            text = server.log.read_text()
    finally:
        if not mounted.returncode:
            subprocess.run(["umount", "-l", str(full)], check=False)
    assert text.count("Predictions are not logged") == 1
    assert "Traceback" not in text


def test_a_folder_that_cannot_be_made_is_said_at_once(tmp_path):
    (tmp_path / "file").write_text("")
    flags = (f"--port={free_port()}", f"--request_log_dir={tmp_path / 'file' / 'log'}")
    code, text = ended(tmp_path, "--model_base_path=/m", *flags)
    assert code == 2
    assert "Cannot log requests in" in text
