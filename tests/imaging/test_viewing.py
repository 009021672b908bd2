"""What a viewer is given: a window that shows the picture that is judged, and where it lies."""

import gzip
import io

import nibabel
import numpy as np
import pytest
import tifffile
from dicom_files import compressed, dataset, file, head, marked
from dicom_files import encoded as encoded_dicom
from drawing import encode as encode_picture
from PIL import Image
from pydicom.uid import JPEGBaseline8Bit

from imaging.config import EVERY_PICTURE, ReadConfig
from imaging.dicom.codecs import StoredFrames
from imaging.picture import RejectedImageError
from imaging.reader import OpenFile, encode, open_content, read_content

_ALL = EVERY_PICTURE.model_copy(update={"outside": "keep"})


def _windowed(opened: OpenFile, number: int) -> np.ndarray:
    """What a browser makes of the samples with the window that it is told."""
    view, samples = opened.viewer.frame(number), opened.samples(number)
    values = view.scale.slope * samples.astype(float) + view.scale.intercept
    centre, width = view.window
    shown = 255 * np.clip((values - (centre - width / 2)) / width, 0, 1)
    return 255 - shown if opened.viewer.file.inverted else shown


def _nifti(values: np.ndarray, *, affine: np.ndarray | None = None, slope: float = 1.0) -> bytes:
    image = nibabel.Nifti1Image(values, np.diag([1, 1, 2, 1]) if affine is None else affine)
    image.header.set_slope_inter(slope, 5)
    return gzip.compress(image.to_bytes())


def _brain(kind: type = np.int16) -> np.ndarray:
    x, y, z = np.ogrid[-1:1:20j, -1:1:24j, -1:1:16j]
    noise = np.random.default_rng(1).integers(300, 1000, (20, 24, 16))
    return np.where(x**2 + y**2 + z**2 < 0.8, noise, 0).astype(kind)


_HEADS = np.stack([head(seed) for seed in range(3)])
_FILES = {
    "no window": file(_HEADS),
    "window": file(_HEADS, WindowCenter=600, WindowWidth=300),
    "scaled": file(_HEADS, WindowCenter=0, WindowWidth=300, RescaleSlope=2, RescaleIntercept=-1500),
    "signed": file(_HEADS.astype(np.int16) - 500, WindowCenter=100, WindowWidth=300),
    "inverted": file(_HEADS, PhotometricInterpretation="MONOCHROME1"),
    "8 bits": file((_HEADS // 4).astype(np.uint8), WindowCenter=125, WindowWidth=250),
    "12 bits": file(_HEADS, BitsStored=12, HighBit=11),
    "32 bits": file(_HEADS.astype(np.uint32) * 1000),
    "negative slope": file(_HEADS, RescaleSlope=-1, RescaleIntercept=1000),
    "nifti": _nifti(_brain()),
    "nifti of floats": _nifti(_brain(np.float32) / 7),
    "nifti, negative slope": _nifti(_brain(), slope=-2.0),
    "png": encode(head()[:, :].astype(np.uint8)),
}


@pytest.mark.parametrize("name", _FILES)
def test_the_window_shows_what_is_judged(name: str) -> None:
    opened = open_content(_FILES[name], _ALL)
    seen = opened.viewer.file
    for number in (opened.numbers[0], opened.numbers[len(opened.numbers) // 2]):
        image = opened.image(number)
        if image is None:
            continue
        samples = opened.samples(number)
        assert samples.dtype == (np.uint8 if seen.bits == 8 else np.uint16)
        assert samples.shape == (seen.height, seen.width)
        shown = _windowed(opened, number)
        if shown.shape == image.pixels.shape[:2]:  # NIfTI's axial slices are square here, too
            assert np.abs(shown - image.pixels[..., 0]).max() <= 1.01, name


def test_sixteen_bits_of_a_png_and_of_its_tiff_are_one_picture() -> None:
    values = head(3, (64, 60), 60_000)
    png, tiff = io.BytesIO(), io.BytesIO()
    Image.fromarray(values).save(png, "PNG")
    tifffile.imwrite(tiff, values)
    one, other = (open_content(stream.getvalue()) for stream in (png, tiff))
    assert one.image(0).encoded == other.image(0).encoded
    assert one.viewer.file == other.viewer.file
    assert one.viewer.file.bits == 16
    assert one.viewer.frame(0) == other.viewer.frame(0)
    np.testing.assert_array_equal(one.samples(0), other.samples(0))
    assert len(np.unique(one.samples(0))) > 1000  # more than a picture of 8 bits holds


def test_what_lies_outside_the_head_is_black_in_both() -> None:
    pixels = np.zeros((64, 64), np.uint16)
    pixels[8:56, 8:44] = head(1, (48, 36))
    pixels[2:5, 50:62:2] = 900  # letters in a corner
    opened = open_content(file(pixels))
    image = opened.image(0)
    assert image.blackened
    assert not image.pixels[:6, 48:].any()
    assert not opened.samples(0)[:6, 48:].any()
    assert opened.samples(0)[24, 24] == pixels[24, 24]


def test_a_frame_is_shown_alike_whether_it_is_asked_for_alone_or_with_all() -> None:
    frames = np.stack([head(1), head(2) * 3, head(3) * 9])  # each of another range, and no window
    content = file(frames)
    together = {one.frame: one.encoded for one in read_content(content, _ALL).images}
    for number in range(3):
        alone = read_content(content, _ALL, frame=number).images[0]
        assert alone.encoded == together[number]


@pytest.mark.parametrize("window", [{"WindowCenter": 125, "WindowWidth": 250}, {}])
def test_a_damaged_frame_leaves_the_others_readable(monkeypatch, window: dict[str, int]) -> None:
    decoded = []
    values = StoredFrames.values
    monkeypatch.setattr(
        StoredFrames, "values", lambda self, frame: decoded.append(frame) or values(self, frame)
    )
    frames = [encode_picture((one // 4).astype(np.uint8), "JPEG") for one in _HEADS]
    frames[1] = frames[1][:-200] + b"\xff\xd9"
    made = dataset((_HEADS // 4).astype(np.uint8), **window)
    opened = open_content(compressed(made, JPEGBaseline8Bit, frames), _ALL)
    assert [opened.image(number).frame for number in (0, 2)] == [0, 2]
    for _ in range(2):
        with pytest.raises(RejectedImageError):
            opened.image(1)
    assert len(decoded) <= 3 + 4  # once to learn the range of all, and once for each that is asked


def test_a_frame_is_decoded_when_it_is_asked_for_and_once(monkeypatch) -> None:
    decoded = []
    values = StoredFrames.values
    monkeypatch.setattr(
        StoredFrames, "values", lambda self, frame: decoded.append(frame) or values(self, frame)
    )
    opened = open_content(_FILES["window"], _ALL)
    assert decoded == []
    opened.image(0)
    opened.samples(0)
    assert decoded == [0]
    opened.image(2)
    assert decoded == [0, 2]
    open_content(file(_HEADS[0]), _ALL).image(0)  # without a window: its range, and its picture
    assert decoded == [0, 2, 0]


def test_more_frames_than_may_be_taken_are_told_in_one_sentence() -> None:
    with pytest.raises(RejectedImageError, match="^3 frames, more than the limit of 2$"):
        open_content(_FILES["window"], _ALL, most=2)
    assert open_content(_FILES["window"], _ALL, most=2, frame=2).numbers == [2]


def test_frames_are_not_held_back_by_their_pixels_together() -> None:
    few = ReadConfig(max_pixels=head().size, outside="keep")
    opened = open_content(_FILES["window"], few)
    assert [opened.image(number).frame for number in opened.numbers] == [0, 1, 2]
    with pytest.raises(RejectedImageError, match="in all frames together"):
        read_content(_FILES["window"], few)


def test_facts_of_a_dicom_file() -> None:
    content = file(
        ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
        PixelSpacing=[0.5, 0.75],
        SliceThickness=4,
        SeriesDescription="Ax T2 FLAIR Mr Smith",
        Laterality="L",
    )
    viewer = open_content(content).viewer
    seen = viewer.file
    assert (seen.width, seen.height, seen.spacing_mm) == (40, 48, (0.5, 0.75))
    assert (seen.thickness_mm, seen.plane, seen.modality) == (4, "axial", "MR")
    assert (seen.sequence, seen.side) == ("T2 FLAIR", "L")
    sides = {"left": "R", "right": "L", "top": "A", "bottom": "P"}
    assert viewer.frame(0).orientation == sides


@pytest.mark.parametrize(
    ("elements", "right", "bottom"),
    [
        ({"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]}, "P", "F"),
        ({"ImageOrientationPatient": [0.8, 0.6, 0, 0, 0, -1]}, "LP", "F"),
        ({"PatientOrientation": ["R", "F"]}, "R", "F"),
    ],
)
def test_letters_name_where_rows_and_columns_go(elements, right, bottom) -> None:
    sides = open_content(file(**elements)).viewer.frame(0).orientation
    assert (sides["right"], sides["bottom"]) == (right, bottom)


@pytest.mark.parametrize(
    "elements", [{}, {"PatientOrientation": ["Smith", "F"]}, {"ImageOrientationPatient": [0] * 6}]
)
def test_no_letters_where_the_file_does_not_say(elements) -> None:
    assert open_content(file(**elements)).viewer.frame(0).orientation is None


def test_facts_of_a_volume_and_none_that_it_does_not_say() -> None:
    viewer = open_content(_nifti(_brain())).viewer
    assert viewer.file.spacing_mm == (1, 1)
    assert (viewer.file.thickness_mm, viewer.file.plane) == (2, "axial")
    sides = {"left": "R", "right": "L", "top": "A", "bottom": "P"}
    assert viewer.frame(0).orientation == sides
    image = nibabel.Nifti1Image(_brain(), None)
    image.header["sform_code"] = image.header["qform_code"] = 0
    assert open_content(image.to_bytes()).viewer.frame(0).orientation is None


def test_nothing_of_a_patient_is_among_the_facts() -> None:
    viewer = open_content(encoded_dicom(marked())).viewer
    said = f"{viewer.file} {viewer.frame(0)}"
    assert "XQZ" not in said
    assert "1877" not in said


def test_files_of_a_series_are_known_by_a_stand_in_that_leads_nowhere() -> None:
    uids = {"SeriesInstanceUID": "1.2.777.1", "StudyInstanceUID": "1.2.777"}
    across = {"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
    first, second, other = (
        open_content(file(**{**uids, **across, **values}), _ALL).viewer.file
        for values in (
            {"ImagePositionPatient": [0, 0, 4.5]},
            {"ImagePositionPatient": [0, 0, -4.5]},
            {"SeriesInstanceUID": "1.2.777.2"},
        )
    )
    assert first.series == second.series != other.series
    assert first.study == second.study == other.study
    assert (first.position_mm, second.position_mm, other.position_mm) == (4.5, -4.5, None)
    assert open_content(file(), _ALL).viewer.file.series is None
