"""DICOM: how the pixels of each frame are shown, and which technical tags are kept."""

import numpy as np
import pytest
from dicom_files import dataset, encoded, file, head
from pydicom.dataset import Dataset

from imaging.config import ReadConfig
from imaging.reader import DecodedImage, RejectedImageError


@pytest.fixture
def read_one(read_dicom):
    """Reads bytes as a file of one image: its grey levels, or RGB where it is colour."""

    def read_one(content, **options) -> np.ndarray:
        (image,) = read_dicom(content, **options).images
        return levels(image)

    return read_one


def levels(image: DecodedImage) -> np.ndarray:
    grey = (image.pixels == image.pixels[..., :1]).all()
    return image.pixels[..., 0] if grey else image.pixels


def _is_scaled(shown: np.ndarray, values: np.ndarray, low: float, high: float) -> bool:
    expected = np.clip((values.astype(float) - low) / (high - low), 0, 1) * 255
    return np.abs(shown - expected).max() <= 0.51


# What is shown


def test_becomes_a_png_with_the_technical_tags(read_dicom):
    content = file(
        ImageOrientationPatient=[0, 1, 0, 0, 0, -1],
        PixelSpacing=[0.9, 0.9],
        SliceThickness=5,
        MagneticFieldStrength=1.5,
        ManufacturerModelName="Testscan 3000",
        PatientID="4711",
    )
    (image,) = read_dicom(content).images
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


def test_a_window_is_judged_by_all_frames_together(read_dicom):
    pixels = np.stack([head(1), head(2) // 200])
    first, second = read_dicom(file(pixels, WindowCenter=500, WindowWidth=1000)).images
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


def test_refuses_a_palette_that_is_not_there(read_dicom):
    content = file(head(most=200).astype(np.uint8), PhotometricInterpretation="PALETTE COLOR")
    with pytest.raises(RejectedImageError, match="palette that is missing"):
        read_dicom(content)


def test_makes_pixels_square(read_dicom):
    (image,) = read_dicom(file(PixelSpacing=[2, 1])).images
    assert image.pixels.shape == (96, 40, 3)
    assert image.tags.pixel_spacing == 1
    (image,) = read_dicom(file(PixelSpacing=[1, 2])).images
    assert image.pixels.shape == (48, 80, 3)
    for nonsense in ([0, 1], [-1, 1], [1], [1, 1e30]):
        (image,) = read_dicom(file(PixelSpacing=nonsense)).images
        assert image.pixels.shape == (48, 40, 3)
        assert image.tags.pixel_spacing is None
    with pytest.raises(RejectedImageError, match="more pixels, once they are square"):
        read_dicom(file(PixelSpacing=[900, 0.01]))


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
def test_names_the_plane(read_dicom, cosines, plane):
    (image,) = read_dicom(file(ImageOrientationPatient=cosines)).images
    assert image.tags.plane == plane


def test_tags_that_make_no_sense_are_not_kept(read_dicom):
    content = file(
        Modality="m r",
        ManufacturerModelName="<b>x</b>",
        MagneticFieldStrength=-3,
        SliceThickness=0,
    )
    (image,) = read_dicom(content).images
    assert set(vars(image.tags).values()) == {None}


# Frames


def test_takes_all_frames_or_the_middle_one(read_dicom):
    pixels = np.stack([head(seed) for seed in range(5)])
    images = read_dicom(file(pixels)).images
    assert [image.frame for image in images] == [0, 1, 2, 3, 4]
    low, high = np.percentile(pixels, (1, 99))
    for image, values in zip(images, pixels, strict=True):
        assert _is_scaled(levels(image), values, low, high)
    middle = ReadConfig(dicom={"frames": "middle"})
    assert [image.frame for image in read_dicom(file(pixels), middle).images] == [2]
    assert [image.frame for image in read_dicom(file(head()), middle).images] == [0]


def test_passes_over_blank_frames(read_dicom):
    pixels = np.stack([np.zeros_like(head()), head(), np.zeros_like(head())])
    assert [image.frame for image in read_dicom(file(pixels)).images] == [1]
    with pytest.raises(RejectedImageError, match="blank"):
        read_dicom(file(np.zeros_like(pixels)))


def test_frames_have_windows_slopes_and_planes_of_their_own(read_dicom):
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
    first, second = read_dicom(content).images
    assert np.array_equal(first.pixels, second.pixels)
    assert (first.tags.plane, second.tags.plane) == ("axial", "coronal")
    assert (first.tags.pixel_spacing, second.tags.slice_thickness) == (0.5, 3)
