"""What files say of a person reaches no artifact, log or request."""

import base64
import gzip
import io
import re
from pathlib import Path

import numpy as np
import pytest
from drawing import draw
from model_server import running_server
from peoples_files import chunk, exif
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from recording_proxy import recording_proxy
from toy_run import run

from serving.client import Client, Prediction

NAME = b"XQZ^PATIENT"
IMAGES = 2000


def _named(pixels: np.ndarray, index: int) -> tuple[str, bytes]:
    """An image file that names a patient wherever its format lets it."""
    stream = io.BytesIO()
    marks = exif(1).replace(b"DOE^JANE", NAME[:8])
    if index % 2:
        Image.fromarray(pixels).save(stream, "JPEG", comment=NAME, exif=b"Exif\0\0" + marks)
        whole = stream.getvalue()
        xmp = b"http://ns.adobe.com/xap/1.0\0<x>" + NAME + b"</x>"
        segment = b"\xff\xe1" + (len(xmp) + 2).to_bytes(2, "big") + xmp
        return "jpg", whole[:2] + segment + whole[2:] + NAME
    text = PngInfo()
    text.add_text("PatientName", NAME.decode())
    text.add_text("Comment", NAME.decode(), zip=True)
    text.add_itxt("XML:com.adobe.xmp", NAME.decode())
    Image.fromarray(pixels).save(stream, "PNG", pnginfo=text)
    whole = stream.getvalue()
    return "png", whole[:-12] + chunk(b"eXIf", marks) + whole[-12:] + NAME


def _contents(folder: Path) -> bytes:
    """Every byte of every file, unpacked where it is packed."""
    kept = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            kept.append(gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content)
    return b"\n".join(kept)


@pytest.mark.slow
def test_no_byte_of_a_name_is_kept_logged_or_sent(tmp_path: Path) -> None:
    data, work = tmp_path / "data", tmp_path / "work"
    for index in range(IMAGES):
        split = "Testing" if index % 10 == 0 else "Training"
        label = ("glioma", "notumor")[index // 2 % 2]
        folder = data / split / label
        folder.mkdir(parents=True, exist_ok=True)
        ending, content = _named(draw(index), index)
        assert content.count(NAME[:8]) >= 4
        (folder / f"{index:04}.{ending}").write_bytes(content)
    result = run(data, work)
    assert result.returncode == 0, result.stdout + result.stderr
    images = sorted(data.rglob("*.*"))[::40]
    (tmp_path / "server").mkdir()
    flags = ("--model_name=brain_mri", f"--model_base_path={work / 'serving' / 'brain_mri'}")
    with running_server(tmp_path / "server", *flags) as server:
        for scheme, port in (("", server.port), ("http://", server.rest_port)):
            with recording_proxy(port) as recording:
                with Client(f"{scheme}127.0.0.1:{recording.port}") as client:
                    results = client.predict_batch(images)
                    assert [type(one) for one in results] == [Prediction] * len(images)
            assert len(recording.sent) > 50_000
            packed = re.findall(rb'"b64": ?"([^"]+)"', recording.sent)
            seen = recording.sent + recording.answered + b"".join(map(base64.b64decode, packed))
            assert NAME[:8] not in seen
    assert NAME[:8] not in (result.stdout + result.stderr).encode()
    assert NAME[:8] not in _contents(tmp_path / "server")
    kept = _contents(work)
    assert b"image/sha256" in kept  # Examples were unpacked
    assert NAME[:8] not in kept
