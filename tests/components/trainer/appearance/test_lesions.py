"""Lesions and decoys, painted on drawn heads."""

import numpy as np
import pytest
from drawing import brain

from components.trainer.appearance import lesions
from components.trainer.appearance.lesions import paint_decoy, paint_lesion


def _generator(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def _changed(before: np.ndarray, after: np.ndarray, mask: np.ndarray) -> float:
    """The share of the head that differs by more than a fifth of the head's levels."""
    plain = np.ptp(np.percentile(before[mask], [5, 97])) / 5
    return float((np.abs(after - before) > plain)[mask].mean())


@pytest.mark.parametrize("kind", lesions._KINDS)
def test_every_kind_can_be_seen_and_stays_within_the_head(kind, monkeypatch):
    monkeypatch.setattr(lesions, "_KINDS", {kind: (1.0, lesions._KINDS[kind][1])})
    for seed in range(6):
        grey, mask = brain(seed)
        painted = paint_lesion(grey, mask, _generator(seed))
        assert painted.dtype == np.float32
        assert 0 <= painted.min() <= painted.max() <= 255
        np.testing.assert_array_equal(painted[~mask], grey[~mask])
        assert _changed(grey, painted, mask) > 0.01


def test_what_cannot_be_seen_is_painted_again(monkeypatch):
    painted = []

    def invisible(canvas: lesions._Canvas) -> None:
        painted.append("invisible")

    def visible(canvas: lesions._Canvas) -> None:
        canvas.at(canvas.head.deep(), 0.3)
        canvas.blend(canvas.inside(canvas.blob(rough=0.1), 1.0), 250.0)
        painted.append("visible")

    kinds = {"invisible": (0.5, invisible), "visible": (0.5, visible)}
    monkeypatch.setattr(lesions, "_KINDS", kinds)
    grey, mask = brain(0)
    for seed in range(8):
        painted.clear()
        assert _changed(grey, paint_lesion(grey, mask, _generator(seed)), mask) > 0.01
        assert painted == ["invisible"] * (len(painted) - 1) + ["visible"]


def test_a_lesion_follows_from_the_generator_alone():
    grey, mask = brain(0)
    before = grey.copy()
    first, again, other = (paint_lesion(grey, mask, _generator(seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    np.testing.assert_array_equal(grey, before)


def test_a_decoy_leaves_traces_and_no_lesion():
    decoys, painted = [], []
    for seed in range(12):
        grey, mask = brain(seed)
        decoy = paint_decoy(grey, mask, _generator(seed))
        np.testing.assert_array_equal(decoy[~mask], grey[~mask])
        assert np.abs(decoy - grey)[mask].max() > 5
        decoys.append(_changed(grey, decoy, mask))
        painted.append(_changed(grey, paint_lesion(grey, mask, _generator(seed)), mask))
    assert 2 * np.mean(decoys) < np.mean(painted)


@pytest.mark.parametrize("level", [1, 128, 255])
@pytest.mark.parametrize("side", [8, 64])
def test_heads_of_one_level_and_tiny_ones_get_numbers(level, side):
    rows, columns = np.ogrid[:side, :side]
    mask = np.hypot(rows - side / 2, columns - side / 2) < side / 3
    grey = np.where(mask, level, 0).astype(np.float32)
    for seed in range(4):
        for paint in (paint_lesion, paint_decoy):
            painted = paint(grey, mask, _generator(seed))
            assert np.isfinite(painted).all()
            np.testing.assert_array_equal(painted[~mask], 0)
