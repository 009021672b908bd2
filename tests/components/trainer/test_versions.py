"""Versions that are painted on and restyled."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from drawing import brain

from components.source_digest import source_files
from components.trainer.appearance.bank import StyleBank
from components.trainer.appearance.head import grey_levels, head_mask, normalised
from components.trainer.augment import augment
from components.trainer.config import AugmentConfig
from components.trainer.versions import Original, make_versions

SIDE = 48
STILL = AugmentConfig(brightness=0.0, contrast=0.0, keep_original=False)
STYLED = STILL.model_copy(update={"styles": 1.0, "swap": 0.5, "levels": True})
HEALTHY = 1


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    heads = [brain(seed, SIDE)[0].astype(np.uint8) for seed in range(6)]
    return np.repeat(np.stack(heads)[..., None], 3, axis=3)


@pytest.fixture(scope="module")
def bank(pixels) -> StyleBank:
    return StyleBank(
        ((bytes([90 + i]) * 32, i % 2, 255 - one) for i, one in enumerate(pixels)), HEALTHY
    )


def _subjects(count: int, painting=None) -> list[Original]:
    return [Original(bytes([index]) * 32, index % 2, painting) for index in range(count)]


def _made(pixels, subjects, config, version=1, bank=None) -> np.ndarray:
    return make_versions(tf.constant(pixels), subjects, version, config, bank).numpy()


@pytest.mark.parametrize("painting", [None, "lesion", "decoy"])
def test_an_image_gets_the_same_version_in_any_batch_and_order(pixels, bank, painting):
    subjects = _subjects(6, painting)
    whole = _made(pixels, subjects, STYLED, bank=bank)
    reverse = _made(pixels[::-1], subjects[::-1], STYLED, bank=bank)
    np.testing.assert_array_equal(reverse[::-1], whole)
    np.testing.assert_array_equal(_made(pixels[3:4], subjects[3:4], STYLED, bank=bank)[0], whole[3])
    for other in (
        _made(pixels, subjects, STYLED, 2, bank),
        _made(pixels, subjects, STYLED.model_copy(update={"seed": 1}), bank=bank),
        _made(pixels, [replace(one, digest=b"o" * 32) for one in subjects], STYLED, bank=bank),
    ):
        # Some draws change nothing.
        assert sum(not np.array_equal(*both) for both in zip(whole, other, strict=True)) >= 4
    again = [replace(subjects[0], digest=bytes([50 + index]) * 32) for index in range(4)]
    copies = _made(np.stack([pixels[0]] * 4), again, STYLED, bank=bank)
    assert len({one.tobytes() for one in copies}) >= 3


def test_without_styles_and_paint_versions_are_what_they_were(pixels):
    config = AugmentConfig(flip=True, rotate=10, gamma=0.2)
    subjects = _subjects(6)
    expected = augment(tf.constant(pixels), [one.digest for one in subjects], 1, config)
    np.testing.assert_array_equal(_made(pixels, subjects, config), expected)
    styled = STYLED.model_copy(update={"keep_original": True})
    np.testing.assert_array_equal(_made(pixels, subjects, styled, 0), pixels)


def test_a_share_of_the_versions_is_restyled(pixels):
    config = STILL.model_copy(update={"styles": 0.4})
    restyled = [
        not np.array_equal(after, before)
        for version in range(1, 21)
        for before, after in zip(pixels, _made(pixels, _subjects(6), config, version), strict=True)
    ]
    assert np.mean(restyled) == pytest.approx(0.4, abs=0.15)


def test_a_share_of_the_restyled_versions_takes_another_class_levels(pixels, bank):
    always = STILL.model_copy(update={"styles": 1.0, "swap": 1.0})
    swapped = _made(pixels, _subjects(6), always, bank=bank)
    rims = [np.median(one[:, SIDE // 2][one[:, SIDE // 2] > 0][:2]) for one in swapped]
    # The bank's images are negatives: what is brightest here, the rim, is so no more where levels
    # are matched by amplitude, and still is where they are matched by rank.
    assert len(set(rims)) > 1
    never = always.model_copy(update={"swap": 0.0})
    np.testing.assert_array_equal(
        _made(pixels, _subjects(6), never, bank=bank), _made(pixels, _subjects(6), never)
    )
    without = _made(pixels, _subjects(6), always)
    assert np.isfinite(without).all()
    assert not np.array_equal(without, swapped)


def test_painted_versions_differ_and_each_is_painted_anew(pixels):
    plain, lesions, decoys = (
        _made(pixels, _subjects(6, painting), STILL) for painting in (None, "lesion", "decoy")
    )
    np.testing.assert_array_equal(plain, pixels)
    again = _made(pixels, _subjects(6, "lesion"), STILL, 2)
    for row, before in enumerate(pixels):
        assert (np.abs(lesions[row].astype(int) - before) > 20).mean() > 0.002
        assert not np.array_equal(decoys[row], before)
        assert not np.array_equal(lesions[row], again[row])
        assert not lesions[row][~head_mask(before)].any()


def test_levels_are_normalised_after_all_else(pixels):
    dim = (pixels * 0.4 + 20 * (pixels > 0)).astype(np.uint8)
    config = STILL.model_copy(update={"levels": True})
    for before, after in zip(dim, _made(dim, _subjects(6), config), strict=True):
        expected = normalised(grey_levels(before), head_mask(before))
        np.testing.assert_allclose(after[..., 1], expected, atol=0.51)
        assert before.max() < 130
        assert after.max() == 255


def test_images_without_a_head_are_left_alone(bank):
    black, flat = np.zeros((SIDE, SIDE, 3), np.uint8), np.full((SIDE, SIDE, 3), 140, np.uint8)
    for painting in (None, "lesion", "decoy"):
        found = _made(np.stack([black, flat]), _subjects(2, painting), STYLED, bank=bank)
        np.testing.assert_array_equal(found, [black, flat])


def test_versions_are_known_by_the_code_that_draws_them():
    names = {file.name for file in source_files("components.trainer.versions")}
    assert {"augment.py", "bank.py", "head.py", "lesions.py", "styles.py"} <= names


def test_a_share_is_turned_upside_down(pixels):
    config = STILL.model_copy(update={"upside_down": 0.5})
    turned = 0
    for version in range(1, 9):
        for before, after in zip(pixels, _made(pixels, _subjects(6), config, version), strict=True):
            upside_down = np.abs(after.astype(int) - before[::-1, ::-1]).max() <= 1
            assert upside_down or np.array_equal(after, before)
            turned += upside_down
    assert 12 < turned < 36
