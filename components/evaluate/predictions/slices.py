"""The parts of the test images that figures are also computed on: what could be a shortcut."""

from bisect import bisect
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

FEATURES = ("class", "seen", "source", "format", "size", "border", "plane", "scanner", "intensity")
"""Every way to slice, by the name that thresholds and pages use."""

UNKNOWN = ""
"""The value of a feature that an image does not have; it makes no slice."""


def describe(feature: Mapping[str, Any]) -> dict[str, str]:
    """Says which slices an image belongs to, as far as one image alone tells.

    Args:
        feature: Values by the names of ingest's tf.Example; what is missing is unknown.

    Returns:
        Values by slice name, without `class` and `intensity`.
    """
    seen = feature.get("image/seen")
    return {
        "seen": UNKNOWN if seen is None else ("seen" if seen else "novel"),
        "source": _text(feature.get("image/source")),
        "format": _text(feature.get("image/source_format")),
        "size": _size(feature.get("image/height"), feature.get("image/width")),
        "border": _border(feature.get("image/border")),
        "plane": _text(feature.get("image/plane")),
        "scanner": _scanner(feature),
    }


def intensity(means: npt.NDArray[np.float64]) -> list[str]:
    """Cuts the images into three parts of equal number by their mean grey level.

    Args:
        means: Mean grey levels, NaN where unknown.

    Returns:
        `dark`, `medium` or `bright`, or unknown.
    """
    known = means[np.isfinite(means)]
    if len(np.unique(known)) < 3:
        return [UNKNOWN] * len(means)
    low, high = np.quantile(known, [1 / 3, 2 / 3])
    thirds = np.searchsorted([low, high], means)
    names = np.array(["dark", "medium", "bright", UNKNOWN])
    return list(names[np.where(np.isfinite(means), thirds, 3)].tolist())


def _scanner(feature: Mapping[str, Any]) -> str:
    """The scanner's model and its field strength, as far as the file says."""
    tesla = feature.get("image/field_strength")
    strength = UNKNOWN if tesla is None else f"{tesla:.3g} T"
    return " ".join(filter(None, (_text(feature.get("image/manufacturer_model")), strength)))


def _text(value: bytes | None) -> str:
    return UNKNOWN if value is None else value.decode("utf-8", "backslashreplace")


def _size(height: int | None, width: int | None) -> str:
    if height is None or width is None:
        return UNKNOWN
    names = ("under 256 px", "256 to 511 px", "512 px", "over 512 px")
    return names[bisect([256, 512, 513], max(height, width))]


def _border(share: float | None) -> str:
    if share is None:
        return UNKNOWN
    return ("none", "narrow", "wide")[bisect([0.02, 0.2], share)]
