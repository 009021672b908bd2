"""What the served graph measures of a picture as it is sent."""

import numpy as np
import pytest
import tensorflow as tf
from drawing import encode
from heads import HEADLESS, ODD, SHOWN, ellipse, head, padded, windowed
from scipy.ndimage import gaussian_filter

from components.transform.config import TransformConfig
from components.transform.measures import MEASURES
from components.transform.preprocessing import preprocess_and_measure

CASES = {name: picture for name, (picture, _) in SHOWN.items()} | HEADLESS | ODD


@pytest.fixture(scope="module")
def scan():
    """A head with the grain of tissue, so that no level is a plateau."""
    grain = gaussian_filter(np.random.default_rng(0).normal(0, 1, (224, 200)), 1)
    grained = np.clip(head() + 18 * grain / grain.std(), 1, 254)
    return np.where(ellipse(), grained, 0).astype(np.uint8)


def measures(picture, **settings) -> dict[str, float]:
    """What is measured of a picture."""
    rgb = picture if picture.ndim == 3 else np.dstack([picture] * 3)
    config = TransformConfig(image_size=64, **settings)
    [found] = preprocess_and_measure(tf.constant([encode(rgb)]), config).measures.numpy()
    return dict(zip(MEASURES, found.tolist(), strict=True))


def test_levels_that_are_cut_are_counted(scan):
    dark, bright = np.percentile(scan[ellipse()], [50, 80])
    for name in ("cut_black", "cut_white"):
        assert measures(scan)[name] < 0.05
    black, white = measures(windowed(scan, dark, 255)), measures(windowed(scan, 0, bright))
    assert 0.3 < black["cut_black"] < 0.7
    assert 0.1 < white["cut_white"] < 0.3
    assert max(black["cut_white"], white["cut_black"]) < 0.05


def test_blur_is_measured_and_brightness_and_contrast_are_not_taken_for_it(scan):
    sharp = measures(scan)["sharpness"]
    assert measures(gaussian_filter(scan, 0.012 * 224))["sharpness"] < 0.8 * sharp
    for other in (scan // 2, windowed(scan, -200, 300)):
        assert measures(other)["sharpness"] == pytest.approx(sharp, rel=0.1)


def test_framing_is_measured_and_changes_nothing_else(scan):
    alone, framed = measures(scan), measures(padded(scan, 60, 0))
    assert alone["head_share"] == pytest.approx(ellipse().mean(), rel=0.15)
    smaller = ellipse().sum() / (344 * 320)
    assert framed["head_share"] == pytest.approx(smaller, rel=0.25)
    assert framed["sharpness"] == pytest.approx(alone["sharpness"], rel=0.2)
    assert framed["cut_black"] == pytest.approx(alone["cut_black"], abs=0.03)


@pytest.mark.parametrize("case", HEADLESS)
def test_a_picture_in_which_no_head_stands_out_is_all_of_it(case):
    assert measures(HEADLESS[case])["head_share"] == 1


@pytest.mark.parametrize("case", CASES)
def test_of_any_picture_the_measures_are_numbers(case):
    for settings in ({"levels": "head"}, {"crop": "none", "outside": "keep"}):
        found = measures(CASES[case], **settings)
        assert np.isfinite(list(found.values())).all()
        assert all(0 <= found[name] <= 1 for name in MEASURES if name != "sharpness")
        assert found["sharpness"] >= 0


def test_each_picture_of_a_batch_is_measured_by_itself(scan):
    files = [encode(np.dstack([one] * 3)) for one in (scan, head(), HEADLESS["black"])]
    found = preprocess_and_measure(tf.constant(files), TransformConfig(image_size=64)).measures
    for row, picture in zip(found.numpy(), (scan, head(), HEADLESS["black"]), strict=True):
        np.testing.assert_allclose(row, list(measures(picture).values()), rtol=1e-5)
