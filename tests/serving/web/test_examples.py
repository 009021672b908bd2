"""Synthetic examples: chosen instead of a file, and hidden where there are none."""

import base64
import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from fake_server import FakeServer
from flask.testing import FlaskClient
from page import page, png, token
from PIL import Image

from components.errors import PipelineError
from serving.client.images import encode_image
from serving.web.examples import Examples


@pytest.fixture
def client(server: FakeServer, examples: Path) -> FlaskClient:
    return page(server.address, examples=examples).test_client()


def press(client: FlaskClient, name: str, **files: Any) -> Any:
    return client.post("/results", data={"csrf_token": token(client), "example": name, **files})


def test_each_class_has_a_button_with_a_picture(client: FlaskClient) -> None:
    html = client.get("/").text
    assert "<em>synthetic</em>" in html
    assert "Computer-generated pictures." in html
    for name in ("glioma", "meningioma", "notumor", "pituitary"):
        assert f'name="example" value="{name}"' in html
        answer = client.get(f"/examples/{name}.jpg")
        assert answer.content_type == "image/jpeg"
        with Image.open(io.BytesIO(answer.data)) as picture:
            assert max(picture.size) <= 160
    assert client.get("/examples/..%2fsample.jpg").status_code == 404


def test_a_pressed_example_is_what_the_model_sees(
    server: FakeServer, client: FlaskClient, examples: Path
) -> None:
    answer = press(client, "pituitary", image=(io.BytesIO(png()), "mine.png"))
    assert answer.status_code == 200
    assert "Synthetic example: Pituitary tumour" in answer.text
    assert "mine.png" not in answer.text
    [file] = (examples / "Testing" / "pituitary").iterdir()
    [body] = [body for path, _, body in server.requests if path.endswith(":predict")]
    assert base64.b64encode(encode_image(file)) in body


def test_a_folder_without_a_picture_is_passed_over(examples: Path, tmp_path: Path) -> None:
    sample = shutil.copytree(examples, tmp_path / "sample")
    (sample / "Testing" / "@eaDir").mkdir()
    assert sorted(Examples.read(sample).images) == ["glioma", "meningioma", "notumor", "pituitary"]


@pytest.mark.parametrize("name", ["", "nothing", "../glioma", "<b>"])
def test_an_example_that_is_not_there_is_told(client: FlaskClient, name: str) -> None:
    answer = press(client, name)
    assert answer.status_code == 400
    assert "This example does not exist" in answer.text
    assert "<b>" not in answer.text


def test_without_examples_none_are_offered(server: FakeServer) -> None:
    html = page(server.address).test_client().get("/").text
    assert "example" not in html


@pytest.mark.parametrize(
    "manifest", [None, "{}", "[]", "no json", '{"kind": "patients", "notice": ""}']
)
def test_a_folder_of_other_images_is_refused(tmp_path: Path, manifest: str | None) -> None:
    if manifest is not None:
        (tmp_path / "sample.json").write_text(manifest)
    with pytest.raises(PipelineError, match="not a synthetic sample"):
        Examples.read(tmp_path)


def test_an_image_that_cannot_be_decoded_is_refused(tmp_path: Path) -> None:
    manifest = {"kind": "synthetic", "notice": "drawn"}
    (tmp_path / "sample.json").write_text(json.dumps(manifest))
    (tmp_path / "Testing" / "glioma").mkdir(parents=True)
    (tmp_path / "Testing" / "glioma" / "x.jpg").write_bytes(b"no image")
    with pytest.raises(PipelineError, match="not a synthetic sample"):
        Examples.read(tmp_path)
