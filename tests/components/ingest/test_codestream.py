import io
import struct

import numpy as np
import pytest
from drawing import draw, encode
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from components.ingest.codestream import jpeg2000_size, jpeg_size, rle_fits


def _jpeg2000(pixels: np.ndarray, **options) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG2000", **options)
    return stream.getvalue()


@pytest.mark.parametrize("channels", [1, 3])
def test_reads_the_size_of_a_jpeg(channels):
    whole = encode(draw(0, (37, 52), channels), "JPEG")
    assert jpeg_size(whole) == (37, 52, channels)
    assert jpeg_size(whole + b"\0") == (37, 52, channels)
    assert jpeg_size(whole[:2] + b"\xff" * 3 + whole[2:]) == (37, 52, channels)


def test_a_jpeg_without_an_end_or_a_header_has_no_size():
    whole = encode(draw(0), "JPEG")
    frame = whole.index(b"\xff\xc0")
    hierarchy = whole[:frame] + b"\xff\xde" + whole[frame + 2 :]
    scan_first = whole[:2] + b"\xff\xda" + whole[2:]
    for damaged in (
        b"",
        whole[:-2],
        whole[:300],
        whole[2:],
        b"\xff\xd8\xff\xd9",
        hierarchy,
        scan_first,
    ):
        assert jpeg_size(damaged) is None


@pytest.mark.parametrize("boxed", [True, False])
def test_reads_the_size_of_a_jpeg_2000(boxed):
    whole = _jpeg2000(draw(0, (37, 52)), no_jp2=not boxed)
    assert whole.startswith(b"\xff\x4f") != boxed
    assert jpeg2000_size(whole) == (37, 52, 3)
    start = whole.index(b"\xff\x4f\xff\x51")
    for damaged in (b"", whole[: start + 30], whole[start + 2 :]):
        assert jpeg2000_size(damaged) is None


def _rle(*segments: bytes) -> bytes:
    offsets = [64 + sum(map(len, segments[:index])) for index in range(len(segments))]
    header = struct.pack("<16I", len(segments), *offsets, *[0] * (15 - len(segments)))
    return header + b"".join(segments)


def test_tells_run_lengths_that_fit_from_those_that_do_not():
    run, literal, nothing = b"\x81\x07", b"\x7f" + bytes(128), b"\x80"
    assert rle_fits(_rle(run * 10, literal * 10), 1280)
    assert rle_fits(_rle(nothing * 10 + run * 10 + b"\0"), 1280)
    assert not rle_fits(_rle(run * 10, run * 1000), 1280)
    assert not rle_fits(_rle(literal * 1000), 1280)
    assert not rle_fits(b"short", 1280)


@given(st.binary(max_size=200), st.sampled_from([b"", b"\xff\xd8", b"\xff\x4f\xff\x51"]))
def test_any_bytes_are_looked_at_without_harm(content, start):
    jpeg_size(start + content + b"\xff\xd9")
    jpeg2000_size(start + content)
    jpeg2000_size(b"\x00\x00\x00\x0cjP  " + content)
    rle_fits(content, 10)
