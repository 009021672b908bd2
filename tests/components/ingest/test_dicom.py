import io
import logging
import struct
import traceback
import tracemalloc
import warnings
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_files import MARKERS, PROFILE, compressed, dataset, encoded, file, head, marked
from drawing import encode
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    MPEG2MPML,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
)

from components.ingest.config import IngestConfig
from components.ingest.readers import DecodedImage, ImageFile, RejectedImageError, read_images

CONFIG = IngestConfig()
SALT = b"salt"
PYDICOM_FILES = Path(pydicom.__file__).parent / "data"


@pytest.fixture
def read(tmp_path):
    """Reads bytes as a file."""

    def read(content, config=CONFIG, salt=SALT, name="image.dcm") -> ImageFile:
        path = tmp_path / name
        path.write_bytes(content)
        return read_images(str(path), config, salt)

    return read


@pytest.fixture
def read_one(read):
    """Reads bytes as a file of one image: its grey levels, or RGB where it is colour."""

    def read_one(content, **options) -> np.ndarray:
        (image,) = read(content, **options).images
        return levels(image)

    return read_one


def levels(image: DecodedImage) -> np.ndarray:
    grey = (image.pixels == image.pixels[..., :1]).all()
    return image.pixels[..., 0] if grey else image.pixels


def _pydicom_file(name: str) -> str:
    return str(next(PYDICOM_FILES.rglob(name)))


def _is_scaled(shown: np.ndarray, values: np.ndarray, low: float, high: float) -> bool:
    expected = np.clip((values.astype(float) - low) / (high - low), 0, 1) * 255
    return np.abs(shown - expected).max() <= 0.51


# What is shown


def test_becomes_a_png_with_the_technical_tags(read):
    content = file(
        ImageOrientationPatient=[0, 1, 0, 0, 0, -1],
        PixelSpacing=[0.9, 0.9],
        SliceThickness=5,
        MagneticFieldStrength=1.5,
        ManufacturerModelName="Testscan 3000",
        PatientID="4711",
    )
    (image,) = read(content).images
    assert (image.format, image.source_format, image.channels, image.frame) == (
        "PNG",
        "DICOM",
        1,
        0,
    )
    assert image.encoded.startswith(b"\x89PNG")
    assert image.pixels.shape == (48, 40, 3)
    tags = image.tags
    assert (tags.modality, tags.plane, tags.pixel_spacing) == ("MR", "sagittal", 0.9)
    assert (tags.slice_thickness, tags.field_strength) == (5, 1.5)
    assert tags.manufacturer_model == "Testscan 3000"


def test_without_a_window_shows_the_first_to_the_last_percentile(read_one):
    values = head()
    low, high = np.percentile(values, (1, 99))
    assert _is_scaled(read_one(file(values)), values, low, high)


@pytest.mark.parametrize(
    ("elements", "low", "high"),
    [
        ({"WindowCenter": 400, "WindowWidth": 301}, 249.5, 549.5),
        ({"WindowCenter": [400, 9], "WindowWidth": [301, 9]}, 249.5, 549.5),
        (
            {"WindowCenter": 400, "WindowWidth": 300, "VOILUTFunction": "LINEAR_EXACT"},
            250,
            550,
        ),
    ],
)
def test_shows_the_first_window(read_one, elements, low, high):
    assert _is_scaled(read_one(file(**elements)), head(), low, high)


def test_shows_a_sigmoid_window(read_one):
    content = file(WindowCenter=400, WindowWidth=300, VOILUTFunction="SIGMOID")
    expected = 255 / (1 + np.exp(-4 * (head().astype(float) - 400) / 300))
    assert np.abs(read_one(content) - expected).max() <= 0.51


@pytest.mark.parametrize(
    ("center", "width"),
    [(500, 0), (500, -300), (1e9, 1), (-1e9, 100), (0, 1e9), (500, 1e300), (500, 1)],
)
def test_a_wild_window_is_not_used(read_one, center, width):
    # A window's elements hold decimal strings of 16 characters at most.
    content = file(WindowCenter=f"{center:g}", WindowWidth=f"{width:g}")
    assert np.array_equal(read_one(content), read_one(file()))


def test_a_window_is_judged_by_all_frames_together(read):
    pixels = np.stack([head(1), head(2) // 200])
    first, second = read(file(pixels, WindowCenter=500, WindowWidth=1000)).images
    assert levels(first).max() > 250
    assert levels(second).max() < 5


def test_applies_slope_and_intercept(read_one):
    content = file(head(), RescaleSlope=2, RescaleIntercept=-1000, WindowCenter=0, WindowWidth=1001)
    assert _is_scaled(read_one(content), 2.0 * head() - 1000, -500.5, 499.5)


def _lookup_table(entries: list[int], first: int, bits: int) -> Dataset:
    table = Dataset()
    table.add_new("LUTDescriptor", "US", [len(entries), first, bits])
    table.add_new("LUTData", "US", entries)
    return table


def test_applies_lookup_tables(read_one):
    values = head(most=256)
    inverse = [4095 - 16 * value for value in range(256)]
    shown = read_one(file(values, VOILUTSequence=[_lookup_table(inverse, 0, 12)]))
    assert _is_scaled(shown, 4095 - 16.0 * values, 0, 4095)
    squares = [value * value for value in range(200)]
    shown = read_one(
        file(
            values,
            ModalityLUTSequence=[_lookup_table(squares, 20, 16)],
            WindowCenter=20000.5,
            WindowWidth=40001,
        )
    )
    assert _is_scaled(shown, np.clip(values.astype(float) - 20, 0, 199) ** 2, 0, 40000)


def test_inverts_monochrome1(read_one):
    window = {"WindowCenter": 400, "WindowWidth": 301}
    inverted = read_one(file(PhotometricInterpretation="MONOCHROME1", **window))
    assert np.array_equal(inverted, 255 - read_one(file(**window)))


@pytest.mark.parametrize(
    "values",
    [
        head(most=256).astype(np.uint8),
        head().astype(np.int16) - 500,
        head().astype(np.uint32) * 4_000_000,
        head().astype(np.int32) * 2_000_000 - 1_000_000_000,
    ],
    ids=lambda values: str(values.dtype),
)
def test_reads_integers_of_every_size(read_one, values):
    low, high = np.percentile(values, (1, 99))
    assert _is_scaled(read_one(file(values)), values, low, high)


def test_ignores_bits_that_are_not_stored(read_one):
    values = head()
    noisy = values | (0xA000 * (values % 3 == 0)).astype(np.uint16)
    content = file(noisy, BitsStored=12, HighBit=11)
    assert np.array_equal(read_one(content), read_one(file(values)))


@pytest.mark.parametrize(("keyword", "kind"), [("Float", np.float32), ("DoubleFloat", np.float64)])
def test_reads_floats(read_one, keyword, kind):
    values = head().astype(kind) / 7
    values[0, 0], values[0, 1], values[0, 2] = np.nan, np.inf, -np.inf
    made = dataset(head(), PixelData=None, BitsStored=None, PixelRepresentation=None)
    made.BitsAllocated = 8 * values.itemsize
    setattr(made, f"{keyword}PixelData", values.tobytes())
    shown = read_one(encoded(made))
    low, high = np.percentile(values[np.isfinite(values)], (1, 99))
    assert (shown[0, :3] == 0).all()
    assert _is_scaled(shown[1:], values[1:], low, high)


def test_reads_colours_of_8_and_16_bits(read_one):
    rgb = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    assert np.array_equal(read_one(file(rgb)), rgb)
    assert np.array_equal(read_one(file(rgb * np.uint16(257))), rgb)


@pytest.mark.parametrize("bits", [8, 16])
def test_reads_palettes(read_one, bits):
    index = np.arange(256, dtype=np.uint8).reshape(16, 16)
    palette = np.random.default_rng(0).integers(0, 2**bits, (3, 256)).astype(f"u{bits // 8}")
    elements = {"PhotometricInterpretation": "PALETTE COLOR"}
    for colour, entries in zip(("Red", "Green", "Blue"), palette, strict=True):
        elements[f"{colour}PaletteColorLookupTableDescriptor"] = [256, 0, bits]
        elements[f"{colour}PaletteColorLookupTableData"] = entries.tobytes()
    shown = read_one(file(index, **elements))
    expected = np.moveaxis(palette[:, index], 0, -1) / (2**bits - 1) * 255
    assert np.abs(shown - expected).max() <= 0.51


def test_refuses_a_palette_that_is_not_there(read):
    content = file(head(most=200).astype(np.uint8), PhotometricInterpretation="PALETTE COLOR")
    with pytest.raises(RejectedImageError, match="palette that is missing"):
        read(content)


def test_makes_pixels_square(read):
    (image,) = read(file(PixelSpacing=[2, 1])).images
    assert image.pixels.shape == (96, 40, 3)
    assert image.tags.pixel_spacing == 1
    (image,) = read(file(PixelSpacing=[1, 2])).images
    assert image.pixels.shape == (48, 80, 3)
    for nonsense in ([0, 1], [-1, 1], [1], [1, 1e30]):
        (image,) = read(file(PixelSpacing=nonsense)).images
        assert image.pixels.shape == (48, 40, 3)
        assert image.tags.pixel_spacing is None
    with pytest.raises(RejectedImageError, match="with square pixels, more"):
        read(file(PixelSpacing=[900, 0.01]))


@pytest.mark.parametrize(
    ("cosines", "plane"),
    [
        ([1, 0, 0, 0, 1, 0], "axial"),
        ([0.9, 0.1, 0.1, 0, 0.9, -0.3], "axial"),
        ([1, 0, 0, 0, 0, -1], "coronal"),
        ([0, 1, 0, 0, 0, -1], "sagittal"),
        ([0, 0, 0, 0, 0, 0], None),
        ([1, 0, 0], None),
    ],
)
def test_names_the_plane(read, cosines, plane):
    (image,) = read(file(ImageOrientationPatient=cosines)).images
    assert image.tags.plane == plane


def test_tags_that_make_no_sense_are_not_kept(read):
    content = file(
        Modality="m r",
        ManufacturerModelName="<b>x</b>",
        MagneticFieldStrength=-3,
        SliceThickness=0,
    )
    (image,) = read(content).images
    assert set(vars(image.tags).values()) == {None}


# Frames


def test_takes_all_frames_or_the_middle_one(read):
    pixels = np.stack([head(seed) for seed in range(5)])
    images = read(file(pixels)).images
    assert [image.frame for image in images] == [0, 1, 2, 3, 4]
    low, high = np.percentile(pixels, (1, 99))
    for image, values in zip(images, pixels, strict=True):
        assert _is_scaled(levels(image), values, low, high)
    middle = IngestConfig(dicom={"frames": "middle"})
    assert [image.frame for image in read(file(pixels), middle).images] == [2]
    assert [image.frame for image in read(file(head()), middle).images] == [0]


def test_passes_over_blank_frames(read):
    pixels = np.stack([np.zeros_like(head()), head(), np.zeros_like(head())])
    assert [image.frame for image in read(file(pixels)).images] == [1]
    with pytest.raises(RejectedImageError, match="blank"):
        read(file(np.zeros_like(pixels)))


def test_frames_have_windows_slopes_and_planes_of_their_own(read):
    def group(slope: float, cosines: list[float]) -> Dataset:
        made, window, meaning, plane = Dataset(), Dataset(), Dataset(), Dataset()
        window.WindowCenter, window.WindowWidth = 500 * slope + 0.5, 1000 * slope + 1
        meaning.RescaleSlope, meaning.RescaleIntercept = slope, 0
        plane.ImageOrientationPatient = cosines
        made.FrameVOILUTSequence = [window]
        made.PixelValueTransformationSequence = [meaning]
        made.PlaneOrientationSequence = [plane]
        return made

    measures, shared = Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = [0.5, 0.5], 3
    shared.PixelMeasuresSequence = [measures]
    content = file(
        np.stack([head(), head()]),
        PerFrameFunctionalGroupsSequence=[
            group(1, [1, 0, 0, 0, 1, 0]),
            group(7, [1, 0, 0, 0, 0, -1]),
        ],
        SharedFunctionalGroupsSequence=[shared],
    )
    first, second = read(content).images
    assert np.array_equal(first.pixels, second.pixels)
    assert (first.tags.plane, second.tags.plane) == ("axial", "coronal")
    assert (first.tags.pixel_spacing, second.tags.slice_thickness) == (0.5, 3)


# How it is stored


@pytest.mark.parametrize(
    "syntax",
    [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, RLELossless, JPEG2000Lossless],
)
def test_lossless_syntaxes_show_the_same(read, syntax):
    pixels = np.stack([head(1), head(2)])
    made = dataset(pixels)
    if syntax in (RLELossless, JPEG2000Lossless):
        made.file_meta = FileMetaDataset()
        made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        made.compress(syntax, generate_instance_uid=False)
    images = read(encoded(made, syntax)).images
    for image, plain in zip(images, read(file(pixels)).images, strict=True):
        assert np.array_equal(image.pixels, plain.pixels)


def test_one_image_is_the_same_however_it_is_stored():
    expected = read_images(_pydicom_file("MR_small.dcm"), CONFIG).images[0].encoded
    for kind in ("bigendian", "expb", "implicit", "jpeg_ls_lossless", "jp2klossless", "RLE"):
        (image,) = read_images(_pydicom_file(f"MR_small_{kind}.dcm"), CONFIG).images
        assert image.encoded == expected


def test_colours_are_the_same_however_they_are_compressed():
    """Ten stripes of known colours, as RLE, JPEG, JPEG-LS and JPEG 2000, in RGB and in YCbCr."""
    names = sorted(path.name for path in PYDICOM_FILES.rglob("SC_rgb_*"))
    stripes = {}
    for name in [*names, "SC_ybr_full_422_uncompressed.dcm"]:
        first = read_images(_pydicom_file(name), CONFIG).images[0].pixels
        if first.shape == (100, 100, 3) and "_jls_" not in name:  # those show something else
            stripes[name] = first[5::10, 50].astype(int)
    assert len(stripes) > 15
    expected = stripes["SC_rgb_rle.dcm"]
    assert not {name for name in stripes if np.abs(stripes[name] - expected).max() > 5}


def test_reads_a_data_set_without_a_preamble_where_the_name_allows_it(read):
    bare = file()[132:]
    made = dataset(head())
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, made, implicit_vr=True, little_endian=True)
    for content in (bare, stream.getvalue()):
        for name in ("image.dcm", "IMAGE.DCM", "image", "1.2.840.113619.2.5"):
            assert read(content, name=name).images[0].source_format == "DICOM"
        with pytest.raises(RejectedImageError, match="not an image of a known format"):
            read(content, name="image.jpg")


def test_reads_what_pydicom_ships():
    """Good and bad files of many makers: images or a reason, nothing else, and soon."""
    outcomes = {True: 0, False: 0}
    for path in sorted(PYDICOM_FILES.rglob("*")):
        if path.is_file() and path.suffix not in (".py", ".pyc"):
            try:
                images = read_images(str(path), CONFIG, SALT).images
            except RejectedImageError:
                outcomes[False] += 1
            else:
                assert all(image.pixels.dtype == np.uint8 for image in images)
                outcomes[True] += 1
    assert outcomes[True] >= 100
    assert outcomes[False] >= 50


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
        (compressed(dataset(head()), MPEG2MPML, [b"\0\0"]), "unsupported transfer syntax"),
        (compressed(dataset(head()), RLELossless, [b"\0" * 10]), "truncated or not of the size"),
        (compressed(dataset(head()), JPEG2000Lossless, [b"\0" * 10]), "truncated or not of"),
        (bytes(128) + b"DICM", "without pixel data"),
        (bytes(128) + b"DICM" + b"\xff" * 500, "damaged|without pixel data"),
    ],
)
def test_rejects_with_a_reason(read, content, reason):
    with pytest.raises(RejectedImageError, match=reason):
        read(content)


def test_rejects_pixels_that_are_not_numbers(read):
    made = dataset(head(), PixelData=None, BitsAllocated=32)
    made.FloatPixelData = np.full(head().shape, np.nan, np.float32).tobytes()
    with pytest.raises(RejectedImageError, match="not numbers"):
        read(encoded(made))


def test_rejects_too_many_pixels(read):
    few = IngestConfig(max_pixels=2000)
    assert read(file(), few).images
    with pytest.raises(RejectedImageError, match="more pixels than the limit of 2,000"):
        read(file(head(shape=(60, 60))), few)
    two = file(np.stack([head(1), head(2)]))
    with pytest.raises(RejectedImageError, match="in all frames together"):
        read(two, few)
    assert read(two, IngestConfig(max_pixels=2000, dicom={"frames": "middle"})).images
    for frames in (10**6, 2**31 - 1):
        with pytest.raises(RejectedImageError, match="in all frames together"):
            read(file(NumberOfFrames=frames))


def _jpeg(height: int, width: int) -> bytes:
    return encode(np.full((height, width), 7, np.uint8), "JPEG")


def _cut(codestream: bytes) -> bytes:
    return codestream[: len(codestream) // 2 * 2 - 40]


@pytest.mark.parametrize(
    "frames",
    [[_jpeg(3000, 3000)], [_cut(encode(head(most=256).astype(np.uint8), "JPEG"))], [b"\0\0"]],
    ids=["of another size", "cut off", "empty"],
)
def test_rejects_jpeg_frames_that_do_not_fit(read, frames):
    made = dataset(head(most=256).astype(np.uint8))
    with pytest.raises(RejectedImageError):
        read(compressed(made, JPEGBaseline8Bit, frames))


@pytest.mark.parametrize("name", ["JPGExtended.dcm", "MR_small_jpeg_ls_lossless.dcm"])
def test_rejects_frames_that_are_cut_off(read, name):
    """libjpeg would show what there is, on a grey ground."""
    made = pydicom.dcmread(_pydicom_file(name))
    whole = next(pydicom.encaps.generate_frames(made.PixelData, number_of_frames=1))
    syntax = made.file_meta.TransferSyntaxUID
    assert read(compressed(made, syntax, [whole])).images
    with pytest.raises(RejectedImageError, match="truncated"):
        read(compressed(made, syntax, [whole[: len(whole) // 4 * 2]]))


def _peak(call) -> int:
    tracemalloc.start()
    try:
        with pytest.raises(RejectedImageError):
            call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_bombs_are_not_unpacked(read):
    config = IngestConfig(max_file_bytes=2_000_000)
    made = dataset(head())
    made.PixelData = bytes(2)
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    start = encoded(made, DeflatedExplicitVRLittleEndian)
    header = struct.pack("<HH2sHI", 0x0009, 0x1001, b"OB", 0, 200_000_000)
    deflated = packer.compress(header) + packer.compress(bytes(200_000_000)) + packer.flush()
    bomb = start[: _dataset_offset(start)] + deflated
    assert len(bomb) < 2_000_000
    with pytest.raises(RejectedImageError, match="once inflated, than the limit of 2,000,000"):
        read(bomb, config)
    assert _peak(lambda: read(bomb, config)) < 20_000_000

    run = struct.pack("<16I", 1, 64, *[0] * 14) + b"\x81\0" * 500_000
    small = dataset(head(most=256).astype(np.uint8))
    assert _peak(lambda: read(compressed(small, RLELossless, [run]))) < 20_000_000


def _dataset_offset(content: bytes) -> int:
    (length,) = struct.unpack_from("<I", content, 140)
    return 144 + length


# Hostile bytes

_GOOD = [
    file(),
    encoded(dataset(head()), DeflatedExplicitVRLittleEndian),
    compressed(dataset(head(most=256).astype(np.uint8)), JPEGBaseline8Bit, [_jpeg(48, 40)]),
]


@settings(max_examples=150, deadline=10_000)
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
        assert read_images(str(path), CONFIG, SALT).images


@settings(max_examples=100, deadline=10_000)
@given(content=st.binary(max_size=300))
def test_any_bytes_after_the_prefix_give_a_reason(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "hostile.dcm"
    path.write_bytes(bytes(128) + b"DICM" + content)
    with pytest.raises(RejectedImageError):
        read_images(str(path), CONFIG)


# Patients


def test_patients_are_told_apart_by_a_salted_hash(read):
    def patient(salt=SALT, **elements):
        return read(file(**elements), salt=salt).images[0].tags.patient

    smith = patient(PatientID="4711")
    assert len(smith) == 32
    assert int(smith, 16)
    assert smith == patient(PatientID="4711 ", PatientName="other")
    others = [
        patient(PatientID="4712"),
        patient(PatientID="4711", IssuerOfPatientID="here"),
        patient(PatientID="4711", salt=b"another"),
    ]
    assert len({smith, *others}) == 4
    assert patient() is None
    assert patient(PatientID="") is None
    assert patient(PatientID="4711", salt=b"") is None  # could be undone by trying all numbers


def _variants() -> dict[str, bytes]:
    good = encoded(marked())
    variants = {
        "good": good,
        "frames": encoded(marked(np.stack([head(1), head(2)]))),
        "implicit": encoded(marked(), ImplicitVRLittleEndian),
        "deflated": encoded(marked(), DeflatedExplicitVRLittleEndian),
        "bare": good[132:],
        "no pixels": _changed(PixelData=None),
        "photometric": _changed(PhotometricInterpretation="XQZ"),
        "syntax": good.replace(b"1.2.840.10008.1.2.1\0", b"1.2.999.777.1.2.3.4\0"),
        "broken frame": compressed(marked(), JPEG2000Lossless, [b"XQZ" * 30]),
        "broken jpeg": compressed(
            marked(), JPEGBaseline8Bit, [_jpeg(48, 40)[:-60] + b"XQZ\xff\xd9"]
        ),
        "character set": _changed(SpecificCharacterSet="XQZ"),
        "model": _changed(ManufacturerModelName="<XQZ^Marker>", Modality="XQZ^MARKER"),
    }
    for share in (0.05, 0.5, 0.9, 0.99):
        variants[f"truncated at {share}"] = good[: int(len(good) * share)]
    bad = {
        "NumberOfFrames": ("IS", "XQZ"),
        "WindowCenter": ("DS", "XQZ"),
        "PixelSpacing": ("DS", "XQZ\\XQZ"),
        "ImageOrientationPatient": ("DS", "XQZ\\1\\1\\1\\1\\1"),
        "Rows": ("LO", "XQZ"),
        "BitsStored": ("UT", "XQZ"),
        "PatientID": ("FD", "XQZXQZXQ"),
        "StudyDate": ("DA", "XQZ not a date"),
        "StudyInstanceUID": ("UI", "XQZ not an UID"),
        "PatientAge": ("AS", "XQZ not an age, and far too long for one"),
    }
    for keyword, (kind, value) in bad.items():
        made = marked()
        tag = pydicom.datadict.tag_for_keyword(keyword)
        made[tag] = pydicom.dataelem.RawDataElement(
            pydicom.tag.Tag(tag), kind, len(value), value.encode(), 0, False, True
        )
        variants[f"bad {keyword}"] = encoded(made)
    return variants


def _changed(**elements) -> bytes:
    made = marked()
    for keyword, value in elements.items():
        if value is None:
            del made[keyword]
        else:
            setattr(made, keyword, value)
    return encoded(made)


def test_nothing_that_identifies_a_patient_gets_out(tmp_path, caplog, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's, about writing bad values
        variants = _variants()
        present = marked()
    assert all(keyword in present for keyword in PROFILE.split())
    assert all(marker in variants["good"] for marker in MARKERS)
    capfd.readouterr()
    caplog.set_level(logging.DEBUG)
    said, images, rejections = [], 0, 0
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for name, content in variants.items():
            path = tmp_path / f"{len(said)}.dcm"
            path.write_bytes(content)
            try:
                found = read_images(str(path), CONFIG, SALT)
            except RejectedImageError as rejection:
                said.append((name, "".join(traceback.format_exception(rejection)).encode()))
                rejections += 1
            else:
                images += len(found.images)
                said.append((name, repr(found).encode()))
                said += [(name, image.encoded) for image in found.images]
                assert {image.tags.modality for image in found.images} <= {"MR", None}
    said.append(("log", "\n".join(record.getMessage() for record in caplog.records).encode()))
    said.append(("warnings", "\n".join(str(one.message) for one in warned).encode()))
    said.append(("terminal", "".join(capfd.readouterr()).encode()))
    assert images >= 10
    assert rejections >= 8
    leaks = [(name, marker) for name, text in said for marker in MARKERS if marker in text]
    assert not leaks
