import numpy as np
import pytest

from imaging.picture import RejectedImageError, as_float, square_pixels, to_levels


def test_maps_a_range_to_grey_levels():
    assert to_levels(np.array([-5, 0, 25, 50, 100, 300]), 0, 100).tolist() == [
        0,
        0,
        64,
        128,
        255,
        255,
    ]
    assert to_levels(np.array([np.nan, np.inf, -np.inf, 1.0]), 0, 1).tolist() == [0, 0, 0, 255]


@pytest.mark.parametrize(
    ("low", "high"), [(0, 0), (5, -5), (np.nan, 1), (-np.inf, np.inf), (-1e308, 1e308)]
)
def test_a_range_that_is_none_gives_grey_levels_all_the_same(low, high):
    values = np.array([-3e38, -1, 0, 1, 3e38], np.float32)
    assert to_levels(values, low, high).dtype == np.uint8


def test_whole_numbers_stay_whole():
    assert as_float(np.array([2**24 + 1], ">i4")).tolist() == [2**24 + 1]
    assert as_float(np.array([65535], "<u2")).dtype == np.float32
    assert as_float(np.array([0.1])).dtype == np.float64


def test_resamples_to_square_pixels():
    levels = np.arange(200, dtype=np.uint8).reshape(20, 10)
    assert square_pixels(levels, 3.0, 1.5, 1000).shape == (40, 10)
    assert square_pixels(levels, 1.0, 4.0, 1000).shape == (20, 40)
    assert square_pixels(np.stack([levels] * 3, axis=-1), 1.0, 2.0, 1000).shape == (20, 20, 3)
    assert square_pixels(levels, 1.0, 1.005, 1) is levels
    with pytest.raises(RejectedImageError, match="limit of 1,000"):
        square_pixels(levels, 1.0, 1e300, 1000)
