"""DICOM files that are damaged, too large or hostile: rejected with a reason, and at no cost."""

import struct
import tracemalloc
import zlib
from contextlib import suppress

import numpy as np
import pydicom
import pytest
from dicom_files import ALL, compressed, dataset, encoded, file, head, jpeg, pydicom_file
from drawing import encode
from heads import head as big_head
from heads import named, padded
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import (
    MPEG2MPML,
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
)

from imaging.config import ReadConfig
from imaging.reader import RejectedImageError, read_file

CONFIG = ReadConfig()


def _frames_lost() -> bytes:
    """Says that it has three frames, and has one."""
    made = dataset(head(most=256).astype(np.uint8), NumberOfFrames=3)
    return compressed(made, JPEGBaseline8Bit, [jpeg(48, 40)])


# What is rejected


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (file(PixelData=None), "without pixel data"),
        (file()[:-2000], "truncated, damaged"),
        (file(NumberOfFrames=3), "truncated, damaged"),
        (file(PhotometricInterpretation="RGB"), "photometric interpretation"),
        (file(PhotometricInterpretation="HSV"), "photometric interpretation"),
        (file(PhotometricInterpretation=None), "photometric interpretation"),
        (file(SamplesPerPixel=3), "photometric interpretation"),
        (file(Rows=None), "rows and columns"),
        (file(Rows=0), "rows and columns"),
        (file(BitsAllocated=13), "truncated, damaged"),
        (file(BitsAllocated=None), "truncated, damaged"),
        (_frames_lost(), "truncated, damaged"),
        (compressed(dataset(head()), MPEG2MPML, [b"\0\0"]), "unsupported transfer syntax"),
        (compressed(dataset(head()), RLELossless, [b"\0" * 10]), "truncated or not of the size"),
        (compressed(dataset(head()), JPEG2000Lossless, [b"\0" * 10]), "truncated or not of"),
        (bytes(128) + b"DICM", "without pixel data"),
        (bytes(128) + b"DICM" + b"\xff" * 500, "damaged|without pixel data"),
    ],
)
def test_rejects_with_a_reason(read_dicom, content, reason):
    with pytest.raises(RejectedImageError, match=reason):
        read_dicom(content)


def test_rejects_pixels_that_are_not_numbers(read_dicom):
    made = dataset(head(), PixelData=None, BitsAllocated=32)
    made.FloatPixelData = np.full(head().shape, np.nan, np.float32).tobytes()
    with pytest.raises(RejectedImageError, match="not numbers"):
        read_dicom(encoded(made))


def test_rejects_too_many_pixels(read_dicom):
    few = ReadConfig(max_pixels=2000)
    assert read_dicom(file(), few).images
    with pytest.raises(RejectedImageError, match="more pixels than the limit of 2,000"):
        read_dicom(file(head(shape=(60, 60))), few)
    two = file(np.stack([head(1), head(2)]))
    with pytest.raises(RejectedImageError, match="in all frames together"):
        read_dicom(two, few)
    assert read_dicom(two, ReadConfig(max_pixels=2000, dicom={"frames": "middle"})).images
    for frames in (10**6, 2**31 - 1):
        with pytest.raises(RejectedImageError, match="more frames than the limit of 100,000"):
            read_dicom(file(NumberOfFrames=frames))


def _cut(codestream: bytes) -> bytes:
    return codestream[: len(codestream) // 2 * 2 - 40]


@pytest.mark.parametrize(
    "frames",
    [[jpeg(3000, 3000)], [_cut(encode(head(most=256).astype(np.uint8), "JPEG"))], [b"\0\0"]],
    ids=["of another size", "cut off", "empty"],
)
def test_rejects_jpeg_frames_that_do_not_fit(read_dicom, frames):
    made = dataset(head(most=256).astype(np.uint8))
    with pytest.raises(RejectedImageError):
        read_dicom(compressed(made, JPEGBaseline8Bit, frames))


@pytest.mark.parametrize("name", ["JPGExtended.dcm", "MR_small_jpeg_ls_lossless.dcm"])
def test_rejects_frames_that_are_cut_off(read_dicom, name):
    """libjpeg would show what there is, on a grey ground."""
    made = pydicom.dcmread(pydicom_file(name))
    whole = next(pydicom.encaps.generate_frames(made.PixelData, number_of_frames=1))
    syntax = made.file_meta.TransferSyntaxUID
    assert read_dicom(compressed(made, syntax, [whole]), ALL).images
    half = whole[: len(whole) // 4 * 2]
    for cut in (half, half + b"\xff\xd9", whole[: len(whole) // 50 * 49 // 2 * 2] + b"\xff\xd9"):
        with pytest.raises(RejectedImageError, match="truncated"):
            read_dicom(compressed(made, syntax, [cut]), ALL)


def _peak(call) -> int:
    tracemalloc.start()
    try:
        with pytest.raises(RejectedImageError):
            call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_bombs_are_not_unpacked(read_dicom):
    config = ReadConfig(max_file_bytes=2_000_000)
    made = dataset(head())
    made.PixelData = bytes(2)
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    start = encoded(made, DeflatedExplicitVRLittleEndian)
    header = struct.pack("<HH2sHI", 0x0009, 0x1001, b"OB", 0, 200_000_000)
    deflated = packer.compress(header) + packer.compress(bytes(200_000_000)) + packer.flush()
    bomb = start[: _dataset_offset(start)] + deflated
    assert len(bomb) < 2_000_000
    with pytest.raises(RejectedImageError, match="once inflated, than the limit of 2,000,000"):
        read_dicom(bomb, config)
    assert _peak(lambda: read_dicom(bomb, config)) < 20_000_000

    run = struct.pack("<16I", 1, 64, *[0] * 14) + b"\x81\0" * 500_000
    small = dataset(head(most=256).astype(np.uint8))
    assert _peak(lambda: read_dicom(compressed(small, RLELossless, [run]))) < 20_000_000


def _dataset_offset(content: bytes) -> int:
    (length,) = struct.unpack_from("<I", content, 140)
    return 144 + length


# Hostile bytes

_GOOD = [
    file(),
    encoded(dataset(head()), DeflatedExplicitVRLittleEndian),
    compressed(dataset(head(most=256).astype(np.uint8)), JPEGBaseline8Bit, [jpeg(48, 40)]),
]


@settings(max_examples=150)
@given(
    content=st.sampled_from(_GOOD),
    keep=st.floats(0, 1),
    changes=st.lists(st.tuples(st.integers(0, 1500), st.integers(0, 255)), max_size=6),
    tail=st.binary(max_size=40),
)
def test_damaged_bytes_give_images_or_a_reason(tmp_path_factory, content, keep, changes, tail):
    damaged = bytearray(content[: int(len(content) * keep)])
    for position, value in changes:
        if position < len(damaged):
            damaged[position] = value
    path = tmp_path_factory.getbasetemp() / "damaged.dcm"
    path.write_bytes(bytes(damaged) + tail)
    with suppress(RejectedImageError):
        assert read_file(str(path), CONFIG, b"salt").images


@settings(max_examples=100)
@given(content=st.binary(max_size=300))
def test_any_bytes_after_the_prefix_give_a_reason(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "hostile.dcm"
    path.write_bytes(bytes(128) + b"DICM" + content)
    with pytest.raises(RejectedImageError):
        read_file(str(path), CONFIG)


@pytest.mark.parametrize("said", ["YES", "yes ", ["YES"]])
def test_a_picture_that_says_that_text_is_burnt_in_is_taken_without_its_outside(read_dicom, said):
    picture, ink = named(padded(big_head((160, 140)), 8, 0), level=200, height=9)
    content = file(picture.astype(np.uint16), BurnedInAnnotation=said)
    (image,) = read_dicom(content, ReadConfig()).images
    assert (image.blackened, image.burnt_in) == (True, True)
    assert not image.pixels[ink].any()
    with pytest.raises(RejectedImageError, match=r"text is burnt into it \(BurnedInAnnotation\)"):
        read_dicom(content, ReadConfig(outside="keep"))


def test_a_picture_that_says_so_and_shows_no_head_is_rejected(read_dicom):
    text, _ = named(np.zeros((160, 140), np.uint8), "DOE^JANE", height=9)
    content = file(text.astype(np.uint16), BurnedInAnnotation="YES")
    with pytest.raises(RejectedImageError, match="no head can be told from the text"):
        read_dicom(content, ReadConfig())


@pytest.mark.parametrize("said", ["NO", "", "XQZ"])
def test_a_picture_that_does_not_say_so_is_taken(read_dicom, said):
    content = file(head(), BurnedInAnnotation=said)
    for outside in ("black", "keep"):
        (image,) = read_dicom(content, ReadConfig(outside=outside)).images
        assert not image.burnt_in
