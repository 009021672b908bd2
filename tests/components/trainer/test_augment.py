import numpy as np
import pytest
import tensorflow as tf
from drawing import draw

from components.trainer.augment import augment
from components.trainer.config import AugmentConfig

SIZE = 32
STILL = AugmentConfig(brightness=0.0, contrast=0.0)


@pytest.fixture
def pixels() -> np.ndarray:
    return np.stack([draw(seed, (SIZE, SIZE)) for seed in range(6)])


def _digests(count: int) -> list[bytes]:
    return [bytes([index]) * 32 for index in range(count)]


def _augment(pixels: np.ndarray, config: AugmentConfig, version: int = 1) -> np.ndarray:
    return augment(tf.constant(pixels), _digests(len(pixels)), version, config).numpy()


def test_the_first_version_is_the_original_if_that_is_kept(pixels):
    config = AugmentConfig(brightness=0.5)
    np.testing.assert_array_equal(_augment(pixels, config, 0), pixels)
    dropped = config.model_copy(update={"keep_original": False})
    assert not np.array_equal(_augment(pixels, dropped, 0), pixels)


def test_an_image_gets_the_same_version_in_any_batch(pixels):
    config = AugmentConfig(gamma=0.3, flip=True, rotate=20, zoom=0.1, shift=0.1)
    whole = _augment(pixels, config)
    alone = augment(tf.constant(pixels[3:4]), _digests(6)[3:4], 1, config).numpy()
    np.testing.assert_array_equal(alone[0], whole[3])
    assert not np.array_equal(whole, _augment(pixels, config, 2))
    other = config.model_copy(update={"seed": 1})
    assert not np.array_equal(whole, _augment(pixels, other))


def test_brightness_multiplies_levels_within_its_bounds(pixels):
    changed = _augment(pixels, STILL.model_copy(update={"brightness": 0.2}))
    factors = []
    for before, after in zip(pixels, changed, strict=True):
        unclipped = (before > 60) & (before < 200)
        ratio = after[unclipped] / before[unclipped]
        assert ratio.max() - ratio.min() < 0.02  # levels are whole numbers
        factors.append(ratio.mean())
    assert 0.8 <= min(factors) < max(factors) <= 1.2
    assert np.std(factors) > 0.02


def test_contrast_keeps_the_mean_level(pixels):
    changed = _augment(pixels, STILL.model_copy(update={"contrast": 0.1}))
    for before, after in zip(pixels, changed, strict=True):
        assert abs(after.mean() - before.mean()) < 5
    assert not np.array_equal(changed, pixels)


def test_a_flip_is_exact_and_not_for_all(pixels):
    changed = _augment(pixels, STILL.model_copy(update={"flip": True}))
    flipped = [np.array_equal(a, b[:, ::-1]) for a, b in zip(changed, pixels, strict=True)]
    same = [np.array_equal(a, b) for a, b in zip(changed, pixels, strict=True)]
    assert sum(flipped) + sum(same) == len(pixels)
    assert 0 < sum(flipped) < len(pixels)


@pytest.mark.parametrize(
    ("change", "share"), [({"shift": 0.1}, 0.1), ({"zoom": 0.1}, 0.1), ({"rotate": 10.0}, 0.18)]
)
def test_what_moves_stays_within_its_bounds(change, share):
    dot = np.zeros((40, SIZE, SIZE, 3), np.uint8)
    dot[:, 6:9, 6:9] = 255  # nine pixels from the centre, either way
    changed = _augment(dot, STILL.model_copy(update=change)).astype(float).sum(axis=3)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    moved = [
        max(abs((one * rows).sum() / one.sum() - 7), abs((one * columns).sum() / one.sum() - 7))
        for one in changed
    ]
    assert max(moved) > 0.5
    reach = SIZE if "shift" in change else 9
    assert max(moved) <= share * reach + 0.5


def test_what_comes_into_view_is_black():
    white = np.full((8, SIZE, SIZE, 3), 255, np.uint8)
    changed = _augment(white, STILL.model_copy(update={"shift": 0.3}))
    assert (changed == 0).any(axis=(1, 2, 3)).sum() > 5
