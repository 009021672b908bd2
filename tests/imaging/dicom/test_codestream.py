import io
import struct

import imagecodecs
import numpy as np
import pytest
from drawing import draw, encode
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from imaging.dicom.codestream import is_jpeg2000, jpeg2000_size, read_jpeg
from imaging.jpeg_segments import JPEG_LS


def _jpeg2000(pixels: np.ndarray, **options) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG2000", **options)
    return stream.getvalue()


@pytest.mark.parametrize("channels", [1, 3])
def test_reads_what_a_jpeg_says(channels):
    whole = encode(draw(0, (37, 52), channels), "JPEG")
    for content in (whole, whole + bytes(64), whole[:2] + b"\xff" * 3 + whole[2:]):
        image = read_jpeg(content)
        assert (image.coding, image.precision, image.rows, image.columns) == (0xC0, 8, 37, 52)
        assert image.ids == (1, 2, 3)[:channels]
        assert image.is_jfif
        assert image.transform is None
        assert content[: image.end].endswith(b"\xff\xd9")
        assert content[image.end :] in (b"", bytes(64))


def test_reads_what_a_jpeg_ls_image_says():
    whole = imagecodecs.jpegls_encode(np.arange(4000, dtype=np.uint16).reshape(50, 80))
    image = read_jpeg(whole)
    assert (image.coding, image.precision, image.rows, image.columns) == (JPEG_LS, 16, 50, 80)
    assert image.end == len(whole)


def test_an_adobe_segment_tells_the_transform_of_colours():
    whole = encode(draw(0, (8, 8), 3), "JPEG")
    for payload, transform in ((b"Adobe\0\x64\0\0\0\0\0", 0), (b"Adobe\0\x64\0\0\0\0", None)):
        segment = struct.pack(">BBH", 0xFF, 0xEE, len(payload) + 2) + payload
        assert read_jpeg(whole[:2] + segment + whole[2:]).transform == transform


def test_finds_the_runs_between_restarts():
    stream = io.BytesIO()
    Image.fromarray(draw(0, (64, 64))).save(stream, "JPEG", restart_marker_rows=1)
    whole = stream.getvalue()
    image = read_jpeg(whole)
    assert len(image.runs) > 2
    for start, end in image.runs[:-1]:
        assert start < end
        assert 0xD0 <= whole[end + 1] <= 0xD7
    assert whole[image.runs[-1][1] :] == b"\xff\xd9"


def test_a_jpeg_without_an_end_or_a_header_says_nothing():
    whole = encode(draw(0), "JPEG")
    frame = whole.index(b"\xff\xc0")
    hierarchy = whole[:frame] + b"\xff\xde" + whole[frame + 2 :]
    scan_first = whole[:2] + b"\xff\xda" + whole[2:]
    scan = whole.index(b"\xff\xda")
    for damaged in (
        b"",
        whole[:-2],
        whole[:300],
        whole[2:],
        b"\xff\xd8\xff\xd9",
        hierarchy,
        scan_first,
        whole[:frame] + whole[frame:scan] * 2 + whole[scan:],
        whole[:scan] + whole[scan:-2] * 101 + b"\xff\xd9",
        whole[:scan] + b"\0" + whole[scan:],
    ):
        assert read_jpeg(damaged) is None


@pytest.mark.parametrize("boxed", [True, False])
def test_reads_the_size_of_a_jpeg_2000(boxed):
    whole = _jpeg2000(draw(0, (37, 52)), no_jp2=not boxed)
    assert whole.startswith(b"\xff\x4f") != boxed
    assert is_jpeg2000(whole)
    assert jpeg2000_size(whole) == (37, 52, 3, 8)
    start = whole.index(b"\xff\x4f\xff\x51")
    for damaged in (b"", whole[: start + 30], whole[start + 2 :]):
        assert jpeg2000_size(damaged) is None


@given(st.binary(max_size=200), st.sampled_from([b"", b"\xff\xd8", b"\xff\x4f\xff\x51"]))
def test_any_bytes_are_looked_at_without_harm(content, start):
    read_jpeg(start + content + b"\xff\xd9")
    jpeg2000_size(start + content)
    jpeg2000_size(b"\x00\x00\x00\x0cjP  " + content)
