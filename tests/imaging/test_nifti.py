import gzip
import importlib.util
import io
import itertools
import logging
import struct
import tracemalloc
import warnings
from contextlib import suppress
from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imaging.config import ReadConfig
from imaging.reader import ImageFile, RejectedImageError, open_content, read_file

SHAPE = (20, 24, 16)


def _config(**nifti) -> ReadConfig:
    return ReadConfig(nifti=nifti)


@pytest.fixture
def read(tmp_path):
    """Reads bytes as a file."""

    def read(content, config=None, **nifti) -> ImageFile:
        path = tmp_path / "volume.nii"
        path.write_bytes(content)
        return read_file(str(path), config or _config(**nifti))

    return read


def _volume() -> np.ndarray:
    """Grows to the right, faster to the front and fastest upwards, uint16; no voxel is zero."""
    x, y, z = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    return (1 + x + 30 * y + 900 * z).astype(np.uint16)


def _nifti(values: np.ndarray, affine: np.ndarray | None = None, **header) -> bytes:
    """The bytes of a file; `header` sets fields of its header."""
    affine = np.eye(4) if affine is None else affine
    image = nibabel.Nifti1Image(values, affine)
    content = bytearray(image.to_bytes())
    for field, value in header.items():
        dtype, offset = image.header.template_dtype.fields[field]
        written = np.asarray(value, dtype.base)
        content[offset : offset + written.nbytes] = written.tobytes()
    return bytes(content)


def _grey(file: ImageFile) -> np.ndarray:
    (image,) = file.images
    return image.pixels[..., 0].astype(int)


# What is shown


def test_takes_slices_that_are_evenly_spread(read):
    file = read(_nifti(_volume()), slices=3, first=0, last=1)
    assert [image.frame for image in file.images] == [0, 8, 15]
    assert {(image.format, image.source_format, image.channels) for image in file.images} == {
        ("PNG", "NIFTI", 1)
    }
    assert [image.frame for image in read(_nifti(_volume()), slices=1, first=0.5).images] == [8]
    many = read(_nifti(_volume()), slices=1000, first=0.5, last=1)
    assert [image.frame for image in many.images] == list(range(8, 16))


@pytest.mark.parametrize("stored", ["RAS", "LPS", "PIR", "SAL", "ASL"])
@pytest.mark.parametrize(
    ("plane", "shape"), [("axial", (24, 20)), ("coronal", (16, 20)), ("sagittal", (16, 24))]
)
def test_slices_are_upright_however_they_are_stored(read, plane, shape, stored):
    """In a volume that grows brighter to the right, to the front and upwards."""
    x, y, z = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    canonical = nibabel.Nifti1Image((1 + x + y + z).astype(np.int16), np.eye(4))
    turn = nibabel.orientations.ornt_transform(
        nibabel.io_orientation(canonical.affine), nibabel.orientations.axcodes2ornt(stored)
    )
    turned = canonical.as_reoriented(turn)
    assert "".join(nibabel.aff2axcodes(turned.affine)) == stored
    file = read(turned.to_bytes(), plane=plane, slices=1, first=0.5)
    grey = _grey(file)
    assert grey.shape == shape
    assert file.images[0].tags.plane == plane
    # Up or front is up; the patient's right, or in sagittal slices the front, is on the left.
    assert (np.diff(grey, axis=0) <= 0).all()
    assert (np.diff(grey, axis=1) <= 0).all()
    assert grey[0].min() > grey[-1].min() + 50
    assert grey[:, 0].min() > grey[:, -1].min() + 50


def test_shows_one_range_of_values_in_all_slices(read):
    values = _volume()
    file = read(_nifti(values), slices=2, first=0, last=1)
    low, high = np.percentile(values, (1, 99.5))
    for image in file.images:
        expected = np.clip((values[:, :, image.frame] - low) / (high - low), 0, 1) * 255
        assert np.abs(image.pixels[..., 0] - expected.T[::-1, ::-1]).max() <= 0.51


def test_zeros_do_not_count_for_the_range(read):
    values = _volume()
    padded = np.zeros((60, 24, 16), np.uint16)
    padded[20:40] = values
    plain = _grey(read(_nifti(values), slices=1, first=0.5))
    assert np.array_equal(_grey(read(_nifti(padded), slices=1, first=0.5))[:, 20:40], plain)


def test_applies_slope_and_intercept(read):
    values = _volume()
    plain = _grey(read(_nifti(values), slices=1))
    scaled = _nifti(values, scl_slope=-2.0, scl_inter=1e6)
    low, high = np.percentile(-2.0 * values, (1, 99.5))
    expected = np.clip((-2.0 * values[:, :, 5] - low) / (high - low), 0, 1) * 255
    shown = _grey(read(scaled, slices=1, first=1 / 3))
    assert np.abs(shown - expected.T[::-1, ::-1]).max() <= 0.6
    for slope in (0.0, np.nan, np.inf):  # no scaling, says the standard
        for inter in (0.0, 5e4, np.nan):
            without = _nifti(values, scl_slope=slope, scl_inter=inter)
            assert np.array_equal(_grey(read(without, slices=1)), plain)
    for inter in (np.nan, np.inf, -np.inf):
        assert np.array_equal(
            _grey(read(_nifti(values, scl_slope=1.0, scl_inter=inter), slices=1)), plain
        )
    huge = _nifti(values.astype(np.float32), scl_slope=3e38, scl_inter=3e38)
    assert np.array_equal(_grey(read(huge, slices=1)), plain)


def test_what_scaling_makes_zero_does_not_count_for_the_range(read):
    values = np.concatenate([np.full(SHAPE, 1024), _volume() + 1024]).astype(np.int16)
    expected = _grey(read(_nifti((values - 1024).astype(np.int16)), slices=1))
    scaled = _nifti(values, scl_slope=0.1, scl_inter=-102.4)
    assert np.array_equal(_grey(read(scaled, slices=1)), expected)


@pytest.mark.parametrize(
    "dtype", ["u1", "i1", "i2", ">i2", "u2", "i4", "u4", "i8", "f4", "f8", ">f4"]
)
def test_reads_numbers_of_every_kind(read, dtype):
    values = (_volume() % 97 + 1).astype(dtype)
    plain = _grey(read(_nifti((_volume() % 97 + 1).astype(np.int16)), slices=1))
    image = nibabel.Nifti1Image(values, np.eye(4), dtype=values.dtype)
    assert np.array_equal(_grey(read(image.to_bytes(), slices=1)), plain)


def test_reads_nifti_2_and_packed_files(read):
    plain = read(_nifti(_volume()))
    second = nibabel.Nifti2Image(_volume(), np.eye(4)).to_bytes()
    half = len(second) // 2
    for content in (
        second,
        gzip.compress(second),
        gzip.compress(second[:half]) + gzip.compress(second[half:]),  # as bgzip writes it
        gzip.compress(_nifti(_volume())),
    ):
        assert [image.encoded for image in read(content).images] == [
            image.encoded for image in plain.images
        ]


def test_what_is_not_a_number_is_black(read):
    values = _volume().astype(np.float32)
    values[0, 0, 8], values[1, 0, 8], values[2, 0, 8] = np.nan, np.inf, -np.inf
    grey = _grey(read(_nifti(values), slices=1, first=0.53))
    assert (grey[-1, -3:] == 0).all()
    assert (grey[:-1] > 0).all()


def test_takes_the_first_of_several_volumes(read):
    series = np.stack([_volume(), 50_000 - _volume()], axis=-1)
    first = read(_nifti(_volume())).images
    for content in (_nifti(series), _nifti(series)[: 352 + _volume().nbytes]):
        assert [image.encoded for image in read(content).images] == [
            image.encoded for image in first
        ]
        said = open_content(content).viewer.file.left_out
        assert said == "Only the first of 2 volumes is judged"
    assert open_content(_nifti(_volume())).viewer.file.left_out is None


def test_makes_pixels_square(read):
    sizes = np.diag([1, 1, 5, 1])
    (image,) = read(_nifti(_volume(), sizes), plane="coronal", slices=1).images
    assert image.pixels.shape == (80, 20, 3)
    assert (image.tags.pixel_spacing, image.tags.slice_thickness) == (1, 1)
    (image,) = read(_nifti(_volume(), sizes), slices=1).images
    assert image.pixels.shape == (24, 20, 3)
    assert (image.tags.pixel_spacing, image.tags.slice_thickness) == (1, 5)
    metres = _nifti(_volume(), np.diag([1e-3, 1e-3, 5e-3, 1]), xyzt_units=1)
    assert read(metres, slices=1).images[0].tags.slice_thickness == 5
    with pytest.raises(RejectedImageError, match="more pixels, once they are square"):
        read(_nifti(_volume(), np.diag([1, 1, 1e12, 1])), plane="coronal")


def test_passes_over_blank_slices(read):
    values = np.zeros(SHAPE, np.int16)
    values[5:15, 5:15, 8] = np.arange(100).reshape(10, 10) % 7 + 100
    assert [image.frame for image in read(_nifti(values), slices=16, first=0, last=1).images] == [8]
    with pytest.raises(RejectedImageError, match="blank"):
        read(_nifti(values), slices=3, first=0, last=0.3)


def test_reads_a_single_slice(read):
    flat = _volume()[:, :, 0]
    for values in (flat, flat[:, :, None]):
        assert _grey(read(_nifti(values), slices=5)).shape == (24, 20)
    with pytest.raises(RejectedImageError, match="too thin"):
        read(_nifti(flat), plane="coronal")


def test_a_slice_without_a_thickness_counts_as_one_unit_thick(read):
    content = _nifti(_volume(), sform_code=0, qform_code=1, pixdim=[1, 2, 2, 0, 1, 1, 1, 1])
    tags = read(content, slices=1).images[0].tags
    assert (tags.pixel_spacing, tags.slice_thickness) == (2, 1)


def test_slices_of_the_mni_template_are_upright():
    folder = Path(importlib.util.find_spec("nilearn").submodule_search_locations[0])
    path = str(next(folder.rglob("mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz")))
    shown = {}
    for plane, size in (("axial", (233, 197)), ("coronal", (189, 197)), ("sagittal", (189, 233))):
        (image,) = read_file(path, _config(plane=plane, slices=1, first=0.5)).images
        assert image.pixels.shape[:2] == size
        shown[plane] = image.pixels[..., 0] > 60
    # The head is symmetric from left to right, seen from above and from the front.
    for plane in ("axial", "coronal"):
        assert (shown[plane] == shown[plane][:, ::-1]).mean() > 0.97
    # There is more room above the brain than below it.
    for plane in ("coronal", "sagittal"):
        filled = np.flatnonzero(shown[plane].any(axis=1))
        assert filled[0] > 1.2 * (188 - filled[-1])
    # The brain stem leaves the brain behind its middle: on the right of the picture.
    columns = np.flatnonzero(shown["sagittal"].any(axis=0))
    assert np.nonzero(shown["sagittal"][-15:])[1].mean() > columns.mean()
    # Brains are narrower in front than behind.
    width = shown["axial"].sum(axis=1)
    width = width[width > 0]
    assert width[: len(width) // 3].mean() < 0.95 * width[-len(width) // 3 :].mean()


# Headers that are put right, as nibabel and FSL do it


def _turned() -> nibabel.Nifti1Image:
    """A volume that is stored on its side, of which the sform and the qform say the same."""
    image = nibabel.Nifti1Image(_volume(), np.diag([1.0, 2.0, 3.0, 1.0]))
    turn = nibabel.orientations.axcodes2ornt("SAL")
    image = image.as_reoriented(turn)
    image.set_sform(image.affine, 1)
    image.set_qform(image.affine, 1)
    return image


def _edited(image: nibabel.Nifti1Image, **header) -> bytes:
    content = bytearray(image.to_bytes())
    for field, value in header.items():
        dtype, offset = image.header.structarr.dtype.fields[field]
        written = np.asarray(value, dtype.base)
        content[offset : offset + written.nbytes] = written.tobytes()
    return bytes(content)


_NO_SFORM = {"srow_x": [0] * 4, "srow_y": [0] * 4, "srow_z": [0] * 4}


_REPAIRABLE = [
    _NO_SFORM,
    {"srow_x": [np.nan] * 4},
    {"srow_y": [np.inf] * 4},
    {"srow_z": [1, 0, 0, 0], "srow_x": [1, 0, 0, 0]},  # singular
    {"srow_z": [0, 0, 0, np.nan], **dict.fromkeys(["srow_x", "srow_y"], [0] * 4)},
    {"quatern_b": 9.0},
    {"quatern_c": np.nan},
    {"sform_code": -1},
    {"qform_code": 77, **_NO_SFORM},
    {"qform_code": 0},
    {"qoffset_x": np.nan, **_NO_SFORM},
    {"sizeof_hdr": 0},
    {"bitpix": 8},
    {"bitpix": 0},
    {"dim": [7, 16, 24, 20, 1, 1, 1, 1]},
    {"dim": [5, 16, 24, 20, 0, 0, 1, 1]},
    {"dim": [4, 16, 24, 20, -1, 1, 1, 1]},
    {"dim": [4, 1, 16, 24, 20, 1, 1, 1]},
    {"dim": [5, 1, 1, 16, 24, 20, 1, 1]},
    {"vox_offset": 0},
    {"vox_offset": -16},
    {"vox_offset": 300},
]


@pytest.mark.parametrize(
    ("kind", "header"),
    [
        *itertools.product([nibabel.Nifti1Image, nibabel.Nifti2Image], _REPAIRABLE),
        (nibabel.Nifti1Image, {"vox_offset": np.nan}),  # NIfTI-2 has a whole number there
    ],
)
def test_a_header_that_can_be_put_right_is(read, kind, header):
    image = _turned()
    image = kind(image.dataobj, image.affine, image.header)
    plain = read(image.to_bytes())
    shown = read(_edited(image, **header))
    assert [one.encoded for one in shown.images] == [one.encoded for one in plain.images]
    assert shown.images[0].tags == plain.images[0].tags


@pytest.mark.parametrize("length", [1 + 1e-6, 1.00001, 1.001, 1.05, 1.2 - 1e-6])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_a_quaternion_that_is_too_long_turns_by_half_a_circle(read, kind, length):
    image = kind(_volume(), np.diag([-1.0, -2.0, 3.0, 1.0]))
    image.set_qform(image.affine, 1)
    image.set_sform(None, 0)
    vector = np.array([image.header[f"quatern_{one}"] for one in "bcd"], float)
    assert np.allclose(np.linalg.norm(vector), 1)
    long = {f"quatern_{one}": value * length for one, value in zip("bcd", vector, strict=True)}
    plain, shown = read(image.to_bytes()), read(_edited(image, **long))
    assert [one.encoded for one in shown.images] == [one.encoded for one in plain.images]


@pytest.mark.parametrize(
    "pixdim",
    [
        [1, -2, 2, 3, 1, 1, 1, 1],
        [0, 2, 2, 3, 0, 0, 0, 0],
        [np.nan, 2, -2, -3, 1, 1, 1, 1],
        [7, 2, 2, 3, 1, 1, 1, 1],
    ],
)
@pytest.mark.parametrize("qform_code", [0, 1])
def test_voxel_sizes_have_no_sign(read, pixdim, qform_code):
    codes = {"sform_code": 0, "qform_code": qform_code}
    plain = read(_nifti(_volume(), pixdim=[1, 2, 2, 3, 1, 1, 1, 1], **codes))
    shown = read(_nifti(_volume(), pixdim=pixdim, **codes))
    assert [one.encoded for one in shown.images] == [one.encoded for one in plain.images]
    assert shown.images[0].tags.slice_thickness == 3


def test_a_negative_first_size_mirrors_as_it_should(read):
    image = nibabel.Nifti1Image(_volume(), np.diag([1.0, 1.0, -1.0, 1.0]))
    image.set_qform(image.affine, 1)
    image.set_sform(None, 0)
    assert image.header["pixdim"][0] == -1
    plain = read(image.to_bytes(), slices=1, first=0)
    shown = read(_edited(image, pixdim=[-5, 1, 1, 1, 1, 1, 1, 1]), slices=1, first=0)
    assert shown.images[0].encoded == plain.images[0].encoded


@pytest.mark.parametrize("size", [0, -0.0, np.nan, np.inf])
def test_a_size_that_is_none_is_one(read, size):
    for codes in ({"sform_code": 0, "qform_code": 1}, {"sform_code": 0, "qform_code": 0}):
        content = _nifti(_volume(), pixdim=[1, 2, 2, size, 1, 1, 1, 1], **codes)
        tags = read(content, slices=1).images[0].tags
        assert (tags.pixel_spacing, tags.slice_thickness) == (2, 1)


@pytest.mark.parametrize("kind", [nibabel.Nifti1Header, nibabel.Nifti2Header])
@pytest.mark.parametrize("field", ["dim", "sizeof_hdr", "bitpix", None])
def test_reads_either_byte_order_even_where_a_field_has_the_other(read, kind, field):
    images = {nibabel.Nifti1Header: nibabel.Nifti1Image, nibabel.Nifti2Header: nibabel.Nifti2Image}
    plain = read(_nifti(_volume()))
    for order in "<>":
        header = kind(endianness=order)
        header.set_data_dtype(_volume().dtype.newbyteorder(order))
        image = images[kind](_volume(), np.eye(4), header)
        assert image.header.endianness == order
        content = bytearray(image.to_bytes())
        if field:
            dtype, offset = image.header.structarr.dtype.fields[field]
            size = dtype.base.itemsize
            content[offset : offset + size] = content[offset : offset + size][::-1]
        shown = read(bytes(content))
        assert [one.encoded for one in shown.images] == [one.encoded for one in plain.images]


def test_data_that_follow_the_header_at_once_are_found(read):
    content = _nifti(_volume(), vox_offset=0)
    plain = read(content).images
    for offset in (0, 348):
        bare = _nifti(_volume(), vox_offset=offset)
        bare = bare[:348] + bare[352:]
        assert [one.encoded for one in read(bare).images] == [one.encoded for one in plain]


def test_extensions_and_what_follows_the_data_are_passed_over(read):
    image = nibabel.Nifti1Image(_volume(), np.eye(4))
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"x" * 5000))
    plain = [one.encoded for one in read(_nifti(_volume())).images]
    content = image.to_bytes()
    assert len(content) > len(_nifti(_volume())) + 5000
    for whole in (
        content,
        content + b"garbage" * 100,
        gzip.compress(content),
        gzip.compress(content + b"garbage" * 100),
        gzip.compress(content) + b"garbage" * 100,
        gzip.compress(content) + bytes(512),
    ):
        assert [one.encoded for one in read(whole).images] == plain


def test_voxels_that_are_not_numbers_change_no_other(read):
    values = _volume().astype(np.float32)
    expected = _grey(read(_nifti(values), slices=1, first=1))
    for nothing in (np.nan, np.inf, -np.inf):
        values[:, :, 0] = nothing
        grey = _grey(read(_nifti(values), slices=1, first=1))
        assert np.abs(grey - expected).max() < 30


# What is rejected

_RGB = np.zeros((4, 4, 4), [("R", "u1"), ("G", "u1"), ("B", "u1")])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (_nifti(_volume())[:-100], "truncated or damaged"),
        (_nifti(_volume())[:352], "truncated or damaged"),
        (_nifti(_volume())[:348], "truncated or damaged|damaged header"),
        (gzip.compress(_nifti(_volume()))[:-4000], "truncated or damaged"),
        (gzip.compress(_nifti(_volume()))[:-8] + b"checksum", "truncated or damaged"),
        (_nifti(np.zeros(SHAPE, np.int16)), "all zero or not numbers"),
        (_nifti(np.full(SHAPE, np.nan, np.float32)), "all zero or not numbers"),
        (_nifti(_volume(), dim=[3, 20, 0, 16, 1, 1, 1, 1]), "without voxels"),
        (_nifti(_volume(), dim=[3, 20, -24, 16, 1, 1, 1, 1]), "without voxels"),
        (_nifti(_volume(), dim=[0, 1, 1, 1, 1, 1, 1, 1]), "without voxels"),
        (_nifti(_volume(), dim=[3, 30000, 30000, 30000, 1, 1, 1, 1]), "more voxels than the limit"),
        (_nifti(_volume(), dim=[99, 1, 1, 1, 1, 1, 1, 1]), "damaged header|without voxels"),
        (_nifti(_volume(), datatype=77), "damaged header"),
        (_nifti(_volume(), vox_offset=np.inf), "damaged header"),
        (_nifti(_volume(), vox_offset=1e30), "damaged header"),
        (_nifti(_volume(), vox_offset=1e7), "truncated or damaged"),
        (_nifti(_volume(), sform_code=0, qform_code=1, quatern_b=np.nan), "no size or no dir"),
        (_nifti(_volume(), vox_offset=0)[:-100], "truncated or damaged"),
        (_nifti(_volume(), intent_code=1002), "label volume"),
        (_nifti(_volume(), dim=[4, 1, 1, 1, 0, 1, 1, 1]), "too thin"),
        (gzip.compress(_nifti(_volume()))[:-4], "truncated or damaged"),
        (_nifti(_volume(), magic=b"ni1"), "half of a NIfTI pair"),
        (_nifti(_volume(), srow_z=[0, 0, 0, 0]), "no size or no direction"),
        (_nifti(_volume(), srow_x=[np.nan, 0, 0, 0]), "no size or no direction"),
        (_nifti(_volume(), sform_code=0, qform_code=1, quatern_b=9.0), "damaged header"),
        (_nifti(_RGB), "not single numbers"),
        (_nifti(np.ones((4, 4, 4), np.complex64)), "not single numbers"),
    ],
)
def test_rejects_with_a_reason(read, content, reason):
    with pytest.raises(RejectedImageError, match=reason):
        read(content)


def test_a_bomb_is_not_unpacked(read):
    header = _nifti(np.ones((2, 2, 2), np.uint8), dim=[3, 1000, 1000, 1000, 1, 1, 1, 1])
    stream = io.BytesIO()
    with gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=1) as packer:
        packer.write(header)
        for _ in range(100):
            packer.write(bytes(1_000_000))
    limits = ReadConfig(max_file_bytes=2_000_000)
    series = bytearray(_nifti(_volume()))
    struct.pack_into("<8h", series, 40, 4, *SHAPE, 20_000, 1, 1, 1)
    packed = gzip.compress(bytes(series) + bytes(100_000_000), 1)
    tracemalloc.start()
    try:
        with pytest.raises(RejectedImageError, match="more voxels than the limit"):
            read(stream.getvalue(), limits)
        assert read(packed, limits).images  # only its first volume is
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


_GOOD = [_nifti(_volume()), gzip.compress(_nifti(_volume()), mtime=0)]
_GOOD.append(nibabel.Nifti2Image(_volume(), np.eye(4)).to_bytes())


@settings(max_examples=200)
@given(
    content=st.sampled_from(_GOOD),
    keep=st.floats(0, 1),
    changes=st.lists(st.tuples(st.integers(0, 560), st.integers(0, 255)), max_size=6),
)
def test_damaged_bytes_give_images_or_a_reason(tmp_path_factory, content, keep, changes):
    damaged = bytearray(content)
    for position, value in changes:
        damaged[position] = value
    path = tmp_path_factory.getbasetemp() / "damaged.nii"
    path.write_bytes(bytes(damaged[: max(1, int(len(damaged) * keep))]))
    with suppress(RejectedImageError):
        assert read_file(str(path), ReadConfig(max_pixels=1_000_000)).images


def test_nothing_that_the_header_says_of_a_patient_gets_out(read, caplog, capfd):
    image = nibabel.Nifti1Image(_volume(), np.eye(4))
    for field in ("descrip", "aux_file", "intent_name", "db_name"):
        image.header[field] = b"XQZ " + field.encode()
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"XQZ comment"))
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("dicom", b"XQZ dicom"))
    good = image.to_bytes()
    bad_type = bytearray(good)
    struct.pack_into("<h", bad_type, 70, 77)
    caplog.set_level(logging.DEBUG)
    said = []
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for content in (good, good[:2000], bytes(bad_type), gzip.compress(good)):
            try:
                said.append(repr(read(content)))
            except RejectedImageError as rejection:
                said.append(str(rejection))
    assert not [record for record in caplog.records if record.name.startswith("nibabel")]
    said += [str(one.message) for one in warned]
    said += capfd.readouterr()
    assert b"XQZ" in good
    assert "ImageFile" in said[0]
    assert "XQZ" not in "".join(said)


# Labels


def test_labels_are_rejected_whatever_their_type_and_scaling(read):
    mask = np.zeros(SHAPE, np.uint8)
    mask[5:15, 5:15, 4:12] = 1
    brats = mask.copy()
    brats[7:12, 7:12, 6:10] = 4
    brats[5:7, 5:15, 4:12] = 2
    nothing = mask.astype(np.float32)
    nothing[mask == 0] = np.nan
    contents = [
        _nifti(mask),
        _nifti(1 - mask),
        _nifti(mask * 255),
        _nifti(brats),
        _nifti(brats.astype(np.float32)),
        _nifti(brats.astype(np.float64) / 3),
        _nifti(brats.astype(">i4")),
        _nifti(nothing),
        _nifti(mask, scl_slope=0.0039, scl_inter=-3),
        gzip.compress(_nifti(mask)),
        _nifti(np.stack([mask, mask], -1)),
        nibabel.Nifti2Image(mask, np.eye(4)).to_bytes(),
    ]
    for content in contents:
        with pytest.raises(RejectedImageError, match=r"^NIfTI label volume \(a mask\)$"):
            read(content)
