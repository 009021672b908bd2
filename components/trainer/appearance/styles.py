"""Styles: what sequence, window, scanner, display and archive make of the same head.

In the public images nearly every tumour is T1 with contrast, and T2 and FLAIR are healthy, so a
network learns the style instead of the tumour. Here each image gets many styles, and those of other
classes. All functions take and give grey levels, float32 [height, width] in 0..255.
"""

from typing import Any

import numpy as np
from PIL import Image
from scipy.fft import irfft2, rfft2
from scipy.ndimage import gaussian_filter

from imaging.head import Grey, Mask

_TONES = {"rising": 0.55, "free": 0.15, "window": 0.18, "none": 0.12}
"""How often levels are changed by a rising curve, by one that may also fall, so that tissues change
places, by a window, and not at all."""
_KNOTS = (3, 7)
"""Least number of a curve's inner points, and one more than the greatest."""
_EVENNESS = 1.5
"""Concentration of the Dirichlet distribution of a rising curve's steps; more is straighter."""
_LIFTED = 160.0
"""The highest level that a free curve may give to black."""
_STRENGTH = {"rising": (0.4, 1.0), "free": (0.5, 1.0)}
"""The share of a curve that is taken, the rest being the straight line."""
_CUT = (0.5, 0.2)
"""Shares of the head's levels, at most, that a window cuts to black and to white."""
_NARROWEST = 8.0
"""Levels that a window shows at least."""
_INVERTED, _UNEVEN, _NOISY, _GHOSTED = 0.04, 0.5, 0.5, 0.08
"""How often levels are inverted, a bias field is laid on, noise is added, a ghost appears."""
_BLURRED, _COARSE = 0.35, 0.15
"""How often an image is blurred, or of a lower resolution; never both."""
_FIELD = (0.12, 0.4)
"""Least and greatest bias: levels are multiplied by at most exp of it."""
_BLUR = (0.002, 0.01)
"""Deviation of the blur, as a share of the side."""
_RESOLUTION = (0.4, 0.8)
"""Side of the coarse image, as a share of the side."""
_NOISE = (1.0, 12.0)
"""Deviation of the noise, in levels."""
_GHOST = 0.15
"""Share of a ghost in the image."""
_MATCHED = 0.6
"""How often another image's levels are taken, rather than its low frequencies."""
_LOW = (0.005, 0.06)
"""Frequencies up to which amplitudes are exchanged, as a share of the side."""
_QUANTILES = np.linspace(0, 100, 65)

Levels = np.ndarray[Any, np.dtype[np.float32]]


def restyle(grey: Grey, mask: Mask, generator: np.random.Generator) -> Grey:
    """Draws a style.

    Args:
        grey: float32 [height, width] in 0..255.
        mask: bool [height, width], of the head.
        generator: Decides.

    Returns:
        float32 [height, width] in 0..255, black outside the head.
    """
    kind = str(generator.choice(list(_TONES), p=list(_TONES.values())))
    if kind == "window":
        grey = _window(grey, mask, generator)
    elif kind != "none":
        grey = _curve(grey, kind, generator)
    if generator.random() < _INVERTED:
        grey = 255 - grey
    if generator.random() < _UNEVEN:
        grey = grey * _field(grey.shape, generator)
    return _in_head(_degrade(_in_head(grey, mask), generator), mask)


def take_style(
    grey: Grey, mask: Mask, other: Grey, levels: Levels, generator: np.random.Generator
) -> Grey:
    """Gives an image the style of another one.

    Args:
        grey: float32 [height, width] in 0..255.
        mask: bool [height, width], of the head.
        other: The other image, of the same shape.
        levels: `head_levels` of the other image.
        generator: Decides what is taken.

    Returns:
        float32 [height, width] in 0..255, black outside the head.
    """
    if generator.random() < _MATCHED:
        return match_levels(grey, mask, levels)
    return exchange_amplitude(grey, mask, other, generator.uniform(*_LOW))


def head_levels(grey: Grey, mask: Mask) -> Levels:
    """The levels of a head, rank by rank.

    Args:
        grey: float32 [height, width].
        mask: bool [height, width], of the head; not empty.

    Returns:
        float32 [65]: evenly spread quantiles, from the least level to the greatest.
    """
    found: Levels = np.percentile(grey[mask], _QUANTILES).astype(np.float32)
    return found


def match_levels(grey: Grey, mask: Mask, levels: Levels) -> Grey:
    """Gives a head the levels of another one, rank by rank.

    Args:
        grey: float32 [height, width] in 0..255.
        mask: bool [height, width], of the head.
        levels: `head_levels` of the other image.

    Returns:
        float32 [height, width] in 0..255, black outside the head.
    """
    own = head_levels(grey, mask).astype(np.float64)
    own += 1e-4 * np.arange(own.size)  # levels that many pixels have are steps of a curve
    return _in_head(np.interp(grey, own, levels), mask)


def exchange_amplitude(grey: Grey, mask: Mask, other: Grey, share: float) -> Grey:
    """Takes the amplitudes of the lowest frequencies from another image, and keeps the phases.

    Yang and Soatto, "FDA: Fourier Domain Adaptation for Semantic Segmentation", 2020.

    Args:
        grey: float32 [height, width] in 0..255.
        mask: bool [height, width], of the head.
        other: The other image, of the same shape.
        share: Up to which frequency, as a share of the side.

    Returns:
        float32 [height, width] in 0..255, black outside the head.
    """
    spectrum, others = rfft2(grey), np.abs(rfft2(other))
    reach = max(1, round(min(grey.shape) * share))
    for rows in (slice(0, reach), slice(-reach, None)):
        low = spectrum[rows, :reach]
        phases = low / np.maximum(np.abs(low), np.finfo(np.float32).tiny)
        spectrum[rows, :reach] = phases * others[rows, :reach]
    return _in_head(irfft2(spectrum, s=grey.shape), mask)


def _in_head(grey: np.ndarray[Any, Any], mask: Mask) -> Grey:
    found: Grey = np.where(mask, np.clip(grey, 0, 255), 0).astype(np.float32)
    return found


def _curve(grey: Grey, kind: str, generator: np.random.Generator) -> np.ndarray[Any, Any]:
    steps = int(generator.integers(*_KNOTS)) + 1
    before = np.linspace(0, 255, steps + 1)
    if kind == "rising":
        heights = generator.dirichlet(np.full(steps, _EVENNESS))
        after = 255 * np.concatenate([[0], np.cumsum(heights)])
    else:
        after = generator.uniform(0, 255, steps + 1)
        after[0] = generator.uniform(0, _LIFTED) if generator.random() < 0.5 else 0
        after = np.convolve(np.pad(after, 1, mode="edge"), [0.25, 0.5, 0.25], "valid")
    share = generator.uniform(*_STRENGTH[kind])
    return np.interp(grey, before, (1 - share) * before + share * after)


def _window(grey: Grey, mask: Mask, generator: np.random.Generator) -> Grey:
    dark, bright = (generator.uniform(0, most) for most in _CUT)
    black, white = np.percentile(grey[mask], [100 * dark, 100 * (1 - bright)]).astype(np.float32)
    shown: Grey = (grey - black) * (255 / max(white - black, np.float32(_NARROWEST)))
    return shown


def _field(shape: tuple[int, ...], generator: np.random.Generator) -> Grey:
    """A smooth field of factors: the parabolas through three times three drawn points."""
    down, right = (_parabolas(side) for side in shape)
    points = generator.uniform(-1, 1, (3, 3)) * generator.uniform(*_FIELD)
    factors: Grey = np.exp(down @ points @ right.T).astype(np.float32)
    return factors


def _parabolas(side: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """[side, 3]: those that are 1 at one end, in the middle or at the other, and 0 elsewhere."""
    place = np.linspace(-1, 1, side)
    return np.stack([place * (place - 1) / 2, 1 - place**2, place * (place + 1) / 2], axis=1)


def _degrade(grey: Grey, generator: np.random.Generator) -> Grey:
    """Blur or a lower resolution, noise, a ghost."""
    side = max(grey.shape)
    softened = generator.random()
    if softened < _BLURRED:
        grey = gaussian_filter(grey, generator.uniform(*_BLUR) * side)
    elif softened < _BLURRED + _COARSE:
        grey = _coarse(grey, generator.uniform(*_RESOLUTION))
    if generator.random() < _NOISY:
        noise = generator.standard_normal(grey.shape, np.float32)
        grey = grey + np.float32(generator.uniform(*_NOISE)) * noise
    if generator.random() < _GHOSTED:
        shift = int(generator.integers(side // 8, side - side // 8))
        ghost = np.roll(grey, shift, axis=int(generator.integers(2)))
        grey = (1 - _GHOST) * grey + _GHOST * ghost
    return grey


def _coarse(grey: Grey, share: float) -> Grey:
    height, width = grey.shape
    smaller = (max(1, round(width * share)), max(1, round(height * share)))
    image = Image.fromarray(grey).resize(smaller, Image.Resampling.BILINEAR)
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
