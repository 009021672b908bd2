"""The served graph finds the head where `imaging.head` does, and frames it."""

import numpy as np
import pytest
import tensorflow as tf
from drawing import encode
from heads import HEADLESS, ODD, SHOWN, ellipse, head, named, padded, real, windowed

from components.transform.config import TransformConfig
from components.transform.head import find_head, head_box, head_mask, level_range
from components.transform.preprocessing import preprocess_and_measure
from imaging import head as imaging_head
from imaging.head import CELLS, Outline, head_alone

CASES = {name: picture for name, (picture, _) in SHOWN.items()} | HEADLESS | ODD
SIDE = 64


def _rgb(picture: np.ndarray) -> np.ndarray:
    return picture if picture.ndim == 3 else np.dstack([picture] * 3)


def _seen(*pictures: np.ndarray, **settings: object) -> tuple[np.ndarray, np.ndarray]:
    """What the network sees of pictures, and the boxes."""
    files = tf.constant([encode(_rgb(picture)) for picture in pictures])
    pixels, boxes, *_ = preprocess_and_measure(files, TransformConfig(image_size=SIDE, **settings))
    return pixels.numpy(), boxes.numpy()


@pytest.mark.parametrize("case", CASES)
def test_the_graph_finds_the_same_head(case):
    picture = _rgb(CASES[case])
    expected = imaging_head.find_head(picture)
    found = find_head(picture).numpy()
    np.testing.assert_allclose(found, expected.tangents, atol=1.01 / CELLS)
    np.testing.assert_allclose(head_box(found), expected.box, atol=1.01 / CELLS)
    shape = picture.shape[:2]
    np.testing.assert_array_equal(head_mask(found, *shape), Outline(found).mask(*shape))


def test_the_graph_finds_the_same_real_heads(real_images):
    apart = [
        np.abs(find_head(picture).numpy() - imaging_head.find_head(picture).tangents).max() * CELLS
        for picture in real(real_images, 60)
    ]
    assert max(apart) <= 2.01
    assert np.mean(np.array(apart) <= 1.01) > 0.95


def test_names_are_not_seen_and_change_nothing():
    clean = head()
    dirty, _ = named(clean, height=10)
    for crop in ("head", "none"):
        (one, other), _ = _seen(clean, dirty, crop=crop)
        assert np.abs(one.astype(int) - other).max() <= 1
    (one, other), _ = _seen(clean, dirty, crop="none", outside="keep")
    assert np.abs(one.astype(int) - other).max() > 100


def test_what_imaging_has_blackened_is_seen_the_same():
    dirty, _ = named(padded(head(), 40, 0))
    (one, other), _ = _seen(dirty, head_alone(dirty)[0])
    assert np.abs(one.astype(int) - other).max() <= 1


@pytest.mark.parametrize("size", [(224, 200), (160, 300), (300, 160), (1800, 1500)])
def test_the_head_is_cut_out_as_a_square_with_some_room(size):
    [pixels], [box] = _seen(head(size))
    top, left, bottom, right = box * (size * 2)
    assert bottom - top == pytest.approx(right - left, rel=1e-4)
    shown = np.argwhere(pixels[..., 0] > 60)
    least, most = shown.min(axis=0), shown.max(axis=0)
    assert min(least) >= 1
    assert max(most) <= SIDE - 2
    assert max(most - least) >= 0.85 * SIDE
    heights = (most - least)[0] / (most - least)[1]
    truth = np.argwhere(ellipse(size)).max(axis=0) - np.argwhere(ellipse(size)).min(axis=0)
    assert heights == pytest.approx(truth[0] / truth[1], rel=0.08)


def test_the_box_says_where_what_is_shown_lies():
    spot = head()
    spot[100:108, 60:68] = 255
    [pixels], [(top, left, bottom, right)] = _seen(spot)
    brightest = np.argwhere(pixels[..., 0] > 240).mean(axis=0)
    row, column = (brightest + 0.5) / SIDE * (bottom - top, right - left) + (top, left)
    assert row * 224 == pytest.approx(104, abs=2)
    assert column * 200 == pytest.approx(64, abs=2)


def test_a_head_that_fills_the_frame_is_padded_black():
    wide = head((120, 240), radii=(0.6, 0.6))
    [pixels], [(top, _, bottom, _)] = _seen(wide)
    assert top < 0
    assert bottom > 1
    assert pixels[: SIDE // 5].max() == 0
    assert pixels[SIDE // 2].max() > 60


def test_a_picture_is_seen_the_same_however_it_is_framed():
    shown = head((300, 260))
    versions = [padded(shown, 150, 0), padded(shown, 60, 120), np.pad(shown, ((0, 90), (70, 0)))]
    pixels, _ = _seen(shown, *versions)
    places = [np.argwhere(one[..., 0] > 60) for one in pixels]
    for edges in ([one.min(axis=0) for one in places], [one.max(axis=0) for one in places]):
        assert np.ptp(edges, axis=0).max() <= 3


@pytest.mark.parametrize("case", ODD | HEADLESS)
@pytest.mark.parametrize("levels", ["as_is", "head"])
def test_any_picture_gives_finite_boxes_and_pixels_of_the_right_size(case, levels):
    [pixels], [box] = _seen(CASES[case], levels=levels)
    assert pixels.shape == (SIDE, SIDE, 3)
    assert np.isfinite(box).all()


def test_levels_are_spread_within_the_head():
    dim = (head() // 4 + 30).astype(np.uint8)
    [as_it_is], _ = _seen(dim, crop="none")
    [spread], _ = _seen(dim, crop="none", levels="head")
    assert as_it_is.max() < 100
    assert spread.max() > 240
    assert np.percentile(spread[16:48, 20:44], 2) < 40


def test_windows_that_cut_nothing_are_seen_the_same():
    settings = {"crop": "none", "levels": "head"}
    (first, *others), _ = _seen(head(), head() // 2, windowed(head(), 0, 240), **settings)
    for other in others:
        assert np.abs(first.astype(int) - other).max() <= 4


def test_constant_levels_stay_as_they_are():
    [pixels], _ = _seen(np.full((40, 50), 77, np.uint8), crop="none", levels="head")
    assert (pixels == 77).all()


def test_percentiles_are_those_of_the_pixels_within():
    picture = _rgb(np.random.default_rng(0).integers(0, 200, (90, 80)).astype(np.uint8))
    mask = ellipse((90, 80))
    low, high = level_range(picture, mask)
    wanted = np.percentile(picture[mask][:, 0], [2, 99.5], method="inverted_cdf")
    assert (float(low), float(high)) == tuple(wanted)
