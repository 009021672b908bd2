"""The signature: what it survives, what it tells apart, and what has none."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from imaging.signature import SIGNATURE_SHAPE, signature


def head(seed: int, size: tuple[int, int] = (150, 120)) -> NDArray[np.uint8]:
    """An ellipse with soft texture on black, uint8 RGB."""
    rows, columns = np.ogrid[: size[0], : size[1]]
    radius = np.hypot((rows - size[0] / 2) / size[0], (columns - size[1] / 2) / size[1])
    texture = gaussian_filter(np.random.default_rng(seed).standard_normal(size), 4)
    grey = np.where(radius < 0.4, 120 + 40 * texture / texture.std(), 0)
    return rgb(grey)


def rgb(grey: NDArray[np.floating]) -> NDArray[np.uint8]:
    return np.repeat(np.clip(np.rint(grey), 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def correlation(one: NDArray[np.int8], other: NDArray[np.int8]) -> float:
    a, b = one.astype(float).ravel(), other.astype(float).ravel()
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_a_signature_is_small_and_the_same_each_time() -> None:
    one = signature(head(1))
    assert (one.shape, one.dtype) == (SIGNATURE_SHAPE, np.int8)
    with ThreadPoolExecutor(4) as pool:
        for again in pool.map(signature, [head(1)] * 8):
            np.testing.assert_array_equal(again, one)


def test_a_flip_or_a_turn_of_the_image_is_one_of_its_signature() -> None:
    pixels = head(2)
    for turns in range(4):
        for step in (1, -1):
            turned = np.ascontiguousarray(np.rot90(pixels, turns)[:, ::step])
            expected = np.rot90(signature(pixels), turns)[:, ::step]
            assert correlation(signature(turned), expected) > 0.999


def test_the_place_and_the_size_of_the_head_do_not_count() -> None:
    pixels = head(3)
    moved = np.pad(pixels, ((70, 10), (5, 90), (0, 0)))
    assert correlation(signature(moved), signature(pixels)) > 0.99
    wide = np.repeat(pixels, 2, axis=1)
    assert correlation(signature(wide), signature(pixels)) > 0.98


@pytest.mark.parametrize("level", [0, 90, 255])
def test_a_border_on_one_side_or_all_does_not_count(level: int) -> None:
    pixels = head(4)
    for sides in (((8, 8), (8, 8), (0, 0)), ((0, 20), (0, 0), (0, 0)), ((0, 0), (9, 0), (0, 0))):
        framed = np.pad(pixels, sides, constant_values=level)
        assert correlation(signature(framed), signature(pixels)) > 0.99


def test_different_heads_differ() -> None:
    signatures = [signature(head(seed)) for seed in range(5, 11)]
    for index, one in enumerate(signatures):
        for other in signatures[:index]:
            assert correlation(one, other) < 0.8


def test_the_frame_of_a_picture_without_background_is_no_structure() -> None:
    noise = [np.random.default_rng(seed).normal(100, 30, (180, 160)) for seed in (0, 1)]
    assert correlation(*(signature(rgb(grey)) for grey in noise)) < 0.5


ROWS, COLUMNS = np.mgrid[:160, :140]
RADIUS = np.hypot(ROWS - 80, COLUMNS - 70)


@pytest.mark.parametrize(
    "grey",
    [
        np.full((160, 140), 90.0),
        np.zeros((160, 140)),
        ROWS + 20.0,
        ROWS * 0.5 + COLUMNS,
        200.0 * (RADIUS < 50),
        200.0 * (COLUMNS < 70),
        np.random.default_rng(0).normal(100, 2, (160, 140)),
        np.full((1, 1), 7.0),
    ],
    ids=["grey", "black", "ramp", "oblique ramp", "disc", "half", "faint noise", "one pixel"],
)
def test_an_image_without_structure_has_no_signature(grey: NDArray[np.floating]) -> None:
    assert not signature(rgb(grey)).any()


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (2, 2), (3, 700), (5, 4)])
def test_any_size_is_taken(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    pixels.setflags(write=False)
    assert signature(pixels).shape == SIGNATURE_SHAPE


@pytest.mark.parametrize("place", [np.s_[0, 0], np.s_[50, 40], np.s_[99, 79], np.s_[5:-5, 40]])
def test_a_single_bright_pixel_or_line_is_taken(place: tuple[int | slice, int]) -> None:
    pixels = np.zeros((256, 256, 3), np.uint8)
    pixels[[0, 0, -1, -1], [0, -1, 0, -1]] = 40  # dim corners, so that nothing is border
    pixels[place] = 255
    assert signature(pixels).shape == SIGNATURE_SHAPE


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys, numpy as np; from components.ingest.duplicates import find_pairs; "
        "from imaging.signature import signature; "
        "signature(np.eye(90, dtype=np.uint8)[..., None].repeat(3, 2)); "
        "assert not {'tensorflow', 'faiss', 'tfx'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
