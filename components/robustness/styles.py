"""Another image's style, and what is left of an image when its anatomy is gone."""

from functools import cache

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from components.robustness.subject import Grey, Mask, Subject, resized

_QUANTILES = np.linspace(0, 1, 65)
"""Of the levels that are matched."""
_LOW_FREQUENCIES = 0.015
"""Half the width of the square of frequencies whose amplitudes are exchanged, as a share of the
shorter side. Source: Y. Yang and S. Soatto, FDA: Fourier Domain Adaptation (2020), which tries 0.01
to 0.09; above some 0.05 what is exchanged shows as stripes."""
_PATCHES = 16
"""Patches along the head's box, each way: 1 cm of a head, below the size of most tumours."""
_BLANK = 128
"""The level of a blanked head."""
_GRAIN = 0.03
"""Size of the blobs that a histogram is shown by, as a share of the side."""


def matched_levels(subject: Subject, style: Subject) -> Grey:
    """The head with the levels of another's, rank by rank; all around is black.

    Args:
        subject: The image.
        style: Who gives the levels.
    """
    own = np.quantile(subject.levels, _QUANTILES)
    other = np.quantile(style.levels, _QUANTILES)
    # Where many pixels have one level, it takes the middle of the levels of that rank.
    level, first, count = np.unique(own, return_index=True, return_counts=True)
    sums = np.concatenate([[0.0], np.cumsum(other)])
    means = (sums[first + count] - sums[first]) / count
    return np.where(subject.head, np.interp(subject.grey, level, means), 0).astype(np.float32)


def exchanged_amplitude(subject: Subject, style: Subject) -> Grey:
    """The picture with the amplitudes of another's low frequencies, within its head.

    Args:
        subject: The image.
        style: Who gives the amplitudes.
    """
    height, width = subject.grey.shape
    other = resized(style.grey, (height, width))
    own, given = (np.fft.fftshift(np.fft.fft2(one)) for one in (subject.grey, other))
    reach = max(1, int(_LOW_FREQUENCIES * min(height, width)))
    low = np.zeros((height, width), bool)
    rows, columns = (slice(max(0, n // 2 - reach), n // 2 + reach + 1) for n in (height, width))
    low[rows, columns] = True
    amplitude = np.where(low, np.abs(given), np.abs(own))
    mixed = np.fft.ifft2(np.fft.ifftshift(amplitude * np.exp(1j * np.angle(own)))).real
    return np.where(subject.head, mixed, 0).astype(np.float32)


def blanked(subject: Subject) -> Grey:
    """The head as one plain of grey: its outline and what is around it are left."""
    return np.where(subject.head, np.float32(_BLANK), subject.grey)


def histogram_alone(subject: Subject) -> Grey:
    """The head's levels as blobs in an ellipse, which are the same for every image."""
    inside, ranks = _blobs()
    found = np.zeros(inside.shape, np.float32)
    levels = np.sort(subject.levels)
    found[inside] = np.interp(ranks, np.linspace(0, 1, len(levels)), levels)
    return found


def shuffled_patches(subject: Subject) -> Grey:
    """The head's box in patches that change places: their levels and texture are left."""
    inside = subject.grey[subject.box]
    sides = [-(-length // _PATCHES) for length in inside.shape]
    room = [(0, _PATCHES * side - length) for side, length in zip(sides, inside.shape, strict=True)]
    padded = np.pad(inside, room, mode="symmetric" if min(inside.shape) >= _PATCHES else "edge")
    patches = padded.reshape(_PATCHES, sides[0], _PATCHES, sides[1]).transpose(0, 2, 1, 3)
    order = subject.random("patches").permutation(_PATCHES**2)
    mixed = patches.reshape(-1, *sides)[order].reshape(_PATCHES, _PATCHES, *sides)
    found = np.zeros_like(subject.grey)
    whole = mixed.transpose(0, 2, 1, 3).reshape(padded.shape)
    found[subject.box] = whole[: inside.shape[0], : inside.shape[1]]
    return found


@cache
def _blobs() -> tuple[Mask, npt.NDArray[np.float64]]:
    """An ellipse, bool [side, side], and the rank of each of its pixels, 0 to 1."""
    side = 224
    rows, columns = np.ogrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    inside = (rows / 0.9) ** 2 + (columns / 0.75) ** 2 < 1
    field = np.random.default_rng(0).normal(size=(side, side))
    values = ndimage.gaussian_filter(field, _GRAIN * side)[inside]
    return inside, values.argsort().argsort() / (len(values) - 1)
