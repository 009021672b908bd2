"""Plants one tumour into a painted slice, where its class grows and with the look of its class.

- glioma: inside the brain, from white matter; irregular, a dark necrotic core, a bright ragged rim,
  oedema that follows white matter, tissue pushed aside.
- meningioma: outside the brain, broad against the skull (or the falx); smooth, homogeneous, bright,
  sharply bounded, with a dural tail and a cleft of fluid.
- pituitary: in and above the sella, in the midline; smooth, bright, at times waisted or cystic.

The mask is the whole tumour: all that is laid over the head, oedema included ("whole tumour" in
the terms of the BraTS challenge). A tumour also pushes tissue aside, outside its mask.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import ndimage

from samples.synthetic.anatomy import Field, Points
from samples.synthetic.head import SELLA, Contrast, Head, lay, smooth_noise, soft_step

Mask = NDArray[np.bool_]

SMALLEST, LARGEST = 0.030, 0.063
"""Bounds on the lesion's share of the head's area (the promise is 1 to 8 %)."""


@dataclass(frozen=True)
class LesionLook:
    """Brightness of tumour parts in one contrast: solid or rim, necrosis or cyst, oedema."""

    rim: float
    solid: float
    core: float
    oedema: float


LOOKS = {
    "t1": LesionLook(rim=0.92, solid=0.95, core=0.14, oedema=0.24),
    "t1c": LesionLook(rim=0.96, solid=0.94, core=0.12, oedema=0.26),
    "t2": LesionLook(rim=0.96, solid=0.96, core=0.22, oedema=0.74),
    "flair": LesionLook(rim=0.95, solid=0.95, core=0.10, oedema=0.74),
}


@dataclass(frozen=True)
class _Site:
    """Where a lesion may grow: the slice, and the size it should have in pixels."""

    head: Head
    points: Points
    pitch: float  # mm a pixel
    area: int  # pixels
    contrast: Contrast
    rng: Generator
    rows: Field
    columns: Field
    attempt: int  # from 0: what is asked of the place is relaxed as attempts fail

    @property
    def radius(self) -> float:
        """That of a disc of the size, in mm."""
        return float(np.sqrt(self.area / np.pi) * self.pitch)

    def distance(self, row: int, column: int) -> Field:
        """Distance of every pixel from one, in mm within the slice."""
        return (np.hypot(self.rows - row, self.columns - column) * self.pitch).astype(np.float32)

    def noise(self, wavelength: float) -> Field:
        """Smooth noise of unit deviation with features of about `wavelength` mm."""
        height, width = self.head.image.shape
        cells = max(height, width) * self.pitch / wavelength
        return smooth_noise(self.rng, (height, width), cells)

    def far_from_sella(self, least: float) -> Mask:
        gap = self.points - np.asarray(SELLA, np.float32)[:, None, None]
        return np.asarray(np.sqrt((gap * gap).sum(0)) > least, np.bool_)


def plant_lesion(
    label: str, head: Head, points: Points, pitch: float, contrast: Contrast, rng: Generator
) -> tuple[Field, Mask]:
    """Plants a lesion of class `label`.

    Args:
        label: glioma, meningioma or pituitary.
        head: The painted slice; it is not changed.
        points: MNI coordinates of its pixels in mm, float32 [3, H, W].
        pitch: Size of a pixel in mm.
        contrast: The acquisition, which decides how bright each part is.
        rng: Draws place, size, shape and brightness.

    Returns:
        The new brightness image, float32 [H, W], and the lesion's mask, bool [H, W].
    """
    grid = np.indices(head.image.shape, dtype=np.float32)
    whole = float(head.inside.sum())
    for attempt in range(12):
        share = float(np.exp(rng.uniform(np.log(0.046), np.log(0.061))))
        area = round(share * whole)
        site = _Site(head, points, pitch, area, contrast, rng, grid[0], grid[1], attempt)
        image, mask = _GROWTHS[label](site)
        if SMALLEST <= mask.sum() / whole <= LARGEST:
            return image, mask
    raise RuntimeError(f"no room for a {label} in this slice")  # render() draws another slice


def _pick(rng: Generator, weights: Field | Mask) -> tuple[int, int] | None:
    """A pixel drawn in proportion to `weights`, or None where all are zero."""
    flat = np.cumsum(weights.ravel().astype(np.float64))
    if flat[-1] <= 0:
        return None
    index = int(np.searchsorted(flat, rng.uniform(0, flat[-1]), side="right"))
    row, column = np.unravel_index(min(index, flat.size - 1), weights.shape)
    return int(row), int(column)


def _level(field: Field, area: int) -> float:
    """The level below which `field` covers `area` pixels."""
    place = min(area, field.size - 1)
    return float(np.partition(field, place, axis=None)[place])


def _piece_around(mask: Mask, row: int, column: int) -> Mask:
    """The connected piece of `mask` that holds the pixel, or the largest one."""
    pieces, count = ndimage.label(mask)
    if count == 0:
        return mask
    index = pieces[row, column] or int(np.argmax(np.bincount(pieces.ravel())[1:])) + 1
    piece: Mask = pieces == index
    return piece


def _push(site: _Site, field: Field, strength: float, reach: float) -> Field:
    """Mass effect: the image, moved by `strength` mm away from where `field` (mm) is negative."""
    down, across = np.gradient(ndimage.gaussian_filter(field, 3))
    norm = np.hypot(down, across) + 1e-6
    fall = strength * np.exp(-np.clip(field, 0, None) / reach) / site.pitch
    fall = fall * np.clip(-site.head.depth / 8, 0, 1)  # the skull does not give way
    index = np.stack([site.rows - fall * down / norm, site.columns - fall * across / norm])
    moved: Field = ndimage.map_coordinates(
        site.head.image, index, order=1, mode="nearest", output=np.float32
    )
    return moved


def _grow_glioma(site: _Site) -> tuple[Field, Mask]:
    head, rng = site.head, site.rng
    least = max(24.0 - 2.0 * site.attempt, 4.0)
    at = _pick(rng, (head.white > 0.6) & (head.depth < -least) & site.far_from_sella(34))
    if at is None:
        at = _pick(rng, (head.brain > 0.5) & (head.depth < -least) & site.far_from_sella(30))
    if at is None:
        return head.image, np.zeros(head.inside.shape, bool)
    radius = np.float32(site.radius)
    gap = site.distance(*at)
    ragged = gap * (1 + 0.17 * site.noise(26) + 0.09 * site.noise(9))
    outside = np.where(head.depth < -1.0, 0, 1e4).astype(np.float32)
    share = float(rng.uniform(0.70, 0.88))
    tumour_field = (ragged + outside).astype(np.float32)
    tumour_level = _level(tumour_field, round(site.area * share))
    spread = gap * (1 + 0.15 * site.noise(20)) - radius * (head.white - 0.5) + outside
    spread = np.minimum(spread, ragged - tumour_level).astype(np.float32)
    spread_level = _level(spread, site.area)
    whole = _piece_around(spread < spread_level, *at)

    image = _push(site, (ragged - tumour_level).astype(np.float32), 0.16 * float(radius), 16)
    look, gain = LOOKS[site.contrast.name], float(rng.uniform(0.94, 1.1))
    texture = 1 + 0.06 * site.noise(5)
    oedema = soft_step((spread - spread_level).astype(np.float32), 4.0) * whole
    lay(image, oedema * np.float32(rng.uniform(0.65, 0.95)), look.oedema * texture)
    ring = ragged - tumour_level
    rim = look.rim * gain * (texture + 0.05 * site.noise(4))
    lay(image, soft_step(ring, 1.6) * whole, rim)
    thickness = float(rng.uniform(0.46, 0.72)) * tumour_level
    necrosis = ring + thickness * (1 + 0.45 * site.noise(9))
    lay(image, soft_step(necrosis, 2.0) * whole, look.core * (1 + 0.15 * site.noise(6)))
    return image, whole & ((oedema > 0.4) | (ring < 0))


def _dural_base(site: _Site) -> tuple[tuple[int, int], NDArray[np.float64]] | None:
    """A pixel on the skull's inside or on the falx, and the unit vector into the brain there."""
    depth, rng = site.head.depth, site.rng
    x, _, z = site.points
    falx = (np.abs(x) < 1.0) & (depth < -6) & (depth > -28) & (z > 8)
    if rng.random() < 0.12 and falx.sum() <= 400:  # more: the slice lies along the falx
        at = _pick(rng, falx)
        if at is not None:
            side = 1.0 if rng.random() < 0.5 else -1.0
            return at, side * _direction(x, at)
    convexity = (depth > -2.0) & (depth < -0.2) & (z > -42) & site.far_from_sella(44)
    convexity &= ndimage.gaussian_filter(site.head.brain, 4) > 0.3  # with brain beside it
    if convexity.any():
        convexity &= z > float(np.quantile(z[convexity], 0.2)) - 1
    at = _pick(rng, convexity)
    return None if at is None else (at, -_direction(ndimage.gaussian_filter(depth, 3), at))


def _direction(field: Field, at: tuple[int, int]) -> NDArray[np.float64]:
    """Unit vector (rows, columns) along which `field` rises at a pixel."""
    slopes = np.asarray(np.gradient(field), np.float32)
    vector = slopes[:, at[0], at[1]].astype(np.float64)
    return vector / (float(np.linalg.norm(vector)) + 1e-6)


def _grow_meningioma(site: _Site) -> tuple[Field, Mask]:
    head, rng, depth = site.head, site.rng, site.head.depth
    base = _dural_base(site)
    if base is None:
        return head.image, np.zeros(head.inside.shape, bool)
    at, inward = base
    ratio = float(rng.uniform(1.0, 1.45))  # extent along the dura to extent into the head
    radius = site.radius
    sink = radius * float(rng.uniform(0.40, 0.75)) / site.pitch
    row, column = at[0] + inward[0] * sink, at[1] + inward[1] * sink
    ahead = ((site.rows - row) * inward[0] + (site.columns - column) * inward[1]) * site.pitch
    beside = ((site.rows - row) * inward[1] - (site.columns - column) * inward[0]) * site.pitch
    gap = np.hypot(ahead * np.sqrt(ratio), beside / np.sqrt(ratio))
    gap = gap * (1 + 0.08 * site.noise(30) + 0.03 * site.noise(12))
    field = (gap + np.where(depth < -0.3, 0, 1e4)).astype(np.float32)
    level = _level(field, site.area)
    whole = _piece_around(field < level, *at)

    ring = (gap - level).astype(np.float32)
    image = _push(site, ring, 0.22 * radius, 14)
    bound = soft_step(depth + 0.1)
    cleft = soft_step(np.abs(ring - 0.9) - 0.7) * bound
    lay(image, cleft * np.float32(0.75), site.contrast.fluid)
    solid = LOOKS[site.contrast.name].solid * float(rng.uniform(0.9, 1.08))
    tail = soft_step(np.abs(depth + 0.5) - 0.9) * soft_step(ring - 0.45 * radius, 4)
    lay(image, tail * np.float32(0.8), solid * 0.9)
    texture = 1 + 0.025 * site.noise(5) + 0.03 * site.noise(18)
    lay(image, soft_step(ring) * bound, solid * texture)
    return image, whole


def _grow_pituitary(site: _Site) -> tuple[Field, Mask]:
    head, rng = site.head, site.rng
    x, y, z = site.points
    radius = site.radius
    target = np.array([0.0, SELLA[1], SELLA[2] + radius * rng.uniform(0.25, 0.6)])
    target += rng.uniform(-2.0, 2.0, 3)
    gap2 = (x - target[0]) ** 2 + (y - target[1]) ** 2 + (z - target[2]) ** 2
    row, column = np.unravel_index(int(np.argmin(gap2)), gap2.shape)
    at = int(row), int(column)
    cx, cy, cz = (float(site.points[i][at]) for i in range(3))
    tall, wide = float(rng.uniform(0.95, 1.35)), float(rng.uniform(0.9, 1.15))
    waist = float(rng.uniform(0, 0.5))
    pinch = 1 + waist * np.exp(-(((z + 24) / 5) ** 2))
    gap = np.sqrt(
        ((x - cx) * pinch / wide) ** 2 + ((y - cy) * pinch) ** 2 + ((z - cz) / tall) ** 2
    ) * (1 + 0.06 * site.noise(20))
    field = (gap + np.where(head.inside, 0, 1e4)).astype(np.float32)
    level = _level(field, site.area)
    whole = _piece_around(field < level, *at)

    ring = (field - level).astype(np.float32)
    image = _push(site, ring, 0.18 * radius, 12)
    solid = LOOKS[site.contrast.name].solid * float(rng.uniform(0.86, 1.06))
    lay(image, soft_step(np.abs(ring - 0.6) - 0.5) * np.float32(0.6), site.contrast.bone)
    texture = 1 + 0.05 * site.noise(5) + 0.05 * site.noise(12)
    lay(image, soft_step(ring), solid * texture)
    if rng.random() < 0.25:  # a cyst
        hole = site.distance(*at) * (1 + 0.2 * site.noise(14)) - 0.38 * radius
        cyst = soft_step(hole.astype(np.float32), 2) * (
            0.5 * (LOOKS[site.contrast.name].core + solid) - image
        )
        image += cyst * np.float32(0.9)
    return image, whole


_GROWTHS: dict[str, Callable[[_Site], tuple[Field, Mask]]] = {
    "glioma": _grow_glioma,
    "meningioma": _grow_meningioma,
    "pituitary": _grow_pituitary,
}
