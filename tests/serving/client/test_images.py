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
from serving.client import EncodedImage, ImageError, encode_image, prepare_image, read_frames


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
    frames, window = np.stack([head(seed) for seed in range(3)]), (500, 900)
    sent, alone = (
        encode_image(encoded(dataset(one, WindowCenter=window[0], WindowWidth=window[1])))
        for one in (frames, frames[1])
    )
    np.testing.assert_array_equal(_pixels(sent), _pixels(alone))
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


def _opened(content):
    return Image.open(io.BytesIO(content))


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "BMP"])
def test_whatever_holds_a_file_gives_the_same(tmp_path, form):
    content = encode(draw(1), form)
    (tmp_path / "scan").write_bytes(content)
    expected = encode_image(content)
    assert encode_image(bytearray(content)) == expected
    assert encode_image(memoryview(b"x" + content)[1:]) == expected
    assert encode_image(io.BytesIO(content)) == expected
    assert encode_image(str(tmp_path / "scan")) == encode_image(tmp_path / "scan") == expected
    with (tmp_path / "scan").open("rb") as file, (tmp_path / "scan").open("rb", 0) as unbuffered:
        assert encode_image(file) == encode_image(unbuffered) == expected
    np.testing.assert_array_equal(_pixels(encode_image(_opened(content))), _pixels(expected))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_a_pillow_image_is_seen_as_its_file_would_be(mode):
    if mode == "I;16":
        image = Image.fromarray(draw(1)[..., 0].astype(np.uint16) * 200)
    else:
        image = Image.fromarray(draw(1)).convert(mode)
    if mode in ("LA", "RGBA"):
        image.putalpha(Image.fromarray(draw(2)[..., 0]))
    stream = io.BytesIO()
    image.save(stream, "PNG")
    np.testing.assert_array_equal(
        _pixels(encode_image(image)), _pixels(encode_image(stream.getvalue()))
    )


def test_a_pillow_image_stands_upright():
    stream, tags = io.BytesIO(), Image.Exif()
    tags[0x0112] = 6
    Image.fromarray(draw(1, (40, 60))).save(stream, "JPEG", exif=tags, quality=100)
    sent = encode_image(_opened(stream.getvalue()))
    assert _pixels(sent).shape[:2] == (60, 40)
    np.testing.assert_array_equal(_pixels(sent), _pixels(encode_image(stream.getvalue())))


def test_a_pillow_image_that_cannot_be_read_is_refused_in_words(tmp_path):
    content = encode(draw(1, (200, 200)))
    with pytest.raises(ImageError, match="damaged, truncated or closed"):
        encode_image(_opened(content[: len(content) // 2]))
    (tmp_path / "scan.png").write_bytes(content)
    with Image.open(tmp_path / "scan.png") as closed:
        pass
    with pytest.raises(ImageError, match="damaged, truncated or closed"):
        encode_image(closed)
    for mode in ("CMYK", "F", "I", "HSV", "LAB"):
        with pytest.raises(ImageError, match=f"of mode {mode} cannot be used: convert it to L"):
            encode_image(Image.new(mode, (9, 9)))


@pytest.mark.parametrize(
    "image",
    [None, 7, 1.5, [b"x"], {"b64": "x"}, object(), np.float32(1), (1, 2)],
    ids=lambda image: type(image).__name__,
)
def test_what_is_no_image_is_refused_with_what_is_one(image):
    with pytest.raises(ImageError, match="is no image: an image is a path, the bytes of a file"):
        encode_image(image)


def test_a_file_that_is_not_open_for_reading_bytes_is_refused_in_words(tmp_path):
    path = tmp_path / "scan.png"
    path.write_bytes(encode(draw(1)))
    with path.open("rb") as closed:
        pass
    with path.open("ab") as writing, path.open(encoding="latin-1") as text:
        for file, said in ((closed, "cannot be read"), (writing, "cannot be read"), (text, "'rb'")):
            with pytest.raises(ImageError, match=said):
                encode_image(file)


def test_a_file_object_without_end_is_not_read_to_its_end():
    class Endless:
        given = 0

        def read(self, size):
            self.given += size
            return bytes(size)

    endless = Endless()
    with pytest.raises(ImageError, match="limit of 100,000,000"):
        encode_image(endless)
    assert endless.given < 110_000_000


def test_frames_are_counted_and_chosen():
    frames = np.stack([head(seed) for seed in range(4)])
    scan = encoded(dataset(frames))
    middle = prepare_image(scan)
    assert (middle.frame, middle.frames) == (2, 4)
    every = read_frames(scan)
    assert [(one.frame, one.frames) for one in every] == [(n, 4) for n in range(4)]
    [last] = read_frames(scan, 3)
    assert (last.frame, last.frames) == (3, 4)
    assert last == every[3]  # shown by the range of all, though it came alone
    for number in (4, -1):
        with pytest.raises(ImageError, match=f"no frame {number}: the file has frames 0 to 3"):
            read_frames(scan, number)


def test_slices_are_counted_and_chosen():
    volume = np.stack([head(seed, (20, 20)) for seed in range(5)], axis=2).astype(np.int16)
    content = nibabel.Nifti1Image(volume, np.eye(4)).to_bytes()
    every = read_frames(content)
    assert [(one.frame, one.frames) for one in every] == [(n, 5) for n in range(5)]
    assert every[2] == prepare_image(content)
    assert read_frames(content, 4) == every[4:]
    with pytest.raises(ImageError, match="no frame 5: the file has frames 0 to 4"):
        read_frames(content, 5)


def test_what_has_one_frame_has_frame_0():
    for image in (encode(draw(1)), draw(1), prepare_image(draw(1)), Image.fromarray(draw(1))):
        [only] = read_frames(image)
        assert [only] == read_frames(image, 0) == [prepare_image(image)]
        assert (only.frame, only.frames) == (0, 1)
        with pytest.raises(ImageError, match="frame 0 alone"):
            read_frames(image, 1)


def test_what_was_read_is_sent_as_it_is():
    image = EncodedImage(encode(draw(1)), 3, 7)
    assert prepare_image(image) is image
    assert "PNG" not in repr(image)
