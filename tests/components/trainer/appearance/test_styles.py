"""Styles, drawn and taken from others."""

import numpy as np
import pytest
from drawing import brain

from components.trainer.appearance import styles
from components.trainer.appearance.head import grey_levels, head_mask, normalised
from components.trainer.appearance.styles import (
    exchange_amplitude,
    head_levels,
    match_levels,
    restyle,
    take_style,
)

FLAT = np.full((64, 64), 90, np.float32), brain(0)[1]
EDGES = [FLAT, (np.zeros((64, 64), np.float32), FLAT[1]), brain(1)]


def _generator(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_levels_are_matched_rank_by_rank():
    (grey, mask), (other, others) = brain(0), brain(1)
    other = 255 - other  # tissues that are dark here are bright there
    matched = match_levels(grey, mask, head_levels(other, others))
    ranks = [*range(0, 16, 5), *range(25, 101, 5)]  # between lies the gap to the rim
    found, expected = (
        np.percentile(one[where], ranks) for one, where in ((matched, mask), (other, others))
    )
    np.testing.assert_allclose(found, expected, atol=2)
    assert np.array_equal(np.argsort(matched[20, 20:40]), np.argsort(grey[20, 20:40]))
    np.testing.assert_array_equal(matched[~mask], 0)


def test_low_frequencies_amplitudes_are_the_others_and_phases_are_kept():
    (grey, mask), (other, _) = brain(0), brain(1)
    everywhere = np.ones_like(mask)
    other = 0.5 * other + 60
    exchanged = exchange_amplitude(grey, everywhere, other, 1 / 64)
    spectra = [np.fft.rfft2(one) for one in (grey, other, exchanged)]
    assert abs(spectra[2][0, 0]) == pytest.approx(abs(spectra[1][0, 0]), rel=0.02)
    assert exchanged.mean() == pytest.approx(other.mean(), rel=0.02)
    high = [spectrum[8:-8, 8:] for spectrum in spectra]
    assert np.corrcoef(np.abs(high[0]).ravel(), np.abs(high[2]).ravel())[0, 1] > 0.9
    np.testing.assert_array_equal(exchange_amplitude(grey, mask, other, 0.05)[~mask], 0)


def test_a_style_follows_from_the_generator_and_there_are_many():
    grey, mask = brain(0)
    drawn = [restyle(grey, mask, _generator(seed)) for seed in range(40)]
    for seed, one in enumerate(drawn):
        np.testing.assert_array_equal(one, restyle(grey, mask, _generator(seed)))
        np.testing.assert_array_equal(one[~mask], 0)
        assert 0 <= one.min() <= one.max() <= 255
    assert len({one.tobytes() for one in drawn}) == len(drawn)
    likeness = [np.corrcoef(one[mask], grey[mask])[0, 1] for one in drawn]
    assert min(likeness) < 0.4  # where tissues have changed places
    assert np.mean(np.array(likeness) > 0.8) > 0.4  # and mostly they have not


@pytest.mark.parametrize("kind", [*styles._TONES, "matched", "exchanged"])
@pytest.mark.parametrize("edge", range(len(EDGES)))
def test_heads_of_one_level_black_ones_and_black_styles_give_numbers(kind, edge, monkeypatch):
    grey, mask = EDGES[edge]
    if kind in styles._TONES:
        monkeypatch.setattr(styles, "_TONES", {kind: 1.0})
        drawn = [restyle(grey, mask, _generator(seed)) for seed in range(10)]
    else:
        monkeypatch.setattr(styles, "_MATCHED", float(kind == "matched"))
        drawn = [
            take_style(grey, mask, other, head_levels(other, others), _generator(0))
            for other, others in EDGES
        ]
    for one in drawn:
        assert one.dtype == np.float32
        assert np.isfinite(normalised(one, mask)).all()
        assert 0 <= one.min() <= one.max() <= 255


def test_normalised_levels_reach_from_black_to_white_whatever_the_window():
    grey, mask = brain(0)
    found = normalised(grey, mask)
    np.testing.assert_allclose(np.percentile(found[mask], [2, 99.5]), [0, 255], atol=1)
    dimmed = normalised(np.where(mask, 0.3 * grey + 40, 0).astype(np.float32), mask)
    np.testing.assert_allclose(found, dimmed, atol=0.1)
    flat = normalised(*FLAT)
    np.testing.assert_array_equal(flat[FLAT[1]], 90)
    np.testing.assert_array_equal(flat[~FLAT[1]], 0)


def test_a_head_is_found_where_there_is_one():
    grey, mask = brain(0)
    pixels = np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)
    found = head_mask(pixels)
    assert (found & mask).sum() / (found | mask).sum() > 0.85
    np.testing.assert_array_equal(grey_levels(pixels), grey.astype(np.uint8))
    dot = np.zeros_like(pixels)
    dot[30:34, 30:34] = 200
    for nothing in (np.zeros_like(pixels), np.full_like(pixels, 77), dot):
        assert head_mask(nothing) is None
