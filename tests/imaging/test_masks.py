"""Labels are told from images on members of both that were made, and on the template of MNI."""

import importlib.util
from pathlib import Path

import nibabel
import numpy as np
import pytest
from scipy import ndimage

from imaging.masks import count_levels, is_label_picture, is_label_volume

_SIDE = 64
_RNG = np.random.default_rng(0)
_GRID = np.stack(np.meshgrid(*[np.linspace(-1, 1, _SIDE)] * 3, indexing="ij"))
_RADIUS = np.sqrt((_GRID**2).sum(axis=0))
_BRAIN = _RADIUS < 0.85


def _template(name: str) -> np.ndarray:
    folder = Path(importlib.util.find_spec("nilearn").submodule_search_locations[0])
    path = next(folder.rglob(f"mni_icbm152_{name}_tal_nlin_sym_09a_converted.nii.gz"))
    return np.asarray(nibabel.load(path).dataobj)


def _head(noise: float) -> np.ndarray:
    """Grey levels from 0 to 1: tissue that changes slowly, and noise."""
    x, y, z = _GRID
    tissue = 0.5 + 0.3 * np.sin(7 * x + 2) * np.cos(6 * y) * np.sin(5 * z + 1) + 0.1 * x
    noisy = tissue + _RNG.normal(0, noise, tissue.shape)
    return np.where(_BRAIN, np.clip(noisy, 0.05, 0.999), 0)


def _quantised(values: np.ndarray, levels: int) -> np.ndarray:
    return np.floor(values / (values.max() * 1.0001) * levels).astype(np.uint8)


def _parcels(count: int) -> np.ndarray:
    """The brain cut into regions, numbered in no order."""
    seeds = np.argwhere(_BRAIN)[_RNG.choice(_BRAIN.sum(), count, replace=False)]
    free = np.ones(_BRAIN.shape, bool)
    free[tuple(seeds.T)] = False
    nearest = ndimage.distance_transform_edt(free, return_distances=False, return_indices=True)
    numbers = np.zeros(_BRAIN.shape, np.int16)
    numbers[tuple(seeds.T)] = _RNG.choice(np.arange(1, 2036), count, replace=False)
    return np.where(_BRAIN, numbers[tuple(nearest)], 0)


def _blobs(count: int, side: int) -> np.ndarray:
    volume = np.zeros(_BRAIN.shape, np.int16)
    for number in range(1, count + 1):
        x, y, z = _RNG.integers(5, _SIDE - 10, 3)
        volume[x : x + side, y : y + side, z : z + side] = number
    return volume


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("count", [1, 2, 4, 8, 20, 45, 100])
def test_parcels_are_labels(count, dtype):
    assert is_label_volume(np.asfortranarray(_parcels(count).astype(dtype)))


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param(_BRAIN.astype(np.uint8), id="a brain"),
        pytest.param(np.digitize(_RADIUS, [0.3, 0.6, 0.85]), id="shells"),
        pytest.param(_blobs(12, 5), id="lesions"),
        pytest.param(_blobs(9, 1), id="points"),
        pytest.param(_parcels(45)[:, :, ::5], id="thick slices"),
        pytest.param(_parcels(45)[:, :, 32:33], id="a slice"),
        pytest.param(_parcels(45)[:, :, 32], id="a slice of two axes"),
        pytest.param(_parcels(45) * 0.0039 - 3, id="scaled"),
        pytest.param(np.where(_BRAIN, _parcels(45), np.nan), id="on nothing"),
        pytest.param(
            np.where(_RNG.random(_BRAIN.shape) < 0.02, 7, _parcels(20)), id="with odd voxels"
        ),
    ],
)
def test_labels_of_many_kinds_are_labels(labels):
    assert is_label_volume(labels)


@pytest.mark.parametrize("noise", [0, 0.02, 0.1])
@pytest.mark.parametrize("levels", [6, 8, 16, 32, 64, 256])
def test_an_image_of_few_levels_is_an_image(levels, noise):
    image = _quantised(_head(noise), levels)
    for stored in (image, image.astype(np.float32), image * np.int16(16), image[:, :, 20:21]):
        assert not is_label_volume(stored)


def test_an_image_of_one_slice_many_times_is_an_image():
    for levels in (8, 16, 256):
        slices = np.repeat(_quantised(_head(0.02), levels)[:, :, 32:33], 20, axis=2)
        assert not is_label_volume(slices)


@pytest.mark.parametrize("levels", [6, 16, 256])
def test_the_template_is_an_image_even_in_few_levels(levels):
    head = _template("t1")[:, :, ::2]
    image = _quantised(head, levels)
    assert not is_label_volume(image)
    assert not is_label_volume(
        np.asfortranarray(np.where(_template("gm")[:, :, ::2] > 9, image, 0))
    )


def test_tissues_of_the_template_are_labels_and_their_probabilities_are_not():
    grey, white = _template("gm")[:, :, ::2], _template("wm")[:, :, ::2]
    assert is_label_volume(np.argmax([np.full(grey.shape, 90), grey, white], axis=0))
    assert not is_label_volume(grey)
    assert not is_label_volume(white / np.float32(255))


def test_a_volume_of_one_value_is_no_label_volume():
    assert not is_label_volume(np.zeros((4, 4, 4)))
    assert not is_label_volume(np.full((4, 4, 4), np.nan))


def test_black_and_white_pictures_are_left_alone():
    thresholded = np.where(_RADIUS[:, :, 32] < 0.5, 255, 0).astype(np.uint8)
    assert not is_label_picture(thresholded)
    assert not is_label_picture(np.stack([thresholded] * 3, -1))
    assert not is_label_picture(_quantised(_head(0.02), 256)[:, :, 32])
    assert not is_label_picture(np.zeros((9, 9), np.uint8))


def test_pictures_of_codes_are_labels():
    codes = np.digitize(_RADIUS[:, :, 32], [0.3, 0.6]).astype(np.uint8)
    assert is_label_picture(codes)
    assert is_label_picture(np.stack([codes] * 3, -1))
    dark = _quantised(_head(0.1), 25)[:, :, 32]
    assert not is_label_picture(dark)


@pytest.mark.parametrize("dtype", ["i1", "u1", "<i2", ">i2", "u2", "i4", ">u4", "i8", "u8"])
def test_counts_whole_numbers_of_every_kind(dtype):
    limits = np.iinfo(dtype)
    for first in (limits.min, limits.max - 100):
        values = np.array([first + more for more in (0, 1, 1, 99, 0, 0)], dtype)
        levels, counts = count_levels(values)
        assert levels.tolist() == [first, first + 1, first + 99]
        assert counts.tolist() == [3, 2, 1]
    spread = count_levels(np.array([limits.min, limits.max], dtype))
    assert (spread is None) == (limits.bits > 16)


def test_counts_no_fractions():
    assert count_levels(np.ones(3)) is None
    assert count_levels(np.ones(0, np.int8)) is None
