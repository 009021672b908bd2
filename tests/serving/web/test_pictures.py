"""What a person is shown is what the model is sent, and that is what ingest would have stored."""

import base64
import io
import json
import re

import numpy as np
import pytest
from fake_server import running
from page import model, page, send
from peoples_files import FILES, NAMES, PeoplesFile
from PIL import Image

from imaging.config import ONE_PICTURE
from imaging.reader import read_content


@pytest.mark.parametrize("file", [one for one in FILES if one.shown is not None], ids=str)
def test_the_page_shows_and_sends_the_picture_that_ingest_sees(file: PeoplesFile) -> None:
    expected = read_content(file.content, ONE_PICTURE).images[0]
    with running(model()) as server:
        answer = send(page(server.address).test_client(), (file.content, file.name))
        [body] = [body for _, _, body in server.requests if body]
    assert answer.status_code == 200, answer.text
    [instance] = json.loads(body)["instances"]
    assert base64.b64decode(instance["b64"]) == expected.encoded
    [picture] = set(re.findall(r'href="data:image/jpeg;base64,([^"]+)"', answer.text))
    with Image.open(io.BytesIO(base64.b64decode(picture))) as image:
        shown = np.asarray(image.convert("RGB"), float)
    assert shown.shape == expected.pixels.shape
    assert np.corrcoef(shown.ravel(), expected.pixels.ravel())[0, 1] > 0.98
    sent = body + answer.data
    assert not any(name in sent for name in NAMES)


@pytest.mark.parametrize("file", [one for one in FILES if one.shown is None], ids=str)
def test_what_ingest_rejects_is_refused_with_its_reason(file: PeoplesFile) -> None:
    with running(model()) as server:
        client = page(server.address).test_client()
        answer = client.post("/api/v1/predict", data=file.content)
        assert not any(body for _, _, body in server.requests)
    assert answer.status_code == 422
    assert "The image cannot be used: " in answer.json["detail"]
