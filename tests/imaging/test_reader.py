import errno
import gzip
import hashlib
import io
import logging
import os
import struct
import sys
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import dicom_files
import nibabel
import numpy as np
import pytest
from drawing import draw, encode
from hypothesis import given, settings
from hypothesis import strategies as st
from permissions import permissions_hold
from PIL import Image, TiffImagePlugin

from imaging.config import ReadConfig
from imaging.exif import turned
from imaging.picture import RejectedImageError, TechnicalTags
from imaging.reader import DecodedImage, StorageGoneError, decode, open_content, read_file
from imaging.reader import encode as encode_png

CONFIG = ReadConfig(outside="keep")


@pytest.fixture
def read_one(tmp_path):
    """Reads bytes as a file of one image."""

    def read_one(content, name="image.jpg", config=CONFIG) -> DecodedImage:
        path = tmp_path / name
        path.write_bytes(content)
        (image,) = read_file(str(path), config).images
        return image

    return read_one


def _png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds almost nothing of it."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(b"0"))


def _chunk(kind: bytes, content: bytes) -> bytes:
    crc = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + crc


def _saved(image: Image.Image, format: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


COLOUR = Image.fromarray(draw(1))
GREY = Image.fromarray(draw(1, channels=1))
DEEP = draw(1, channels=1).astype(np.uint16) * 200 + 77


@pytest.mark.parametrize(
    ("picture", "format"), [(COLOUR, "TIFF"), (Image.fromarray(DEEP), "TIFF"), (COLOUR, "GIF")]
)
def test_what_lies_behind_the_first_page_is_named(picture, format):
    def left_out(*others):
        content = _saved(picture, format, save_all=True, append_images=others)
        return open_content(content).viewer.file.left_out

    assert left_out() is None
    other = picture.rotate(180)
    assert str(left_out(other)).endswith("is judged")
    if format == "TIFF":  # a smaller copy, as scanners of slides keep it, is nothing else
        assert left_out(picture.resize((20, 24))) is None


# JPEG and PNG


@pytest.mark.parametrize(
    ("encoded", "channels", "format"),
    [
        (encode(draw(1), "JPEG"), 3, "JPEG"),
        (encode(draw(1, channels=1), "JPEG"), 1, "JPEG"),
        (_saved(COLOUR, "MPO", save_all=True, append_images=[COLOUR]), 3, "JPEG"),
        (_saved(COLOUR.convert("CMYK"), "JPEG"), 4, "PNG"),
        (_saved(COLOUR, "JPEG", progressive=True), 3, "PNG"),
        (encode(draw(1), "PNG"), 3, "PNG"),
        (encode(draw(1, channels=1), "PNG"), 1, "PNG"),
        (encode(draw(1, channels=4), "PNG"), 4, "PNG"),
        (_saved(COLOUR.convert("P"), "PNG"), 1, "PNG"),
        (_saved(GREY.convert("1"), "PNG"), 1, "PNG"),
        (_saved(Image.fromarray(DEEP), "PNG"), 1, "PNG"),
        (_saved(COLOUR, "PNG", save_all=True, append_images=[COLOUR]), 3, "PNG"),
    ],
)
def test_what_the_model_decodes_keeps_its_format(read_one, encoded, channels, format):
    image = read_one(encoded)
    source = "JPEG" if encoded.startswith(b"\xff\xd8") else "PNG"
    assert (image.format, image.source_format, image.channels) == (format, source, channels)
    assert image.pixels.shape == (48, 40, 3)
    assert image.pixels.dtype == np.uint8
    assert (image.frame, image.tags) == (0, TechnicalTags())


@pytest.mark.parametrize("size", [(1, 7), (7, 1), (3, 5)])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("turn", range(1, 9))
def test_a_picture_is_written_and_read_the_same_however_it_lies_in_memory(size, channels, turn):
    shape = size if channels == 1 else (*size, channels)
    pixels = turned(np.arange(np.prod(shape), dtype=np.uint8).reshape(shape), turn)
    expected = pixels if channels == 3 else np.dstack([pixels] * 3)
    assert np.array_equal(decode(encode_png(pixels)), expected)
    assert np.array_equal(decode(encode_png(pixels[::-1])), expected[::-1])


# BMP, TIFF and GIF


@pytest.mark.parametrize(
    ("content", "source_format", "channels", "expected"),
    [
        (_saved(COLOUR, "BMP"), "BMP", 3, COLOUR),
        (_saved(GREY, "BMP"), "BMP", 1, GREY),
        (_saved(COLOUR.convert("P"), "BMP"), "BMP", 1, COLOUR.convert("P")),
        (_saved(COLOUR, "TIFF"), "TIFF", 3, COLOUR),
        (_saved(COLOUR, "TIFF", big_tiff=True), "TIFF", 3, COLOUR),
        (_saved(GREY, "TIFF"), "TIFF", 1, GREY),
        (_saved(GREY.convert("1"), "TIFF", compression="group4"), "TIFF", 1, GREY.convert("1")),
        (_saved(COLOUR.convert("RGBA"), "TIFF"), "TIFF", 4, COLOUR),
        (_saved(COLOUR.convert("P"), "TIFF"), "TIFF", 1, COLOUR.convert("P")),
        (_saved(COLOUR.convert("CMYK"), "TIFF"), "TIFF", 4, COLOUR.convert("CMYK")),
        (_saved(COLOUR, "TIFF", compression="tiff_lzw"), "TIFF", 3, COLOUR),
        (_saved(COLOUR, "TIFF", compression="tiff_adobe_deflate"), "TIFF", 3, COLOUR),
        (_saved(COLOUR, "TIFF", save_all=True, append_images=[GREY]), "TIFF", 3, COLOUR),
        (_saved(GREY, "GIF"), "GIF", 1, GREY),
        (_saved(GREY, "GIF", save_all=True, append_images=[COLOUR]), "GIF", 1, GREY),
    ],
)
def test_bmp_tiff_and_gif_become_png(read_one, content, source_format, channels, expected):
    image = read_one(content)
    assert (image.format, image.source_format) == ("PNG", source_format)
    assert (image.channels, image.frame) == (channels, 0)
    assert image.encoded.startswith(b"\x89PNG")
    assert np.array_equal(image.pixels, np.asarray(expected.convert("RGB")))


_FLOAT = DEEP.astype(np.float32) / 1000 - 7
_HOLED = _FLOAT.copy()
_HOLED[0, :3] = np.nan, np.inf, -np.inf


_WEB = {
    "WEBP": _saved(Image.fromarray(draw(1)), "WEBP", lossless=True),
    "JPEG2000": _saved(Image.fromarray(draw(1)), "JPEG2000"),
}
_CODESTREAM = _saved(Image.fromarray(draw(1)), "JPEG2000", no_jp2=True)


@pytest.mark.parametrize(
    ("content", "format"),
    [*((content, format) for format, content in _WEB.items()), (_CODESTREAM, "JPEG2000")],
)
def test_webp_and_jpeg_2000_are_read_and_never_in_part(read_one, monkeypatch, content, format):
    image = read_one(content)
    assert (image.source_format, image.format) == (format, "PNG")
    np.testing.assert_array_equal(image.pixels, draw(1))
    for cut in (40, len(content) // 2, len(content) - 3):
        with pytest.raises(RejectedImageError, match=f"damaged, truncated or unsupported {format}"):
            read_one(content[:cut])
    monkeypatch.setattr("imaging.raster.features.check", lambda _: False)
    with pytest.raises(RejectedImageError, match=f"{format}, which Pillow does not read"):
        read_one(content)


def test_webp_is_turned_and_deep_jpeg_2000_is_scaled(read_one):
    turn = Image.Exif()
    turn[0x0112] = 6
    turned_ = _saved(Image.fromarray(draw(1)), "WEBP", lossless=True, exif=turn)
    np.testing.assert_array_equal(read_one(turned_).pixels, np.rot90(draw(1), -1))
    deep = np.linspace(100, 4000, 64 * 64).reshape(64, 64).astype(np.uint16)
    levels = read_one(_saved(Image.fromarray(deep), "JPEG2000")).pixels
    assert (int(levels.min()), int(levels.max())) == (0, 255)


@pytest.mark.parametrize(
    "content",
    [
        _saved(Image.fromarray(DEEP), "TIFF"),
        _saved(Image.fromarray(DEEP.astype(np.int32) * 9), "TIFF"),
        _saved(Image.fromarray(_FLOAT), "TIFF"),
        _saved(Image.fromarray(_HOLED), "TIFF"),
    ],
    ids=["16 bits", "32 bits", "float", "float with holes"],
)
def test_deep_tiff_is_scaled_from_its_least_to_its_greatest_value(read_one, content):
    grey = read_one(content).pixels[..., 0]
    expected = (DEEP - DEEP.min()) / (DEEP.max() - DEEP.min()) * 255
    assert np.abs(grey[1:] - expected[1:]).max() <= 0.51
    assert (grey[0] == 0).all()


def test_a_tiff_whose_white_is_zero_is_inverted(read_one):
    white_is_zero = TiffImagePlugin.ImageFileDirectory_v2()
    white_is_zero[TiffImagePlugin.PHOTOMETRIC_INTERPRETATION] = 0
    for image in (Image.fromarray(DEEP), Image.fromarray(_FLOAT)):
        inverted = read_one(_saved(image, "TIFF", tiffinfo=white_is_zero)).pixels
        assert np.array_equal(inverted, 255 - read_one(_saved(image, "TIFF")).pixels)


def test_what_a_tiff_says_does_not_get_out(tmp_path, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[270], tags[315], tags[65000] = "XQZ description", "XQZ artist", "XQZ private"
    content = _saved(COLOUR, "TIFF", tiffinfo=tags)
    path = tmp_path / "image.tif"
    said = []
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for damaged in (content, content[:-100], content[:60]):
            path.write_bytes(damaged)
            try:
                said.append(repr(read_file(str(path), CONFIG)))
            except RejectedImageError as rejection:
                said.append(str(rejection))
    said += [record.getMessage() for record in caplog.records if record.name != "pytest"]
    said += [str(one.message) for one in warned]
    said += capfd.readouterr()
    assert b"XQZ" in content
    assert "ImageFile" in said[0]
    assert "XQZ" not in "".join(said[:1] + said[3:])
    assert said[1] == "damaged, truncated or unsupported TIFF"


# What a file is


def test_the_content_says_what_a_file_is_not_the_name(read_one):
    volume = nibabel.Nifti1Image(dicom_files.head(0, (8, 9))[..., None], np.eye(4))
    contents = {
        "JPEG": encode(draw(1), "JPEG"),
        "PNG": encode(draw(1), "PNG"),
        "BMP": _saved(COLOUR, "BMP"),
        "TIFF": _saved(COLOUR, "TIFF"),
        "GIF": _saved(GREY, "GIF"),
        **_WEB,
        "DICOM": dicom_files.file(),
        "NIFTI": volume.to_bytes(),
    }
    contents["NIFTI, packed"] = gzip.compress(volume.to_bytes())
    dual = bytearray(contents["DICOM"])
    dual[:4] = b"II*\0"  # a preamble that another program can read
    contents["DICOM, TIFF"] = bytes(dual)
    for format, content in contents.items():
        for name in ("a.jpg", "a.dcm", "a.nii.gz", "a"):
            assert read_one(content, name).source_format == format.split(",")[0]


@pytest.mark.parametrize(("format", "package"), [("DICOM", "pydicom"), ("NIFTI", "nibabel")])
def test_names_the_package_that_is_missing(read_one, monkeypatch, format, package):
    for module in list(sys.modules):
        if module.split(".")[0] == package or module.startswith(f"imaging.{format.lower()}"):
            monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    content = bytes(128) + b"DICM" if format == "DICOM" else bytes(344) + b"n+1\0"
    expected = rf"reading {format} needs the package {package}: pip install nibabel pydicom"
    with pytest.raises(RejectedImageError, match=expected):
        read_one(content)
    assert read_one(encode(draw(1))).format == "PNG"


# What is rejected

_JPEG = encode(draw(1), "JPEG")
_PNG = encode(draw(1), "PNG")
_TIFF = _saved(COLOUR, "TIFF", compression="tiff_lzw")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"not an image at all", "not an image of a known format"),
        (_JPEG[:3], "damaged or truncated JPEG"),
        (_JPEG[: len(_JPEG) // 2], "damaged or truncated JPEG"),
        (_PNG[:8], "damaged or truncated PNG"),
        (_PNG[: len(_PNG) // 2], "damaged or truncated PNG"),
        (_TIFF[: len(_TIFF) // 2], "damaged.* TIFF"),
        (_saved(COLOUR, "BMP")[:-500], "damaged.* BMP"),
        (_saved(GREY, "GIF")[:-900], "damaged.* GIF"),
        (_saved(Image.fromarray(np.full((4, 4), np.nan, np.float32)), "TIFF"), "blank"),
        (_png_header(10_000, 10_000), "more pixels than the limit of 50,000,000"),
        (_png_header(60_000, 60_000), "more pixels than the limit of 50,000,000"),
        (_png_header(8, 8), "damaged or truncated PNG"),
        (encode(np.zeros((32, 32, 3), np.uint8)), "blank"),
        (encode(np.full((32, 32, 3), (200, 10, 10), np.uint8)), "blank"),
        (_saved(Image.new("L", (32, 32)), "TIFF"), "blank"),
        (_saved(COLOUR, "PPM"), "not an image of a known format"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", "not an image"),
        (b"PK\x03\x04" + bytes(100), "not an image"),
        (b"\x1f\x8b" + bytes(100), "not an image"),
        (gzip.compress(b"notes", mtime=0), "not an image"),
    ],
)
def test_rejects_with_a_reason(read_one, tmp_path, content, reason):
    with pytest.raises(RejectedImageError, match=reason) as rejection:
        read_one(content)
    assert str(tmp_path) not in str(rejection.value)


@pytest.mark.parametrize("format", ["BMP", "TIFF", "GIF"])
def test_rejects_too_many_pixels_before_decoding_them(read_one, format):
    content = _saved(Image.new("L", (600, 600), 7), format)
    few = ReadConfig(max_pixels=300_000)
    with pytest.raises(RejectedImageError, match="more pixels than the limit of 300,000"):
        read_one(content[:2000] if format == "BMP" else content, config=few)


def test_rejects_what_is_no_regular_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "dangling.jpg").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    for name, reason in [
        ("pipe.jpg", "not a regular file"),
        ("folder.jpg", "not a regular file|Is a directory"),
        ("dangling.jpg", "No such file"),
        ("loop.jpg", "symbolic links"),
    ]:
        with pytest.raises(RejectedImageError, match=reason):
            read_file(str(tmp_path / name), CONFIG)


def test_rejects_what_may_not_be_read(tmp_path):
    path = tmp_path / "secret.jpg"
    path.write_bytes(_JPEG)
    path.chmod(0)
    with permissions_hold(), pytest.raises(RejectedImageError, match="Permission denied"):
        read_file(str(path), CONFIG)


def test_storage_that_went_away_rejects_no_image(tmp_path, monkeypatch):
    path = tmp_path / "image.png"
    path.write_bytes(encode(draw(0)))

    def gone(*arguments):
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    monkeypatch.setattr("imaging.reader.os.open", gone)
    with pytest.raises(StorageGoneError, match="[Ss]tale file handle"):
        read_file(str(path), ReadConfig())


def test_rejects_what_is_too_large_before_reading_it(tmp_path):
    path = tmp_path / "huge.jpg"
    with path.open("wb") as file:
        file.truncate(10**12)
    with pytest.raises(RejectedImageError, match="more bytes than the limit of 100,000,000"):
        read_file(str(path), CONFIG)


_STARTS = [
    b"",
    b"\xff\xd8\xff",
    _JPEG[:200],
    b"\x89PNG\r\n\x1a\n",
    _PNG[:60],
    b"BM",
    _saved(COLOUR, "BMP")[:54],
    b"II*\0",
    b"MM\0*",
    _TIFF[:8],
    b"GIF89a",
    _saved(GREY, "GIF")[:13],
    b"\x1f\x8b\x08\0",
    bytes(128) + b"DICM\x02\0\x10\0UI",
    b"\x08\0\x05\0CS",
    bytes(344) + b"n+1\0",
    struct.pack("<i", 540) + b"n+2\0\r\n\x1a\n",
]


@settings(max_examples=300)
@given(start=st.sampled_from(_STARTS), rest=st.binary(max_size=600))
def test_any_bytes_after_a_known_start_give_images_or_a_reason(tmp_path_factory, start, rest):
    path = tmp_path_factory.getbasetemp() / "hostile"
    path.write_bytes(start + rest)
    with suppress(RejectedImageError):
        assert read_file(str(path), CONFIG).images


# The same again


def test_a_file_gives_the_same_images_each_time_and_in_every_thread(tmp_path):
    contents = [
        _JPEG,
        _TIFF,
        dicom_files.file(np.stack([dicom_files.head(1), dicom_files.head(2)]), PatientID="4711"),
        nibabel.Nifti1Image(dicom_files.head(3, (9, 20, 20)), np.eye(4)).to_bytes(),
    ]
    paths = []
    for index, content in enumerate(contents):
        paths.append(tmp_path / str(index))
        paths[-1].write_bytes(content)
    first = [read_file(str(path), CONFIG, b"salt") for path in paths]
    with ThreadPoolExecutor(8) as pool:
        again = list(pool.map(lambda path: read_file(str(path), CONFIG, b"salt"), paths * 8))
    for index, file in enumerate(again):
        expected = first[index % len(paths)]
        assert file.sha256 == hashlib.sha256(contents[index % len(paths)]).hexdigest()
        assert repr(file) == repr(expected)
        assert [one.encoded for one in file.images] == [one.encoded for one in expected.images]
