import numpy as np
from drawing import draw
from looking import dark

from components.ingest.evidence.steady import look_numbers, steady_levels
from imaging.appearance import LEVELS, appearance
from imaging.head import find_head


def _vector(pixels):
    return appearance(pixels, find_head(pixels))[None]


def _with_lesion(pixels):
    """A bright round lesion of a tenth of the head, shown so that it is white."""
    shown = pixels * 0.6
    rows, columns = np.ogrid[: pixels.shape[0], : pixels.shape[1]]
    shown[np.hypot(rows - 70, columns - 60) < 17] = 255
    return shown.astype(np.uint8)


def test_a_bright_lesion_moves_levels_but_hardly_the_steady_ones():
    head = draw(3, (150, 120))
    before, after = _vector(head), _vector(_with_lesion(head))
    assert np.abs(after - before)[:, : len(LEVELS)].max() > 0.2
    assert np.abs(steady_levels(after) - steady_levels(before)).max() < 0.1


def test_another_display_setting_moves_the_steady_ones():
    head = draw(3, (150, 120))
    moved = steady_levels(_vector(dark(head))) - steady_levels(_vector(head))
    assert np.abs(moved).max() > 0.3


def test_an_image_without_levels_has_finite_numbers():
    numbers = look_numbers(_vector(np.zeros((20, 20, 3), np.uint8)))
    assert np.isfinite(numbers).all()
