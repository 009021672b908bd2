"""DICOM: what is padding, inverse or beside the stored bits does not get into the grey levels."""

import io
from itertools import product

import numpy as np
import pytest
from dicom_files import dataset, encoded, file, head, run_lengths
from pydicom import dcmwrite
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian, RLELossless

from imaging.reader import RejectedImageError

WINDOW = {"WindowCenter": 500.5, "WindowWidth": 1001}  # 0 to 1000


@pytest.fixture
def read_one(read_dicom):
    """Reads bytes as a file of one grey image."""

    def read_one(content) -> np.ndarray:
        (image,) = read_dicom(content).images
        return image.pixels[..., 0]

    return read_one


def _scaled(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.clip((values.astype(float) - low) / (high - low), 0, 1) * 255


def _is_near(shown: np.ndarray, expected: np.ndarray) -> bool:
    return np.abs(shown - expected).max() <= 0.51


# Padding


@pytest.fixture
def padded() -> tuple[np.ndarray, np.ndarray]:
    """Values, all of them signal and greater than 0, and where padding belongs."""
    values = head().astype(np.int16) + 100
    rows, columns = np.ogrid[-1 : 1 : values.shape[0] * 1j, -1 : 1 : values.shape[1] * 1j]
    return values, rows**2 + columns**2 > 0.9


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(
    ("padding", "said"),
    [
        (-2000, {"PixelPaddingValue": -2000}),
        (-2000, {"PixelPaddingValue": 63536}),
        (-2000, {"PixelPaddingValue": -2100, "PixelPaddingRangeLimit": -1900}),
        (-2000, {"PixelPaddingValue": -1900, "PixelPaddingRangeLimit": -2100}),
        (-2000, {"PixelPaddingValue": 63436, "PixelPaddingRangeLimit": 63636}),
        (32767, {"PixelPaddingValue": 32767}),
        (0, {"PixelPaddingValue": 0}),
    ],
)
def test_padding_is_black_and_no_signal(read_one, padded, padding, said, photometric):
    values, outside = padded
    stored = np.where(outside, padding, values).astype(np.int16)
    made = dataset(stored, PhotometricInterpretation=photometric)
    for keyword, number in said.items():
        made.add_new(keyword, "US" if number > 32767 else "SS", number)
    shown = read_one(encoded(made))
    low, high = np.percentile(values[~outside], (1, 99))
    expected = _scaled(values, low, high)
    if photometric == "MONOCHROME1":
        expected = 255 - expected
    assert (shown[outside] == 0).all()
    assert _is_near(shown[~outside], expected[~outside])


@pytest.mark.parametrize(
    ("syntax", "kind"),
    [
        *product((ImplicitVRLittleEndian, RLELossless), ("US", "SS", "OW")),
        *product((ExplicitVRBigEndian,), ("US", "SS")),
    ],
)
def test_padding_is_known_in_every_syntax_and_type(read_dicom, padded, syntax, kind):
    values, outside = padded
    stored = np.where(outside, -2000, values).astype(np.int16)
    made = dataset(stored)
    value = {"US": 63536, "SS": -2000, "OW": np.int16(-2000).tobytes()}[kind]
    if syntax == ExplicitVRBigEndian:
        made.PixelData = stored.astype(">i2").tobytes()
    made.add_new("PixelPaddingValue", kind, value)
    content = run_lengths(made) if syntax == RLELossless else encoded(made, syntax)
    (image,) = read_dicom(content).images
    assert (image.pixels[outside] == 0).all()
    assert image.pixels[~outside].mean() > 40


def test_unsigned_padding_may_be_written_as_signed(read_one, padded):
    values, outside = padded
    stored = np.where(outside, 65535, values).astype(np.uint16)
    made = dataset(stored)
    made.add_new("PixelPaddingValue", "SS", -1)
    shown = read_one(encoded(made))
    low, high = np.percentile(values[~outside], (1, 99))
    assert (shown[outside] == 0).all()
    assert _is_near(shown[~outside], _scaled(values, low, high)[~outside])


def test_padding_is_compared_before_the_values_are_rescaled(read_one, padded):
    values, outside = padded
    stored = np.where(outside, 7, values).astype(np.uint16)
    content = file(
        stored,
        PixelPaddingValue=7,
        RescaleSlope=-2,
        RescaleIntercept=3000,
        WindowCenter=1500,
        WindowWidth=3001,
    )
    shown = read_one(content)
    assert (shown[outside] == 0).all()
    assert _is_near(shown[~outside], _scaled(3000 - 2.0 * values, -0.5, 2999.5)[~outside])


def test_padding_in_fewer_bits_than_are_allocated(read_one, padded):
    values, outside = padded
    stored = np.where(outside, -2048, values)
    for said in (-2048, 63488, 2048):  # as it is, in 16 bits, in 12 bits
        made = dataset((stored & 0x0FFF).astype(np.uint16))
        made.BitsStored, made.HighBit, made.PixelRepresentation = 12, 11, 1
        made.add_new("PixelPaddingValue", "SS" if said < 0 else "US", said)
        shown = read_one(encoded(made))
        assert (shown[outside] == 0).all()
        assert shown[~outside].mean() > 40


def test_floats_have_padding_of_their_own(read_one, padded):
    values, outside = padded
    made = dataset(head(), PixelData=None, BitsStored=None, PixelRepresentation=None)
    made.BitsAllocated = 32
    made.FloatPixelData = np.where(outside, -1e9, values).astype(np.float32).tobytes()
    made.FloatPixelPaddingValue = -1e9
    made.FloatPixelPaddingRangeLimit = -2e9
    shown = read_one(encoded(made))
    low, high = np.percentile(values[~outside], (1, 99))
    assert (shown[outside] == 0).all()
    assert _is_near(shown[~outside], _scaled(values, low, high)[~outside])


def test_frames_share_a_range_without_their_padding(read_dicom, padded):
    values, outside = padded
    frames = np.stack([np.where(outside, -2000, values), np.where(outside, -2000, values // 2)])
    images = read_dicom(file(frames.astype(np.int16), PixelPaddingValue=-2000)).images
    signal = np.concatenate([values[~outside], values[~outside] // 2])
    low, high = np.percentile(signal, (1, 99))
    for image, frame in zip(images, (values, values // 2), strict=True):
        assert (image.pixels[outside] == 0).all()
        assert _is_near(image.pixels[~outside][:, 0], _scaled(frame, low, high)[~outside])


def test_palettes_have_padding(read_dicom):
    index = np.arange(256, dtype=np.uint8).reshape(16, 16)
    elements = {"PhotometricInterpretation": "PALETTE COLOR", "PixelPaddingValue": 0}
    for colour in ("Red", "Green", "Blue"):
        elements[f"{colour}PaletteColorLookupTableDescriptor"] = [256, 0, 8]
        elements[f"{colour}PaletteColorLookupTableData"] = bytes(255 - i for i in range(256))
    pixels = read_dicom(file(index, **elements)).images[0].pixels
    assert (pixels[0, 0] == 0).all()
    assert (pixels[0, 1] == 254).all()


def test_a_picture_of_nothing_but_padding_is_blank(read_dicom):
    for elements in ({}, WINDOW, {"PhotometricInterpretation": "MONOCHROME1"}):
        with pytest.raises(RejectedImageError, match="blank"):
            read_dicom(file(PixelPaddingValue=0, PixelPaddingRangeLimit=65535, **elements))


@pytest.mark.parametrize("value", [b"", b"\1", "x"])
def test_padding_that_is_no_number_is_none(read_dicom, value):
    made = dataset(head())
    made.add_new("PixelPaddingValue", "LO" if isinstance(value, str) else "OB", value)
    assert np.array_equal(
        read_dicom(encoded(made)).images[0].pixels, read_dicom(file()).images[0].pixels
    )


# What is shown as white


@pytest.mark.parametrize(
    ("photometric", "shape", "is_inverse"),
    [
        ("MONOCHROME2", None, False),
        ("MONOCHROME2", "IDENTITY", False),
        ("MONOCHROME2", "INVERSE", True),
        ("MONOCHROME2", "inverse ", True),
        ("MONOCHROME2", "WHATEVER", False),
        ("MONOCHROME1", None, True),
        ("MONOCHROME1", "INVERSE", True),
        ("MONOCHROME1", "WHATEVER", True),
        ("MONOCHROME1", "IDENTITY", False),
    ],
)
@pytest.mark.parametrize("window", [WINDOW, {}])
def test_inverts_once(read_one, photometric, shape, is_inverse, window):
    plain = read_one(file(**window))
    elements = {} if shape is None else {"PresentationLUTShape": shape}
    shown = read_one(file(PhotometricInterpretation=photometric, **elements, **window))
    assert np.array_equal(shown, 255 - plain if is_inverse else plain)


def _table(entries: np.ndarray, bits: int) -> Dataset:
    table = Dataset()
    table.add_new("LUTDescriptor", "US", [len(entries) % 65536, 0, bits])
    table.add_new("LUTData", "US", [int(entry) for entry in entries])
    return table


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_a_presentation_table_has_the_last_word(read_one, bits, photometric):
    full = 2**bits - 1
    squares = np.round(np.linspace(1, 0, 1001) ** 2 * full)
    content = file(
        PhotometricInterpretation=photometric,
        PresentationLUTSequence=[_table(squares, bits)],
        **WINDOW,
    )
    expected = (1 - _scaled(head(), 0, 1000) / 255) ** 2 * 255
    assert np.abs(read_one(content) - expected).max() <= 1.6  # after 256 levels


# Which bits count


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(("bits", "high"), [(12, 15), (12, 13), (10, 15), (8, 15), (16, 15)])
@pytest.mark.parametrize("compressed", [False, True])
def test_values_may_stand_at_the_upper_end(read_one, signed, bits, high, compressed):
    values = head(most=2 ** (bits - 1) - 1).astype(np.int64)
    values -= values.max() // 2 if signed else 0
    shift = high + 1 - bits
    noise = np.random.default_rng(1).integers(0, 2**16, values.shape)
    around = noise & ~(((1 << bits) - 1) << shift)
    stored = (((values & ((1 << bits) - 1)) << shift) | around).astype(np.uint16)
    made = dataset(stored, BitsStored=bits, HighBit=high, PixelRepresentation=int(signed))
    low, top = np.percentile(values, (1, 99))
    shown = read_one(run_lengths(made) if compressed else encoded(made))
    assert _is_near(shown, _scaled(values, low, top))


@pytest.mark.parametrize("high", [3, 99, 65535])
def test_a_high_bit_that_cannot_be_is_not_used(read_one, high):
    values = head()
    assert np.array_equal(
        read_one(file(values, BitsStored=12, HighBit=high)), read_one(file(values))
    )


def test_padding_stands_at_the_upper_end_too(read_one, padded):
    values, outside = padded
    stored = (np.where(outside, 4095, values).astype(np.uint16) << 4).astype(np.uint16)
    content = file(stored, BitsStored=12, HighBit=15, PixelPaddingValue=4095, **WINDOW)
    shown = read_one(content)
    assert (shown[outside] == 0).all()
    assert _is_near(shown[~outside], _scaled(values, 0, 1000)[~outside])


# Tables


@pytest.mark.parametrize("syntax", [None, ImplicitVRLittleEndian])
def test_a_table_may_begin_below_zero(read_one, syntax):
    values = head(most=256).astype(np.int16) - 1000
    table = Dataset()
    table.add_new("LUTDescriptor", "US", [256 + 64000, 64536, 16])  # -1000, as unsigned
    entries = np.minimum(np.arange(256 + 64000) * 100, 65535).astype(np.uint16)
    table.add_new("LUTData", "OW", entries.tobytes())
    made = dataset(values, ModalityLUTSequence=[table], WindowCenter=12800, WindowWidth=25601)
    stream = io.BytesIO()
    if syntax:
        content = encoded(made, syntax)
    else:
        dcmwrite(stream, made, implicit_vr=False, little_endian=True)
        content = stream.getvalue()
    expected = _scaled((values.astype(float) + 1000) * 100, -0.5, 25599.5)
    assert _is_near(read_one(content), expected)
