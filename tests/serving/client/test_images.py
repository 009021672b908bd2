import io
import os

import nibabel
import numpy as np
import pydicom
import pytest
from dicom_files import MARKERS, dataset, encoded, head, marked
from drawing import draw, encode
from peoples_files import FILES, NAMES
from PIL import Image

from imaging.config import ONE_PICTURE
from imaging.reader import read_content
from serving.client import ImageError, encode_image


def _pixels(encoded: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(encoded)))


@pytest.mark.parametrize("file", [one for one in FILES if one.shown is not None], ids=str)
def test_what_goes_is_what_ingest_would_have_stored(tmp_path, file):
    sent = encode_image(file.content)
    assert sent == read_content(file.content, ONE_PICTURE).images[0].encoded
    assert not any(name in sent for name in NAMES)
    (tmp_path / "file").write_bytes(file.content)
    assert sent == encode_image(tmp_path / "file") == encode_image(os.fspath(tmp_path / "file"))


@pytest.mark.parametrize("file", [one for one in FILES if one.shown is None], ids=str)
def test_what_ingest_rejects_is_refused(file):
    with pytest.raises(ImageError, match="The image cannot be used: "):
        encode_image(file.content)


def test_of_a_volume_the_middle_slice_goes():
    volume = np.stack([head(seed, (20, 20)) for seed in range(5)], axis=2).astype(np.int16)
    content = nibabel.Nifti1Image(volume, np.eye(4)).to_bytes()
    middle = read_content(content, ONE_PICTURE)
    assert encode_image(content) == middle.images[0].encoded


@pytest.mark.parametrize("shape", [(48, 40), (48, 40, 1), (48, 40, 3)])
def test_an_array_becomes_a_png_of_the_same_pixels(shape):
    pixels = draw(1, channels=1 if len(shape) == 2 or shape[2] == 1 else 3).reshape(shape)
    encoded = encode_image(pixels[::-1])
    assert encoded.startswith(b"\x89PNG")
    np.testing.assert_array_equal(_pixels(encoded), pixels[::-1].squeeze())


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((4, 4), np.float32), np.zeros((4, 4), np.int64), np.zeros((0, 4), np.uint8),
     np.zeros((4,), np.uint8), np.zeros((4, 4, 2), np.uint8), np.zeros((1, 4, 4, 3), np.uint8)],
)  # fmt: skip
def test_other_arrays_are_refused(pixels):
    with pytest.raises(ImageError, match="An array must"):
        encode_image(pixels)


@pytest.mark.parametrize("big", [False, True])
def test_a_tiff_becomes_a_png(big):
    stream = io.BytesIO()
    Image.fromarray(draw(1)).save(stream, "TIFF", big_tiff=big)
    encoded = encode_image(stream.getvalue())
    assert encoded.startswith(b"\x89PNG")
    np.testing.assert_array_equal(_pixels(encoded), draw(1))
    with pytest.raises(ImageError, match="cannot be used"):
        encode_image(encode(draw(1), "TIFF")[:40])


def test_what_cannot_be_read_is_said_without_its_name(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").touch()
    for bad in (tmp_path / "Doe^John.png", tmp_path, tmp_path / "pipe", tmp_path / "empty", b"",
                "a\0b"):  # fmt: skip
        with pytest.raises(ImageError) as raised:
            encode_image(bad)
        assert "Doe" not in str(raised.value)


def test_a_huge_file_is_refused_before_it_is_read_whole(tmp_path):
    with (tmp_path / "huge.png").open("wb") as file:
        file.truncate(10**12)
    with pytest.raises(ImageError, match="limit of 100,000,000"):
        encode_image(tmp_path / "huge.png")


def test_of_a_dicom_the_middle_frame_goes_and_no_tag():
    frames = np.stack([head(seed) for seed in range(3)])
    sent = encode_image(encoded(dataset(frames)))
    np.testing.assert_array_equal(_pixels(sent), _pixels(encode_image(encoded(dataset(frames[1])))))
    full = encode_image(encoded(marked()))
    assert not any(marker in full for marker in MARKERS)


def test_a_dicom_data_set_without_a_preamble_is_rendered_too():
    file, stream = encoded(marked()), io.BytesIO()
    pydicom.dcmwrite(stream, dataset(head()), implicit_vr=True, little_endian=True)
    assert encode_image(file[132:]) == encode_image(file)
    assert encode_image(stream.getvalue()) == encode_image(encoded(dataset(head())))


def test_a_damaged_dicom_is_refused_without_a_word_of_it():
    good = encoded(marked())
    for bad in (good[:400], good[:-100], good[:140] + bytes(200)):
        with pytest.raises(ImageError) as raised:
            encode_image(bad)
        assert not any(marker.decode() in str(raised.value) for marker in MARKERS)
