"""The head's outline: all of the head is within it, and names are not."""

import numpy as np
import pytest
from heads import HEADLESS, NAME, ODD, SHOWN, ellipse, head, named, real
from scipy.ndimage import binary_dilation

from imaging.head import CELLS, SEEN, WHOLE, find_head, head_alone


@pytest.mark.parametrize("case", SHOWN)
def test_the_outline_holds_the_head_and_little_else(case):
    picture, truth = SHOWN[case]
    mask = find_head(picture).mask(*picture.shape[:2])
    assert mask[truth].mean() > 0.998
    near = binary_dilation(truth, iterations=round(5 * max(picture.shape[:2]) / CELLS))
    assert not mask[~near].any()


@pytest.mark.parametrize("case", HEADLESS)
def test_a_picture_without_a_head_is_kept_whole(case):
    picture = HEADLESS[case]
    alone, found = head_alone(picture)
    assert found.box == (0, 0, 1, 1)
    np.testing.assert_array_equal(alone, picture)


@pytest.mark.parametrize("case", ODD)
def test_any_picture_keeps_its_shape(case):
    alone, found = head_alone(ODD[case])
    assert alone.shape == ODD[case].shape
    assert np.isfinite(found.tangents).all()
    top, left, bottom, right = found.box
    assert 0 <= top < bottom <= 1
    assert 0 <= left < right <= 1


@pytest.mark.parametrize("level", [255, 150, 90, 40])
@pytest.mark.parametrize(
    ("text", "height"), [("DOE^JANE", 9), (NAME, 12), ("DOE", 24), (f"{NAME}\nID 4711", 9)]
)
def test_a_name_in_each_corner_becomes_black_and_moves_nothing(text, height, level):
    painted, ink = named(head(), text, level=level, height=height)
    alone, found = head_alone(painted)
    assert alone[ink & ~ellipse()].max() == 0
    assert np.abs(found.tangents - find_head(head()).tangents).max() <= 2 / CELLS
    np.testing.assert_array_equal(alone[ellipse()], painted[ellipse()])


def test_of_a_name_that_touches_the_head_little_is_left():
    painted, ink = named(head(), "DOE^JANE^MARY", height=9, inset=(46, 2))
    outside = ink & ~ellipse()
    assert (ink & ellipse()).any()
    assert (head_alone(painted)[0][outside] > 0).mean() < 0.25


def test_a_picture_that_shows_nothing_outside_is_passed_on_itself():
    picture = head()
    assert head_alone(picture)[0] is picture
    faint = np.where(ellipse(), picture, SEEN).astype(np.uint8)
    assert head_alone(faint)[0] is faint
    seen = faint.copy()
    seen[0, 0] = SEEN + 1
    assert head_alone(seen)[0].max(initial=0, where=~find_head(seen).mask(*seen.shape)) == 0


def test_colours_are_blackened_together():
    painted, _ = named(np.dstack([head(), head() // 2, head()]))
    alone, found = head_alone(painted)
    assert alone.shape == painted.shape
    assert not alone[~found.mask(*painted.shape[:2])].any()


@pytest.mark.parametrize("case", SHOWN)
def test_a_picture_that_was_blackened_is_blackened_no_further(case):
    alone, found = head_alone(SHOWN[case][0])
    again, outline = head_alone(alone)
    assert again is alone
    assert np.abs(outline.tangents - found.tangents).max() <= 2.01 / CELLS


def test_the_box_is_in_shares_of_the_picture():
    top, left, bottom, right = find_head(head((300, 200))).box
    np.testing.assert_allclose([top, left, bottom, right], [0.14, 0.19, 0.86, 0.81], atol=2 / CELLS)


def test_the_mask_is_the_polygon_that_the_tangents_enclose():
    from imaging.head import normals

    found = find_head(head())
    places = np.random.default_rng(0).integers(0, (224, 200), (500, 2))
    shares = (places + 0.5) / (224, 200) - 0.5
    inside = (shares @ normals().T <= found.tangents + 1e-6).all(axis=1)
    np.testing.assert_array_equal(found.mask(224, 200)[tuple(places.T)], inside)
    assert WHOLE.mask(7, 5).all()


def test_real_heads_are_found_with_and_without_names(real_images):
    moved, again, shares = [], [], []
    for picture in real(real_images, 60):
        alone, found = head_alone(picture)
        shares.append(found.mask(*picture.shape[:2]).mean())
        again.append(head_alone(alone)[0] is alone)
        painted, _ = named(picture, "DOE^JANE", height=10)
        moved.append(np.abs(find_head(painted).tangents - found.tangents).max())
    assert min(shares) > 0.2
    assert np.mean(again) > 0.95
    assert np.mean(np.array(moved) <= 6 / CELLS) > 0.85
