"""What a person is shown is what the model is sent, and that is what ingest would have stored."""

import base64
import json
import re

import pytest
from fake_server import running
from page import model, page, send
from peoples_files import FILES, NAMES, PeoplesFile

from imaging.config import EVERY_PICTURE
from imaging.reader import read_content


@pytest.mark.parametrize("file", [one for one in FILES if one.shown is not None], ids=str)
def test_the_page_shows_and_sends_the_picture_that_ingest_sees(file: PeoplesFile) -> None:
    expected = [one.encoded for one in read_content(file.content, EVERY_PICTURE).images]
    with running(model()) as server:
        answer = send(page(server.address).test_client(), (file.content, file.name))
        bodies = [body for _, _, body in server.requests if body]
    assert answer.status_code == 200, answer.text
    instances = [one for body in bodies for one in json.loads(body)["instances"]]
    assert [base64.b64decode(one["b64"]) for one in instances] == expected
    shown = re.findall(r'href="data:image/[a-z]+;base64,([^"]+)"', answer.text)
    assert [base64.b64decode(one) for one in shown[::2]] == expected  # and its heat after each
    sent = b"".join(bodies) + answer.data
    assert not any(name in sent for name in NAMES)


@pytest.mark.parametrize("file", [one for one in FILES if one.shown is None], ids=str)
def test_what_ingest_rejects_is_refused_with_its_reason(file: PeoplesFile) -> None:
    with running(model()) as server:
        client = page(server.address).test_client()
        answer = client.post("/api/v1/predict", data=file.content)
        assert not any(body for _, _, body in server.requests)
    assert answer.status_code == 422
    assert "The image cannot be used: " in answer.json["detail"]
