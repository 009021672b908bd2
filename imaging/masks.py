"""Masks: drawings of what somebody found in an image, which give its class away.

Numbers alone do not tell a mask from an image of few grey levels; how they lie beside each other
does. Labels fill regions, and which number borders on which means nothing. Grey levels change from
voxel to voxel, and where there are few of them, a level borders on the next one.
"""

import numpy as np

from imaging.picture import Values

_ALWAYS = 4
"""Up to this many values, the background's included, nothing but a mask is left to see."""
_MOST_LABELS = 2048
"""Atlases of the brain have some hundreds."""
_EQUAL = 0.8
"""Share of the neighbours in a label volume, beyond its background, that are equal: at least."""
_FAR = 0.25
"""Share of the neighbours that differ whose values are not next to each other: at least."""
_REGIONS = 0.985
"""From this share of equal neighbours on, regions hardly touch, and differences tell nothing."""
_ENOUGH = 1000
"""Pairs of neighbours."""
_PAIRS = 500_000
"""About how many voxels are compared along each axis, where there are more."""
_SAMPLE = 50_000
"""Values that are looked at first, as finding the different ones of all takes long."""
_AT_ONCE = 2**20
"""Values that are counted in one go."""
_CODES = 32
"""Grey levels below this are black to the eye."""


def is_label_volume(values: Values, counted: tuple[Values, Values] | None = None) -> bool:
    """Tells a label volume from an image.

    It is one if it has at most four values. With more, up to 2,048, it is one if 80 % of the
    neighbouring voxels are equal and of those that differ at least a quarter are not neighbours in
    the order of values, too; or if 98.5 % are equal. Voxels count that are not zero, not the most
    frequent value and numbers. The share of equal neighbours is the middle one of the three axes'.

    Args:
        values: Numbers of one or more axes, as they are stored: scaling changes nothing.
        counted: What `count_levels` says of them, where it is known.

    Returns:
        False also for a volume of a single value.
    """
    levels, counts = counted or _levels(values)
    if levels.size <= 1 or levels.size > _MOST_LABELS:
        return False
    if levels.size <= _ALWAYS:
        return True
    background = levels[np.argmax(counts)]
    pairs: list[tuple[Values, Values]] = []
    equal: list[float] = []
    middle = (values.ndim - 1) // 2
    for axis in reversed(range(values.ndim)):  # a volume's last one is read fastest
        first, second = _pairs(np.moveaxis(values, axis, 0), background)
        pairs.append((first, second))
        equal.append(float(np.mean(first == second)) if first.size else 1.0)
        if sum(share < _EQUAL for share in equal) > middle:
            return False
    return sorted(equal)[middle] >= _REGIONS or _far_apart(pairs, levels) >= _FAR


def is_label_picture(levels: Values) -> bool:
    """Tells a picture of labels from an image, where that is certain.

    A mask that is drawn in black and white is not told from an image in black and white. What is
    certain are codes that nobody could see: whole numbers below 32 of 256 grey levels that lie
    beside each other as labels do.

    Args:
        levels: uint8, as they are shown: [height, width], or [height, width, 3] in RGB.

    Returns:
        False also for a picture of a single level.
    """
    if levels.dtype != np.uint8 or not levels.size or levels.max() >= _CODES:
        return False
    if levels.ndim == 3 and levels.shape[2] == 3:
        levels = levels[..., 0]
    return is_label_volume(levels)


def _levels(values: Values) -> tuple[Values, Values]:
    """The different numbers, in order, and how often each is there; many of them if too many."""
    flat = values.ravel(order="K")
    if counted := count_levels(flat):
        return counted
    sample = np.unique(flat[:: max(1, flat.size // _SAMPLE)])
    if sample.size > _MOST_LABELS:
        return sample, sample
    levels, counts = np.unique(flat, return_counts=True)
    return levels, counts


def count_levels(values: Values) -> tuple[Values, Values] | None:
    """Counts whole numbers, in one pass.

    Args:
        values: Numbers of one axis.

    Returns:
        The different ones, in order, and how often each is there; None where they are not whole, or
        spread over more than 16 bits.
    """
    if values.dtype.kind not in "iu" or not values.size:
        return None
    least, greatest = int(values.min()), int(values.max())
    if greatest - least >= 2**16:
        return None
    # Subtraction wraps around, so that the differences are right in any type.
    shifted = (values - values.dtype.type(least)).view(f"u{values.dtype.itemsize}")
    counts = np.zeros(greatest - least + 1, np.int64)
    for start in range(0, shifted.size, _AT_ONCE):  # as each is made 64 bits wide
        part = shifted[start : start + _AT_ONCE].astype(np.intp)
        counts += np.bincount(part, minlength=counts.size)
    present = np.flatnonzero(counts)
    return present.astype(values.dtype.newbyteorder("=")) + values.dtype.type(least), counts[
        present
    ]


def _pairs(planes: Values, background: Values) -> tuple[Values, Values]:
    """Neighbours across the first axis that are not background; of many voxels, some planes'."""
    for step in (max(1, planes.size // _PAIRS), 1):
        first, second = planes[:-1:step], planes[1::step]
        counted = (first != 0) & (first != background) & (second != 0) & (second != background)
        if planes.dtype.kind == "f":
            counted &= np.isfinite(first) & np.isfinite(second)
        if step == 1 or np.count_nonzero(counted) >= _ENOUGH:
            break
    return first[counted], second[counted]


def _far_apart(pairs: list[tuple[Values, Values]], levels: Values) -> float:
    """The share of different neighbours whose values are not next to each other in order."""
    different = [(first[first != second], second[first != second]) for first, second in pairs]
    first, second = (np.concatenate(side) for side in zip(*different, strict=True))
    apart = np.abs(np.searchsorted(levels, first) - np.searchsorted(levels, second)) > 1
    return float(apart.mean()) if apart.size else 1.0
