"""Limits that hardly any training image lies beyond, and the sentences about those that do."""

import json

import numpy as np
import pytest
import tensorflow as tf
from drawing import encode
from heads import HEADLESS, windowed
from scipy.ndimage import gaussian_filter

from components.reasons import BLURRED, CUT_BLACK, CUT_WHITE, NO_HEAD, SMALL
from components.trainer.confidence.doubts import fit_limits, write_reasons
from components.trainer.config import ConfidenceConfig
from components.transform.config import TransformConfig
from components.transform.measures import MEASURES
from components.transform.preprocessing import preprocess_and_measure

CONFIG = ConfidenceConfig()
USUAL = {"cut_black": 0.02, "cut_white": 0.01, "sharpness": 1.8, "head_share": 0.6}


def _usual(count: int, seed: int) -> np.ndarray:
    """Measures as real images have them: skewed, and far from the ends."""
    random = np.random.default_rng(seed)
    return np.stack(
        [
            0.02 * np.exp(random.normal(0, 0.5, count)),
            0.01 * np.exp(random.normal(0, 0.5, count)),
            1.8 * np.exp(random.normal(0, 0.15, count)),
            random.uniform(0.3, 0.88, count),
        ],
        axis=1,
    ).astype("float32")


def _one(**changed: float) -> np.ndarray:
    assert set(changed) <= set(MEASURES)
    return np.array([[{**USUAL, **changed}[name] for name in MEASURES]], "float32")


def _said(limits, measures) -> list[str]:
    return [words.decode() for words in write_reasons(limits(tf.constant(measures))).numpy()]


@pytest.fixture(scope="module")
def limits():
    return fit_limits(_usual(2000, 0), CONFIG)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({}, ""),
        ({"cut_black": 0.5}, CUT_BLACK),
        ({"cut_white": 0.2}, CUT_WHITE),
        ({"sharpness": 0.8}, BLURRED),
        ({"head_share": 0.05}, SMALL),
        ({"cut_black": 0.5, "cut_white": 0.2}, f"{CUT_BLACK}; {CUT_WHITE}"),
        ({"head_share": 1.0, "cut_black": 1.0, "sharpness": 0.0}, NO_HEAD),
    ],
)
def test_what_lies_beyond_a_limit_is_said(limits, changed, reason):
    assert _said(limits, _one(**changed)) == [reason]


@pytest.mark.parametrize("count", [1, 2, 5, 20, 100, 1000])
def test_hardly_any_image_like_those_of_training_is_flagged_however_few_these_are(count):
    flagged = []
    for seed in range(20):
        limits = fit_limits(_usual(count, seed), CONFIG)
        flagged += [bool(reasons) for reasons in _said(limits, _usual(100, seed + 1000))]
    assert np.mean(flagged) <= 0.04


def test_a_share_of_nothing_sets_no_limit():
    limits = fit_limits(_usual(500, 0), ConfidenceConfig(flagged_share=0))
    worst = _one(cut_black=1.0, cut_white=1.0, sharpness=0.0, head_share=1.0)
    assert _said(limits, worst) == [""]
    assert _said(limits, _one(head_share=0.0)) == [""]


def test_a_larger_share_flags_more():
    generous = fit_limits(_usual(2000, 0), ConfidenceConfig(flagged_share=0.2))
    found = [sum(map(bool, _said(one, _usual(500, 1)))) for one in (generous, fit_limits(
        _usual(2000, 0), CONFIG))]  # fmt: skip
    assert found[0] > found[1]


@pytest.mark.parametrize("changed", [{"head_share": 1.0}, {"cut_black": 1.0}, {"sharpness": 0.0}])
def test_what_many_training_images_are_like_is_never_flagged(changed):
    measures = np.concatenate([_usual(100, 0), np.repeat(_one(**changed), 5, axis=0)])
    limits = fit_limits(measures, CONFIG)
    assert _said(limits, _one(**changed)) == [""]
    assert np.isfinite(list(limits.describe().values())).all()
    json.dumps(limits.describe(), allow_nan=False)


@pytest.fixture(scope="module")
def sample():
    from samples.synthetic.labels import CLASSES
    from samples.synthetic.rendering import render

    return [
        np.asarray(render(label, seed=0, split="Training", index=index, size=(128, 160)).image)
        for index in range(16)
        for label in CLASSES
    ]


def _measured(pictures) -> np.ndarray:
    files = [encode(np.dstack([one] * 3) if one.ndim == 2 else one) for one in pictures]
    config = TransformConfig(image_size=64)
    return preprocess_and_measure(tf.constant(files), config).measures.numpy()


def test_the_synthetic_sample_is_hardly_flagged_and_its_cut_or_blurred_images_are(sample):
    half = len(sample) // 2
    limits = fit_limits(_measured(sample[:half]), CONFIG)
    clean = _said(limits, _measured(sample[half:]))
    assert np.mean([bool(reasons) for reasons in clean]) <= 0.05
    grey = [one if one.ndim == 2 else one[..., 0] for one in sample[half : half + 8]]
    cut = [windowed(one, np.median(one[one > 16]), 255) for one in grey]
    assert all(CUT_BLACK in reasons for reasons in _said(limits, _measured(cut)))
    blurred = [gaussian_filter(one, 0.025 * max(one.shape)) for one in grey]
    assert all(BLURRED in reasons for reasons in _said(limits, _measured(blurred)))
    assert set(_said(limits, _measured(HEADLESS.values()))) == {NO_HEAD}
