"""Names that are burnt into pictures: in nothing that is kept, shown or sent, and no matter."""

import base64
import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from dicom_files import file as dicom_file
from drawing import encode
from fake_server import running
from heads import Mask, Picture, head, likeness, named, real, text_of
from ingesting import Ingested, ingest
from page import model, page, send
from PIL import Image
from scipy.ndimage import gaussian_filter

from components.transform.config import TransformConfig
from components.transform.preprocessing import preprocess
from imaging.head import CELLS, find_head, head_alone
from imaging.reader import decode
from mri.data.inspect import inspect_folder
from serving.client import encode_image

pytestmark = pytest.mark.long

SIZE = (176, 160)
CLASSES = ("glioma", "notumor")
NAMES = ("J. DOE", "MUSTERM", "4711-23", "1961-04")
FONTS = (None, "DejaVuSans-Bold.ttf", "DejaVuSansMono.ttf")
HEIGHTS = (8, 10, 13)
LEVELS = (255, 180, 110, 60)
READABLE = 0.6
"""Correlation with the painted text from which on it might be read; where it is, it has 0.8."""


@dataclass(frozen=True)
class Named:
    """A picture without and with a name in each corner."""

    clean: Picture
    dirty: Picture
    ink: Mask

    @property
    def text(self) -> Mask:
        return text_of(self.ink)


def _pictures(count: int) -> list[Named]:
    random = np.random.default_rng(7)
    found = []
    for number in range(count):
        place = 0.5 + random.uniform(-0.03, 0.03, 2)
        radii = random.uniform(0.27, 0.34, 2)
        outline = head(SIZE, tuple(place), tuple(radii)).astype(float)
        blobs = gaussian_filter(random.normal(size=SIZE), 4)
        clean = outline + np.where(outline > 60, 45 / blobs.std() * blobs, 0)
        clean = np.clip(clean, 0, 255).astype(np.uint8)
        dirty, ink = named(
            clean,
            NAMES[number % len(NAMES)],
            level=LEVELS[number // 4 % len(LEVELS)],
            height=HEIGHTS[number % len(HEIGHTS)],
            font=FONTS[number // 2 % len(FONTS)],
        )
        found.append(Named(clean, dirty, ink))
    return found


@pytest.fixture(scope="module")
def pictures() -> dict[str, Named]:
    """200 of them, by the name of their file in a folder for ingest."""
    found = {}
    for number, one in enumerate(_pictures(200)):
        folder = "Testing" if number % 5 == 0 else "Training"
        kind = "jpg" if number % 3 == 0 else "png"
        found[f"{folder}/{CLASSES[number // 2 % 2]}/{number:03}.{kind}"] = one
    return found


def _folder(root: Path, pictures: Mapping[str, Picture]) -> Path:
    for name, picture in pictures.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".jpg":
            Image.fromarray(picture).save(path, quality=95)
        else:
            path.write_bytes(encode(picture))
    return root


@pytest.fixture(scope="module")
def dirty(pictures, tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("dirty")
    return _folder(root, {name: one.dirty for name, one in pictures.items()})


@pytest.fixture(scope="module")
def clean(pictures, tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("clean")
    return _folder(root, {name: one.clean for name, one in pictures.items()})


@pytest.fixture(scope="module")
def ingested(dirty, tmp_path_factory) -> Ingested:
    return ingest(dirty, tmp_path_factory.mktemp("ingested"))


def _stored(found: Ingested) -> dict[str, tuple[bytes, bytes]]:
    """The encoded picture and the label by the name of the file."""
    stored = {}
    for examples in found.examples.values():
        for example in examples:
            said = {
                name: example.features.feature[f"image/{name}"].bytes_list.value[0]
                for name in ("filename", "encoded", "label")
            }
            stored[said["filename"].decode()] = (said["encoded"], said["label"])
    return stored


def _shown(page: str) -> list[Picture]:
    return [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(content))).convert("L"))
        for content in re.findall(r"data:image/jpeg;base64,([^\"]+)\"", page)
    ]


def test_the_names_can_be_found_where_they_are(pictures):
    likest = [likeness(one.dirty, one.text) for one in pictures.values()]
    assert min(likest) > 0.8
    assert max(likeness(one.clean, one.text) for one in pictures.values()) < READABLE


def test_no_stored_picture_shows_a_name(pictures, ingested):
    stored = _stored(ingested)
    assert set(stored) == set(pictures)
    for name, one in pictures.items():
        shown = decode(stored[name][0])
        assert likeness(shown, one.text) < READABLE, name
        assert not shown[one.ink].any(), name
    assert (ingested.report.blackened, ingested.report.burnt_in) == (200, 0)


def test_names_change_no_label_and_nothing_that_is_learnt(pictures, ingested, clean, tmp_path):
    others = ingest(clean, tmp_path / "out")
    dirty, bare = _stored(ingested), _stored(others)
    assert others.report.blackened == 0
    assert {name: label for name, (_, label) in dirty.items()} == {
        name: label for name, (_, label) in bare.items()
    }
    config = TransformConfig(image_size=64)
    seen = [
        preprocess(tf.constant([one[name][0] for name in pictures]), config)
        for one in (dirty, bare)
    ]
    apart = np.abs(seen[0].numpy().astype(int) - seen[1].numpy())
    assert apart.mean(axis=(1, 2, 3)).max() < 1  # JPEG blurs letters a little


def test_no_inspection_shows_a_name(pictures, dirty, tmp_path):
    html = tmp_path / "page.html"
    inspect_folder(dirty, html=html)
    text = html.read_text()
    shown = _shown(text)
    assert len(shown) >= 16
    assert "outside the head in 200 of 200 images" in text
    for thumbnail in shown:
        corners = np.ones(thumbnail.shape, bool)
        rows = len(thumbnail) // 10  # the heads begin below
        corners[rows:-rows] = False
        assert thumbnail[corners].max() < 32


def test_no_request_holds_a_name(pictures, tmp_path):
    some = list(pictures.values())[:24]
    for one in some:
        for sent in (encode_image(encode(one.dirty)), encode_image(one.dirty)):
            shown = decode(sent)
            assert likeness(shown, one.text) < READABLE
            np.testing.assert_array_equal(shown, decode(encode_image(one.clean)))


def test_the_page_sends_and_shows_no_name(pictures):
    one = next(iter(pictures.values()))
    with running(model()) as server:
        answer = send(page(server.address).test_client(), (encode(one.dirty), "image.png"))
        [body] = [body for _, _, body in server.requests if body]
    assert answer.status_code == 200, answer.text
    [instance] = json.loads(body)["instances"]
    assert likeness(decode(base64.b64decode(instance["b64"])), one.text) < READABLE
    for shown in _shown(answer.text):
        assert likeness(shown, one.text) < READABLE


def test_of_names_on_real_images_none_is_left(real_images):
    checked = 0
    for clean in real(real_images, 60):
        dirty, ink = named(clean, "DOE^JANE", height=9)
        alone, found = head_alone(dirty)
        mask = find_head(clean).mask(*clean.shape[:2])
        if (ink & mask).any() or np.abs(found.tangents - find_head(clean).tangents).max() > (
            4 / CELLS
        ):
            continue  # letters that lie over the head stay
        checked += 1
        assert likeness(alone, text_of(ink)) < READABLE
    assert checked >= 15


@pytest.fixture
def few(pictures) -> dict[str, Named]:
    """Some of them, in a folder that is split as it is."""
    places = [f"{folder}/{label}" for folder in ("train", "val", "test") for label in CLASSES]
    names = [f"{place}/{number}" for place in places for number in range(3)]
    return dict(zip(names, pictures.values(), strict=False))


def test_a_switch_keeps_what_lies_outside(few, tmp_path):
    root = _folder(tmp_path / "data", {f"{name}.png": one.dirty for name, one in few.items()})
    kept = ingest(root, tmp_path / "out", outside="keep")
    for name, (encoded, _) in _stored(kept).items():
        np.testing.assert_array_equal(decode(encoded)[..., 0], few[name.removesuffix(".png")].dirty)
    assert (len(_stored(kept)), kept.report.blackened) == (len(few), 0)


def test_dicom_files_that_say_that_text_is_burnt_in_are_counted_or_rejected(few, tmp_path):
    root = tmp_path / "data"
    for name, one in few.items():
        said = {"BurnedInAnnotation": "YES"} if name.endswith("0") else {}
        path = root / f"{name}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(dicom_file(one.dirty.astype(np.uint16), **said))
    black = ingest(root, tmp_path / "black")
    assert (black.report.ingested, black.report.burnt_in, black.report.blackened) == (18, 6, 18)
    kept = ingest(root, tmp_path / "kept", outside="keep")
    assert (kept.report.ingested, kept.report.rejected, kept.report.burnt_in) == (12, 6, 0)
    [reason] = kept.report.reasons
    assert "text is burnt into it (BurnedInAnnotation)" in reason
