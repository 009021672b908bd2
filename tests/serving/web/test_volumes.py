"""Every frame of a file is judged, and the volume as a whole; a viewer gets the values behind."""

import base64
import gzip
import io
import json
import re
from typing import Any

import nibabel
import numpy as np
import pytest
from dicom_files import compressed, dataset, encoded, file, head, marked
from drawing import encode
from fake_server import FakeServer, running, says
from flask.testing import FlaskClient
from page import model, page, png, row, send, token
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.uid import JPEGBaseline8Bit

from imaging.head import find_head
from imaging.reader import open_content, read_content
from serving.client import Explanation
from serving.web.heat import heat_picture

_WINDOW = {"WindowCenter": 500, "WindowWidth": 900}
_FRAMES = np.stack([head(seed) for seed in range(20)])


def _series(count: int = 20, **elements: Any) -> bytes:
    return file(_FRAMES[:count], **_WINDOW, **elements)


def _volume() -> bytes:
    """A ball: nothing in the outermost slices, little in those beside them."""
    x, y, z = np.ogrid[-1:1:40j, -1:1:40j, -1:1:15j]
    noise = np.random.default_rng(1).integers(300, 1000, (40, 40, 15))
    values = np.where(x**2 + y**2 + z**2 < 0.9, noise, 0).astype(np.int16)
    return nibabel.Nifti1Image(values, np.diag([1, 1, 3, 1])).to_bytes()


def _sent(server: FakeServer) -> list[list[bytes]]:
    """The images of each request."""
    bodies = [body for path, _, body in server.requests if path.endswith(":predict")]
    return [
        [base64.b64decode(one["b64"]) for one in json.loads(body)["instances"]] for body in bodies
    ]


def test_each_frame_is_judged_and_shown_just_as_it_was_sent(
    server: FakeServer, client: FlaskClient
) -> None:
    answer = client.post("/api/v1/predict?explain=1", data=_series()).json
    assert (answer["frames"], answer["blank"], answer["version"]) == (20, 0, 7)
    assert [one["frame"] for one in answer["slices"]] == list(range(20))
    expected = [one.encoded for one in read_content(_series()).images]
    sent = _sent(server)
    assert [image for request in sent for image in request] == expected
    assert max(map(len, sent)) <= 8  # a few at a time
    assert [base64.b64decode(one["picture"]) for one in answer["slices"]] == expected


def test_the_page_shows_the_volume_first_and_then_every_frame(client: FlaskClient) -> None:
    html = send(client, (_series(3), "scan.dcm")).text
    whole = html.index("Mean of the probabilities over the 3 slices")
    frames = [html.index(f'<span class="number">{number}</span>') for number in range(3)]
    assert [whole, *frames] == sorted([whole, *frames])
    assert html.count("not a diagnosis") >= 3  # above, below and in the result


def test_a_volume_is_the_mean_over_slices_that_show_enough_of_the_head() -> None:
    answers = iter(range(100))

    def answer(handler: Any, body: bytes) -> None:
        if not handler.path.endswith(":predict"):
            model()(handler, body)
            return
        rows = []
        for _ in json.loads(body)["instances"]:
            share = 0.9 if next(answers) % 2 else 0.5
            label = "glioma" if share == 0.9 else "notumor"
            probabilities = [share, 0, 1 - share, 0]
            rows.append(row(label=label, confidence=share, probabilities=probabilities))
        says(200, {"predictions": rows})(handler, body)

    with running(answer) as server:
        found = page(server.address).test_client().post("/api/v1/predict", data=_volume()).json
    volume, slices = found["volume"], found["slices"]
    assert found["frames"] == 15
    assert found["blank"] + len(slices) == 15
    counted = [one for one in slices if one["inside"]]
    assert len(counted) == volume["of"] < volume["slices"] == len(slices)
    mean = np.mean([one["probabilities"]["glioma"] for one in counted])
    assert volume["probabilities"]["glioma"] == pytest.approx(mean)
    assert (volume["refer"], volume["reasons"]) == (True, "its slices differ")
    assert "not calibrated" in volume["words"]


def test_one_frame_alone_is_answered_as_an_image_is(client: FlaskClient) -> None:
    answer = client.post("/api/v1/predict?frame=5", data=_series()).json
    assert (answer["frame"], answer["frames"], answer["label"]) == (5, 20, "glioma")
    assert "slices" not in answer
    missing = client.post("/api/v1/predict?frame=20", data=_series())
    assert missing.status_code == 422
    assert "no frame 20: the file has frames 0 to 19" in missing.json["detail"]
    assert client.post("/api/v1/predict?frame=x", data=_series()).status_code == 400


def test_too_many_frames_are_refused_in_one_sentence(server: FakeServer) -> None:
    client = page(server.address, max_frames=5).test_client()
    refused = client.post("/api/v1/predict", data=_series())
    assert refused.status_code == 413
    assert refused.json["detail"] == (
        "The file has 20 frames or slices, and at most 5 are accepted: send a part of it."
    )
    assert not _sent(server)
    assert client.post("/api/v1/predict?frame=19", data=_series()).status_code == 200
    few = page(server.address, max_pixels=2000).test_client()
    refused = few.post("/api/v1/predict", data=_series())
    assert refused.status_code == 413
    assert "more pixels together than the limit of 8,000" in refused.json["detail"]


def test_a_frame_that_the_model_refuses_leaves_the_others_their_answers() -> None:
    content = read_content(_series(3)).images[1].encoded

    def answer(handler: Any, body: bytes) -> None:
        if handler.path.endswith(":predict"):
            images = [base64.b64decode(one["b64"]) for one in json.loads(body)["instances"]]
            if content in images:
                says(400, {"error": "cannot decode"})(handler, body)
                return
        model()(handler, body)

    with running(answer) as server:
        client = page(server.address).test_client()
        found = client.post("/api/v1/predict", data=_series(3)).json
        html = send(client, (_series(3), "x.dcm"))
    assert [one.get("label") for one in found["slices"]] == ["glioma", None, "glioma"]
    assert found["slices"][1]["error"] == "The model could not decode this image."
    assert found["volume"]["slices"] == 2
    assert html.status_code == 200


def test_a_viewer_learns_what_the_file_says_and_nothing_of_a_patient(
    server: FakeServer, client: FlaskClient
) -> None:
    content = _series(
        3,
        ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
        PixelSpacing=[0.5, 0.5],
        BitsStored=12,
        HighBit=11,
    )
    facts = client.post("/api/v1/frames", data={"image": (io.BytesIO(content), "x.dcm")}).json
    assert (facts["frames"], facts["width"], facts["height"], facts["bits"]) == (3, 40, 48, 16)
    assert (facts["spacing_mm"], facts["plane"], facts["modality"]) == ([0.5, 0.5], "axial", "MR")
    assert facts["slices"][2] == {
        "frame": 2,
        "slope": 1.0,
        "intercept": 0.0,
        "window": {"centre": 499.5, "width": 899.0},
        "said_window": {"centre": 500.0, "width": 900.0},
        "orientation": {"left": "R", "right": "L", "top": "A", "bottom": "P"},
    }
    said = client.post("/api/v1/frames", data=encoded(marked())).text
    assert "XQZ" not in said
    assert not server.requests  # no model is asked


def test_samples_are_the_stored_values_of_the_frames_that_were_asked_for(
    client: FlaskClient,
) -> None:
    answer = client.post("/api/v1/frames?first=1&count=2", data=_series(4))
    assert answer.content_type == "application/octet-stream"
    samples = np.frombuffer(answer.data, "<u2").reshape(2, 48, 40)
    np.testing.assert_array_equal(samples, _FRAMES[1:3])
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("first=4", 400),
        ("first=3&count=2", 400),
        ("first=0&count=0", 400),
        ("first=-1", 400),
        ("first=x", 400),
        ("first=0&count=999999999", 400),
    ],
)
def test_frames_that_are_not_there_are_an_error(
    client: FlaskClient, query: str, status: int
) -> None:
    answer = client.post(f"/api/v1/frames?{query}", data=_series(4))
    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"


def _with_a_damaged_frame() -> bytes:
    levels = np.stack([head(seed, most=255) for seed in range(5)]).astype(np.uint8)
    made = dataset(levels, WindowCenter=128, WindowWidth=256)
    frames = [encode(one, "JPEG") for one in levels]
    frames[2] = frames[2][:300]
    return compressed(made, JPEGBaseline8Bit, frames)


def _with_a_localizer() -> bytes:
    groups = []
    for flavour in ("VOLUME", "VOLUME", "LOCALIZER", "VOLUME", "VOLUME"):
        kind, group = Dataset(), Dataset()
        kind.FrameType = ["ORIGINAL", "PRIMARY", flavour, "NONE"]
        group.MRImageFrameTypeSequence = [kind]
        groups.append(group)
    enhanced = "1.2.840.10008.5.1.4.1.1.4.1"
    return _series(5, SOPClassUID=enhanced, PerFrameFunctionalGroupsSequence=groups)


@pytest.mark.parametrize(
    ("content", "why"),
    [(_with_a_damaged_frame(), "cannot be used"), (_with_a_localizer(), "localizer")],
    ids=["damaged", "localizer"],
)
def test_a_frame_that_cannot_be_read_does_not_take_the_others_along(
    client: FlaskClient, content: bytes, why: str
) -> None:
    facts = client.post("/api/v1/frames", data=content).json
    assert facts["frames"] == 5
    assert {0, 1, 3, 4} <= {one["frame"] for one in facts["slices"]}
    answer = client.post("/api/v1/frames?first=0&count=5", data=content)
    assert answer.headers["X-Frames"] == "0,1,3,4"
    alone = client.post("/api/v1/frames?first=3", data=content).data
    assert len(answer.data) == 4 * len(alone)
    assert answer.data[2 * len(alone) : 3 * len(alone)] == alone
    refused = client.post("/api/v1/frames?first=2", data=content)
    assert refused.status_code == 422
    assert why in refused.json["detail"]
    judged = client.post("/api/v1/predict", data=content).json
    assert [one["frame"] for one in judged["slices"] if "label" in one] == [0, 1, 3, 4]


@pytest.mark.parametrize("is_settled", [True, False], ids=["once", "over and over"])
def test_all_frames_are_of_one_version(is_settled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.web.model._KNOWN_FOR", 0.0)
    predicted: list[str] = []

    def answer(handler: Any, body: bytes) -> None:
        if handler.path.endswith(":predict"):
            predicted.append(handler.path)
            model()(handler, body)
            return
        newest = 7 + (min(len(predicted), 1) if is_settled else len(predicted))
        ok = {"error_code": "OK", "error_message": ""}
        status = [{"version": str(newest), "state": "AVAILABLE", "status": ok}]
        says(200, {"model_version_status": status})(handler, body)

    with running(answer) as server:
        found = page(server.address).test_client().post("/api/v1/predict", data=_series())
    if is_settled:  # 8 frames by version 7, then all of them by version 8
        assert {one["version"] for one in found.json["slices"]} == {8}
    else:
        assert found.status_code == 503
        assert "The model was replaced" in found.json["detail"]
        assert found.headers["Retry-After"]


def _files(count: int = 4) -> list[tuple[bytes, str]]:
    """The files of a series, and one of the same patient's that is of no series."""
    elements: dict[str, Any] = {"StudyInstanceUID": "1.2.8", "PatientID": "P-1"}
    axial = [1, 0, 0, 0, 1, 0]
    made = [
        file(
            _FRAMES[place],
            **_WINDOW,
            **elements,
            SeriesInstanceUID="1.2.9",
            ImageOrientationPatient=axial,
            ImagePositionPatient=[0, 0, 5.0 * place],
        )
        for place in range(count)
    ]
    return [(content, f"{place}.dcm") for place, content in enumerate(made)][::-1]


def test_the_files_of_a_series_have_one_answer_and_those_of_a_patient_stand_together(
    client: FlaskClient,
) -> None:
    [last, *others] = _files()
    other = _series(1, StudyInstanceUID="1.2.7", SeriesInstanceUID="1.2.6", PatientID="P-1")
    html = send(client, last, (png(), "x.png"), *others, (other, "other.dcm")).text
    names = re.findall(r'data-name="([^"]+)"', html)
    assert names == ["0.dcm", "1.dcm", "2.dcm", "3.dcm", "other.dcm", "x.png"]
    said = html[html.index('aria-label="Series of 4 files"') : html.index("<article")]
    assert "Mean of the probabilities over the 4 slices" in said
    assert re.search(r"<h2[^>]*>Glioma", said)
    assert not any(number in html for number in ("P-1", "1.2.9", "1.2.8"))


def _answer(head: float = 0.4, **values: Any) -> dict[str, Any]:
    return {
        "label": "glioma",
        "probabilities": {"glioma": 0.8, "notumor": 0.2},
        "in_distribution": True,
        "refer": False,
        "reasons": "",
        "head": head,
        "version": 7,
        **values,
    }


def _of_series(client: FlaskClient, answers: Any) -> Any:
    headers = {"X-CSRFToken": token(client), "X-Fragment": "1"}
    return client.post("/results/series", json=answers, headers=headers)


def test_the_answer_for_files_is_pooled_as_that_for_slices(client: FlaskClient) -> None:
    other = {"label": "notumor", "probabilities": {"glioma": 0.3, "notumor": 0.7}}
    said = _of_series(client, [_answer(), _answer(**other), _answer(head=0.05)])
    assert 'Glioma <span class="share">55.0%' in said.text
    assert "its slices differ" in said.text
    assert said.headers["Cache-Control"] == "no-store"
    assert 'data-best="0" data-counted="110"' in said.text
    mixed = _of_series(client, [_answer(), _answer(version=8)]).text
    assert "No answer for the series" in mixed
    assert "Different versions" in mixed


@pytest.mark.parametrize(
    "answers",
    [
        [],
        [_answer()],
        [_answer()] * 257,
        [_answer(), {"label": "glioma"}],
        [_answer(), _answer(head=7)],
        [_answer(), _answer(probabilities={})],
        "x",
    ],
)
def test_what_is_no_answer_of_a_series_is_refused(client: FlaskClient, answers: Any) -> None:
    assert _of_series(client, answers).status_code == 400


def test_what_a_series_says_is_text_and_needs_the_forms_token(client: FlaskClient) -> None:
    said = _of_series(client, [_answer(reasons="<b>x", refer=True)] * 2)
    assert "&lt;b&gt;x" in said.text
    assert client.post("/results/series", json=[_answer()] * 2).status_code == 400


@pytest.mark.parametrize("kind", ["TIFF", "NIfTI"])
def test_what_is_not_judged_of_a_file_is_said(client: FlaskClient, kind: str) -> None:
    if kind == "TIFF":
        stream, first, second = io.BytesIO(), *(Image.open(io.BytesIO(png(n))) for n in (1, 2))
        first.save(stream, "TIFF", save_all=True, append_images=[second])
        content, words = stream.getvalue(), "Only the first page is judged"
    else:
        values = np.random.default_rng(1).integers(300, 1000, (40, 40, 6, 3)).astype(np.int16)
        content = nibabel.Nifti1Image(values, np.eye(4)).to_bytes()
        words = "Only the first of 3 volumes is judged"
    assert f"{words}.</p>" in send(client, (content, "x")).text
    answer = client.post("/api/v1/predict", data=content).json
    assert answer.get("facts", answer)["left_out"] == words


def test_no_more_samples_than_a_request_may_have_bytes(server: FakeServer) -> None:
    x, y, z = np.ogrid[-1:1:40j, -1:1:40j, -1:1:15j]
    ball = np.where(x**2 + y**2 + z**2 < 0.9, (x + 2) * (y + 2) * 100, 0).astype(np.int16)
    packed = gzip.compress(nibabel.Nifti1Image(ball, np.eye(4)).to_bytes())
    most = len(packed) + 1000
    assert most < ball.nbytes
    client = page(server.address, max_request_bytes=most).test_client()
    assert client.post("/api/v1/frames?first=7", data=packed).status_code == 200
    refused = client.post("/api/v1/frames?first=0&count=15", data=packed)
    assert refused.status_code == 413
    assert "fewer" in refused.json["detail"]


def test_pixels_of_16_bits_and_their_tiff_give_one_answer_and_one_picture(
    server: FakeServer, client: FlaskClient
) -> None:
    values = head(3, (64, 60), 60_000)
    png_, tiff = io.BytesIO(), io.BytesIO()
    Image.fromarray(values).save(png_, "PNG")
    Image.fromarray(values).save(tiff, "TIFF")
    one, other = (
        client.post("/api/v1/predict?explain=1", data=stream.getvalue()).json
        for stream in (png_, tiff)
    )
    first, second = (client.post("/api/v1/frames?first=0", data=s.getvalue()) for s in (png_, tiff))
    assert _sent(server)[0] == _sent(server)[1]
    assert first.data == second.data
    assert {**one, "digest": ""} == {**other, "digest": ""}


def test_heat_is_drawn_inside_the_head_only() -> None:
    pixels = np.zeros((100, 100), np.uint8)
    pixels[20:80, 25:75] = head(1, (60, 50), 255).astype(np.uint8)
    outline = find_head(pixels)
    hot = Explanation(
        "glioma", 1.0, {"glioma": 1.0}, heatmap=np.ones((7, 7), np.float32), crop_box=(0, 0, 1, 1)
    )
    with Image.open(io.BytesIO(heat_picture(hot, outline))) as image:
        alpha = np.asarray(image.convert("RGBA").resize((100, 100)))[..., 3]
    assert alpha[50, 50] > 100
    for corner in (alpha[:12, :12], alpha[-12:, -12:], alpha[:12, -12:], alpha[-12:, :12]):
        assert not corner.any()


def test_the_crop_box_may_reach_beyond_the_picture() -> None:
    opened = open_content(png())
    outline = opened.image(0).head
    beyond = Explanation(
        "glioma",
        1.0,
        {"glioma": 1.0},
        heatmap=np.ones((7, 7), np.float32),
        crop_box=(-0.5, -0.5, 1.5, 1.5),
    )
    with Image.open(io.BytesIO(heat_picture(beyond, outline))) as image:
        alpha = np.asarray(image.convert("RGBA"))[..., 3]
    assert not alpha[:50].any()
    assert alpha.any()
