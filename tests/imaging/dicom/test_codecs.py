"""DICOM's compressed frames in every transfer syntax: whole, odd, cut off, hostile."""

import io
import pickle
import struct
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path

import imagecodecs
import jpeg_ls
import numpy as np
import pydicom
import pytest
from dicom_files import (
    ALL,
    PYDICOM_FILES,
    compressed,
    dataset,
    encoded,
    file,
    head,
    run_lengths,
)
from drawing import encode
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames, itemize_fragment
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from imaging.reader import RejectedImageError, read_file

END = b"\xff\xd9"


def _lossless(pixels: np.ndarray, **options) -> bytes:
    return imagecodecs.jpeg8_encode(pixels, lossless=True, **options)


def _jpeg2000(pixels: np.ndarray, level: int = 0, **options) -> bytes:
    return imagecodecs.jpeg2k_encode(
        pixels, level=level, reversible=not level, codecformat="J2K", **options
    )


def _twelve_bits(pixels: np.ndarray) -> bytes:
    return imagecodecs.jpeg8_encode(pixels, bitspersample=12, level=98)


def _eight_bits(pixels: np.ndarray) -> bytes:
    return encode(pixels.astype(np.uint8), "JPEG")


def _high_throughput(pixels: np.ndarray, **options) -> bytes:
    if not hasattr(imagecodecs, "htj2k_encode"):
        pytest.skip("imagecodecs for Python 3.10 reads HTJ2K, and does not write it")
    return imagecodecs.htj2k_encode(pixels, **options)


SMOOTH = (np.add.outer(np.arange(48) * 11, np.arange(40) * 9)).astype(np.uint16)  # up to 868
ENCODERS = {
    JPEGBaseline8Bit: (_eight_bits, 8, 3),
    JPEGExtended12Bit: (_twelve_bits, 12, 2),
    JPEGLossless: (lambda pixels: _lossless(pixels, predictor=6), 16, 0),
    JPEGLosslessSV1: (_lossless, 16, 0),
    JPEGLSLossless: (imagecodecs.jpegls_encode, 16, 0),
    JPEGLSNearLossless: (lambda pixels: imagecodecs.jpegls_encode(pixels, level=2), 16, 2),
    JPEG2000Lossless: (_jpeg2000, 16, 0),
    JPEG2000: (lambda pixels: _jpeg2000(pixels, 100), 16, 2),
    HTJ2KLossless: (_high_throughput, 16, 0),
    HTJ2KLosslessRPCL: (_high_throughput, 16, 0),
    HTJ2K: (lambda pixels: _high_throughput(pixels, reversible=False), 16, 2),
}
"""For a transfer syntax: what encodes, how many bits, and by how many levels it may be off."""


def _made(syntax: str, pixels: np.ndarray = SMOOTH) -> tuple[Dataset, bytes]:
    """A data set for frames that are encoded so, and a frame."""
    write, bits, _ = ENCODERS[syntax]
    stored = (pixels // 4).astype(np.uint8) if bits == 8 else pixels.astype(np.uint16)
    made = dataset(stored, BitsStored=bits, HighBit=bits - 1)
    return made, write(stored)


def _grey(image) -> np.ndarray:
    return image.pixels[..., 0].astype(int)


@pytest.fixture
def shows(read_dicom):
    """Whether a file shows the same as the native one of some pixels."""

    def shows(content: bytes, pixels: np.ndarray, most: int = 0) -> bool:
        expected = _grey(read_dicom(file(pixels)).images[0])
        return bool(np.abs(_grey(read_dicom(content).images[0]) - expected).max() <= most)

    return shows


# The table of docs/formats.md


@pytest.mark.parametrize("syntax", ENCODERS, ids=lambda syntax: syntax.keyword)
def test_reads_every_compressed_syntax(shows, syntax):
    made, frame = _made(syntax)
    pixels = (SMOOTH // 4).astype(np.uint8) if made.BitsAllocated == 8 else SMOOTH
    assert shows(compressed(made, syntax, [frame]), pixels, ENCODERS[syntax][2])


@pytest.mark.parametrize(
    "syntax",
    [
        ImplicitVRLittleEndian,
        ExplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
        RLELossless,
    ],
    ids=lambda syntax: syntax.keyword,
)
def test_reads_every_other_syntax(shows, syntax):
    made = dataset(SMOOTH)
    if syntax == ExplicitVRBigEndian:
        made.PixelData = SMOOTH.astype(">u2").tobytes()
    content = run_lengths(made) if syntax == RLELossless else encoded(made, syntax)
    assert shows(content, SMOOTH)


def test_the_page_names_every_syntax():
    page = (Path(__file__).parents[3] / "docs" / "formats.md").read_text(encoding="utf-8")
    for syntax in (*ENCODERS, ImplicitVRLittleEndian, RLELossless, DeflatedExplicitVRLittleEndian):
        assert f"`{syntax}`" in page


# What stands around a frame


@pytest.mark.parametrize("syntax", ENCODERS, ids=lambda syntax: syntax.keyword)
@pytest.mark.parametrize("behind", [1, 2, 20, 64, 1001])
def test_bytes_behind_the_end_do_not_matter(read_dicom, syntax, behind):
    made, frame = _made(syntax)
    plain = read_dicom(compressed(made, syntax, [frame])).images[0]
    for content in (bytes(behind), b"\xa5" * behind):
        image = read_dicom(compressed(made, syntax, [frame + content])).images[0]
        assert np.array_equal(image.pixels, plain.pixels)


@pytest.mark.parametrize(
    "syntax",
    [s for s in ENCODERS if s not in (JPEG2000, JPEG2000Lossless) and "HTJ2K" not in s.keyword],
    ids=lambda syntax: syntax.keyword,
)
@pytest.mark.parametrize("zeros", [1, 2, 7])
def test_zeros_before_the_end_do_not_matter(read_dicom, syntax, zeros):
    """CharLS issue 437: a file of DICOM's working group 4 has one."""
    made, frame = _made(syntax)
    plain = read_dicom(compressed(made, syntax, [frame])).images[0]
    padded = frame.removesuffix(END) + bytes(zeros) + END
    image = read_dicom(compressed(made, syntax, [padded])).images[0]
    assert np.array_equal(image.pixels, plain.pixels)


@pytest.mark.parametrize("syntax", ENCODERS, ids=lambda syntax: syntax.keyword)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.98])
@pytest.mark.parametrize("end", [b"", END])
def test_a_cut_frame_is_rejected(read_dicom, syntax, share, end):
    write, bits, _ = ENCODERS[syntax]
    made, _ = _made(syntax)
    pixels = head(most=256 if bits == 8 else 1000).astype(np.uint8 if bits == 8 else np.uint16)
    frame = write(pixels)
    assert read_dicom(compressed(made, syntax, [frame])).images
    with pytest.raises(RejectedImageError, match="truncated"):
        read_dicom(compressed(made, syntax, [frame[: int(len(frame) * share)] + end]))


@pytest.mark.parametrize("syntax", [s for s in ENCODERS if "2" not in s.keyword[:7]])
def test_a_frame_without_its_end_marker_is_rejected(read_dicom, syntax):
    made, frame = _made(syntax)
    for content in (frame[:-2], frame[:-2] + bytes(20), frame[:-1]):
        with pytest.raises(RejectedImageError, match="truncated"):
            read_dicom(compressed(made, syntax, [content]))


@pytest.mark.parametrize("syntax", [JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1])
def test_a_frame_with_bytes_too_many_or_too_few_inside_is_rejected(read_dicom, syntax):
    write = ENCODERS[syntax][0]
    made, _ = _made(syntax)
    frame = write(head(most=1000))
    start = frame.index(b"\xff\xda") + 40
    for damaged in (
        frame[:start] + frame[start + 100 :],
        frame[:-2] + b"\x5a\x3c" * 20 + END,
    ):
        with pytest.raises(RejectedImageError, match="truncated"):
            read_dicom(compressed(made, syntax, [damaged]))


def test_run_lengths_that_are_cut_off_are_rejected(read_dicom):
    content = run_lengths(dataset(head()))
    made = pydicom.dcmread(io.BytesIO(content))
    (frame,) = generate_frames(made.PixelData, number_of_frames=1)
    for behind in (bytes(64), b"\xa5" * 9, b"\x7f" * 9):
        assert read_dicom(compressed(made, RLELossless, [frame + behind])).images
    for cut in (frame[: len(frame) // 2], frame[:-100], frame[:64]):
        with pytest.raises(RejectedImageError, match="truncated"):
            read_dicom(compressed(made, RLELossless, [cut]))


def test_restarts_are_no_damage(read_dicom):
    stream = io.BytesIO()
    pixels = head(shape=(64, 64), most=256).astype(np.uint8)
    Image.fromarray(pixels).save(stream, "JPEG", quality=95, restart_marker_rows=1)
    assert read_dicom(compressed(dataset(pixels), JPEGBaseline8Bit, [stream.getvalue()])).images


# How fragments and offsets tell frames apart


def _encapsulated(table: bytes, fragments: list[bytes]) -> bytes:
    header = b"\xfe\xff\x00\xe0" + struct.pack("<I", len(table)) + table
    return header + b"".join(itemize_fragment(one) for one in fragments)


def _even(frame: bytes) -> bytes:
    return frame + bytes(len(frame) % 2)


FRAMES = [_even(_lossless(head(seed))) for seed in (1, 2, 3)]


def _pieces(frame: bytes, *at: int) -> list[bytes]:
    bounds = [0, *at, len(frame)]
    return [frame[start:end] for start, end in pairwise(bounds)]


@pytest.mark.parametrize(
    ("table", "fragments"),
    [
        ([], FRAMES),
        ([0, 4, 8], FRAMES),
        ([0, 0, 0], FRAMES),
        ([1 << 31] * 3, FRAMES),
        ([0], FRAMES),
        ([], [*_pieces(FRAMES[0], 200), FRAMES[1], *_pieces(FRAMES[2], 2, 400, 402)]),
        ([0, 2, 2], [*_pieces(FRAMES[0], 200), *_pieces(FRAMES[1], 4), FRAMES[2]]),
        ([], [b"".join(FRAMES)]),
        ([], [FRAMES[0] + bytes(20), FRAMES[1], FRAMES[2] + bytes(64)]),
        ([], [FRAMES[0] + FRAMES[1], FRAMES[2]]),
    ],
)
def test_frames_are_found_whatever_the_offset_table_says(read_dicom, table, fragments):
    pixels = np.stack([head(seed) for seed in (1, 2, 3)])
    made = dataset(pixels)
    made.PixelData = _encapsulated(struct.pack(f"<{len(table)}I", *table), fragments)
    made["PixelData"].VR = "OB"
    expected = read_dicom(file(pixels)).images
    images = read_dicom(encoded(made, JPEGLosslessSV1)).images
    assert len(images) == 3
    for image, plain in zip(images, expected, strict=True):
        assert np.array_equal(image.pixels, plain.pixels)


@pytest.mark.parametrize("basic", [True, False])
def test_offset_tables_are_asked_where_fragments_do_not_tell(read_dicom, basic):
    """Here a fragment in the middle of a frame begins as a frame does."""
    pixels = np.stack([head(seed, most=256) for seed in (1, 2)]).astype(np.uint8)
    first, second = (imagecodecs.jpegls_encode(one) for one in pixels)
    comment = b"\xff\xfe" + struct.pack(">H", 6) + b"\xff\xd8\xff\0"
    first = _even(first[:2] + comment + first[2:])
    fragments = [*_pieces(first, 6), _even(second)]
    offsets = [0, len(first) + 16]
    made = dataset(pixels)
    table = struct.pack("<2I", *offsets) if basic else b""
    made.PixelData = _encapsulated(table, fragments)
    made["PixelData"].VR = "OB"
    if not basic:
        made.ExtendedOffsetTable = struct.pack("<2Q", *offsets)
        made.ExtendedOffsetTableLengths = struct.pack("<2Q", len(first), len(second))
    expected = read_dicom(file(pixels)).images
    images = read_dicom(encoded(made, JPEGLSLossless)).images
    for image, plain in zip(images, expected, strict=True):
        assert np.array_equal(image.pixels, plain.pixels)


@pytest.mark.parametrize("extended", [(b"", b""), (b"\1", b"\2"), (bytes(16), bytes(8))])
def test_a_wrong_extended_table_does_not_matter(read_dicom, extended):
    pixels = np.stack([head(1), head(2), head(3)])
    made = dataset(pixels)
    made.PixelData = encapsulate(FRAMES)
    made["PixelData"].VR = "OB"
    made.ExtendedOffsetTable, made.ExtendedOffsetTableLengths = extended
    assert len(read_dicom(encoded(made, JPEGLosslessSV1)).images) == 3


def test_fewer_frames_than_there_should_be_are_rejected(read_dicom):
    for fragments in (FRAMES[:2], [FRAMES[0]], [], [b"".join(FRAMES[:2])]):
        made = dataset(np.stack([head()] * 3))
        made.PixelData = _encapsulated(b"", fragments)
        made["PixelData"].VR = "OB"
        with pytest.raises(RejectedImageError, match="truncated"):
            read_dicom(encoded(made, JPEGLosslessSV1))


# Where the frame and the data set do not agree


def _signed(bits: int) -> np.ndarray:
    return head(most=2**bits - 1).astype(np.int32) - 2 ** (bits - 1) + 1


@pytest.mark.parametrize("bits", [7, 8, 12, 13, 16])
@pytest.mark.parametrize("syntax", [JPEGLSLossless, JPEGLosslessSV1, JPEG2000Lossless])
def test_signed_values_that_a_frame_holds_as_unsigned(shows, syntax, bits):
    """pydicom issues 1149 and 2009: these frames do not know of signs, or say the wrong one."""
    values = _signed(bits)
    unsigned = (values & (2**bits - 1)).astype(np.uint8 if bits <= 8 else np.uint16)
    frame = {
        JPEGLSLossless: imagecodecs.jpegls_encode,
        JPEGLosslessSV1: partial(_lossless, bitspersample=bits),
        JPEG2000Lossless: partial(_jpeg2000, bitspersample=bits),
    }[syntax](unsigned)
    made = dataset(values.astype(np.int16), BitsStored=bits, HighBit=bits - 1)
    assert shows(compressed(made, syntax, [frame]), values.astype(np.int16))


@pytest.mark.parametrize("bits", [8, 16])
def test_unsigned_values_that_a_frame_holds_as_signed(shows, bits):
    values = head(most=2**bits - 1)
    frame = _jpeg2000(values.astype(f"u{bits // 8}").view(f"i{bits // 8}"))
    made = dataset(values.astype(np.uint16), BitsStored=bits, HighBit=bits - 1)
    assert shows(compressed(made, JPEG2000Lossless, [frame]), values.astype(np.uint16))


@pytest.mark.parametrize("syntax", [JPEGLSLossless, JPEGLosslessSV1, JPEG2000Lossless, HTJ2K])
def test_eight_bits_in_sixteen(shows, syntax):
    """pydicom issue 2010."""
    values = head(most=256)
    write = {
        JPEGLSLossless: imagecodecs.jpegls_encode,
        JPEGLosslessSV1: _lossless,
        JPEG2000Lossless: _jpeg2000,
        HTJ2K: _high_throughput,
    }[syntax]
    frame = write(values.astype(np.uint8))
    for bits in (8, 16):
        made = dataset(values, BitsStored=bits, HighBit=bits - 1)
        assert shows(compressed(made, syntax, [frame]), values)


def test_a_frame_may_be_of_another_kind_than_the_file_says(shows):
    made = dataset(SMOOTH)
    for frame in (_lossless(SMOOTH), _jpeg2000(SMOOTH), imagecodecs.jpegls_encode(SMOOTH)):
        assert shows(compressed(made, JPEGBaseline8Bit, [frame]), SMOOTH)


def test_frames_of_another_size_are_rejected(read_dicom):
    for syntax in ENCODERS:
        made, _ = _made(syntax)
        _, frame = _made(syntax, SMOOTH[:40])
        with pytest.raises(RejectedImageError, match="not of the size"):
            read_dicom(compressed(made, syntax, [frame]))


@pytest.mark.parametrize("interleave", [0, 1, 2])
def test_reads_colours_in_jpeg_ls_however_they_are_interleaved(read_dicom, interleave):
    rgb = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    planes = rgb if interleave else np.ascontiguousarray(rgb.transpose(2, 0, 1))
    frame = bytes(jpeg_ls.encode_array(planes, interleave_mode=interleave))
    (image,) = read_dicom(compressed(dataset(rgb), JPEGLSLossless, [frame])).images
    assert np.array_equal(image.pixels, rgb)


@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL", "YBR_FULL_422"])
def test_a_frame_says_itself_what_its_colours_are(read_dicom, photometric):
    """Pillow writes YCbCr and says so; a data set that says RGB is wrong."""
    rgb = np.zeros((16, 16, 3), np.uint8)
    rgb[:8], rgb[8:] = (200, 40, 40), (30, 60, 220)
    stream = io.BytesIO()
    Image.fromarray(rgb).save(stream, "JPEG", quality=100, subsampling=0)
    made = dataset(rgb, PhotometricInterpretation=photometric)
    (image,) = read_dicom(compressed(made, JPEGBaseline8Bit, [stream.getvalue()])).images
    assert np.abs(image.pixels.astype(int) - rgb).max() <= 3


def test_a_frame_is_not_turned_by_what_it_says_of_a_camera(read_dicom):
    exif = Image.Exif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    pixels = head(shape=(40, 40), most=256).astype(np.uint8)
    Image.fromarray(pixels).save(stream, "JPEG", quality=100, exif=exif)
    (image,) = read_dicom(compressed(dataset(pixels), JPEGBaseline8Bit, [stream.getvalue()])).images
    assert np.corrcoef(image.pixels[..., 0].ravel(), pixels.ravel())[0, 1] > 0.99


# Side by side


def test_files_are_read_side_by_side():
    names = ["MR_small*.dcm", "SC_rgb*.dcm", "JP*.dcm", "*J2K*.dcm"]
    paths = sorted({path for name in names for path in PYDICOM_FILES.rglob(name)}) * 2

    def read(path: Path) -> list[bytes] | str:
        try:
            return [image.encoded for image in read_file(path, ALL, b"salt").images]
        except RejectedImageError as rejected:
            return str(rejected)

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        alone = [read(path) for path in paths]
        with ThreadPoolExecutor(8) as pool:
            together = list(pool.map(read, paths))
    assert together == alone
    assert not [str(one.message) for one in warned]
    assert sum(isinstance(one, list) for one in alone) > 60


# Hostile frames

_FUZZ = """
import pickle, random, sys
from imaging.config import ReadConfig
from imaging.dicom.reader import read_dicom
from imaging.reader import RejectedImageError
from imaging.quiet import hush

hush()
contents, rounds = pickle.load(sys.stdin.buffer)
config = ReadConfig(max_pixels=4_000_000)
shown = rejected = 0
for seed in range(rounds):
    chance = random.Random(seed)
    content, start = chance.choice(contents)
    damaged = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        at = chance.randrange(start, min(len(damaged), start + 150))
        if chance.random() < 0.4:
            at = chance.randrange(start, len(damaged))
        kind = chance.random()
        if kind < 0.6:
            damaged[at] = chance.randrange(256)
        elif kind < 0.8:
            damaged[at] ^= 1 << chance.randrange(8)
        else:
            damaged[at] = chance.choice((0, 1, 127, 128, 255))
    try:
        found = read_dicom(bytes(damaged), config, b"salt")
        for number in found.numbers:
            found.make(number)
        shown += 1
    except RejectedImageError:
        rejected += 1
print(shown, rejected)
"""


_ONE_A_DECODER = (
    RLELossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEG2000,
    HTJ2K,
)


@pytest.mark.long
@pytest.mark.parametrize("syntax", _ONE_A_DECODER, ids=lambda syntax: syntax.keyword)
def test_hostile_frames_do_no_harm(syntax):
    """In a process of its own: a decoder in C that crashes would take this one with it."""
    contents = []
    for pixels in (SMOOTH, head(most=1000)):
        if syntax == RLELossless:
            content = run_lengths(dataset(pixels))
        else:
            made, frame = _made(syntax, pixels)
            content = compressed(made, syntax, [frame])
        contents.append((content, content.index(b"\xfe\xff\x00\xe0") + 16))
    child = subprocess.run(
        [sys.executable, "-c", _FUZZ],
        input=pickle.dumps((contents, 200)),
        capture_output=True,
        cwd=Path(__file__).parents[2],
        timeout=300,
        check=False,
    )
    assert child.returncode == 0, child.stderr.decode(errors="replace")[-2000:]
    assert not child.stderr
    shown, rejected = map(int, child.stdout.split())
    assert shown + rejected == 200
    assert rejected > 20
