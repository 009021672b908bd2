"""Paints one slice of a head: the template's brain, and around it what the template lacks.

The template has no skull, scalp, face or neck. They are built here from a distance map (bone,
marrow, fat and skin follow the brain's hull) and from a small catalogue of ellipsoids and tubes in
MNI millimetres (orbits, sinuses, nasal cavity, sphenoid, sella, clivus, jaw, spine, arteries).
They are plausible, not anatomical: enough that a slice looks like an MRI of a head and that a
tumour has neighbours of its own brightness.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samples.synthetic.anatomy import Field, Points, Tissues

SELLA = (0.0, 4.0, -34.0)
"""Centre of the pituitary fossa, MNI mm."""


@dataclass(frozen=True)
class Contrast:
    """Brightness of each tissue in one kind of acquisition, 1.0 being the brightest tissue.

    `enhancing` is what takes up contrast agent (mucosa, dura, the gland); `blood` is a vessel.
    """

    name: str
    bone: float
    marrow: float
    fat: float
    muscle: float
    fluid: float
    grey: float
    white: float
    enhancing: float
    blood: float


@dataclass(frozen=True)
class Head:
    """One painted slice.

    Attributes:
        image: Brightness, float32 [H, W], about [0, 1].
        inside: Which pixels belong to the head, bool [H, W].
        depth: Signed distance to the inner surface of the skull in mm, negative inside, [H, W].
        brain: Fraction of brain tissue, float32 [H, W] in [0, 1].
        white: Fraction of white matter, float32 [H, W] in [0, 1].
    """

    image: Field
    inside: NDArray[np.bool_]
    depth: Field
    brain: Field
    white: Field


def smooth_noise(
    rng: np.random.Generator, shape: tuple[int, int], cells: float, squash: float = 1.0
) -> Field:
    """A smooth random field of unit deviation.

    Args:
        rng: Source of randomness.
        shape: Height and width of the field.
        cells: Number of independent values along the longer side.
        squash: Factor on the number of values along the width.

    Returns:
        float32 [H, W].
    """
    from PIL import Image

    longer = max(shape)
    rows = max(4, round(cells * shape[0] / longer))
    columns = max(4, round(cells * squash * shape[1] / longer))
    coarse = rng.standard_normal((rows, columns)).astype(np.float32)
    fine = Image.fromarray(coarse).resize((shape[1], shape[0]), Image.Resampling.BICUBIC)
    field = np.asarray(fine, dtype=np.float32)
    deviation = float(field.std()) or 1.0
    unit: Field = (field / deviation).astype(np.float32)
    return unit


def soft_step(distance: NDArray[np.floating[Any]], width: float = 1.2) -> Field:
    """1 where `distance` (mm) is negative, 0 where it is positive, a ramp of `width` between."""
    step: Field = np.clip(0.5 - distance / width, 0, 1).astype(np.float32)
    return step


def _ellipsoid(
    points: Points, centre: tuple[float, float, float], radii: tuple[float, float, float]
) -> Field:
    """Approximate signed distance in mm to an ellipsoid."""
    x, y, z = ((points[i] - np.float32(centre[i])) / np.float32(radii[i]) for i in range(3))
    k = np.sqrt(x * x + y * y + z * z)
    distance: Field = ((k - 1) * (min(radii) / 2 + sum(radii) / 6)).astype(np.float32)
    return distance


def _tube(
    points: Points,
    start: tuple[float, float, float],
    end: tuple[float, float, float],
    radius: float,
) -> Field:
    """Signed distance in mm to a capsule between two points."""
    a = np.asarray(start, np.float32)
    along = np.asarray(end, np.float32) - a
    relative = points - a[:, None, None]
    share = np.clip(np.tensordot(along, relative, 1) / np.float32(along @ along), 0, 1)
    gap = relative - share[None] * along[:, None, None]
    distance: Field = (np.sqrt((gap * gap).sum(0)) - radius).astype(np.float32)
    return distance


def _smooth_minimum(first: Field, second: Field, width: float) -> Field:
    """Smooth union of two signed distances (polynomial)."""
    h = np.clip(0.5 + 0.5 * (second - first) / width, 0, 1)
    joined: Field = (second * (1 - h) + first * h - width * h * (1 - h)).astype(np.float32)
    return joined


class _Canvas:
    """A brightness image that structures are laid over, one after the other."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.image: Field = np.zeros(shape, np.float32)

    def lay(self, alpha: Field, value: float | NDArray[np.floating[Any]]) -> None:
        """Covers with `value` to the share `alpha` in [0, 1]."""
        self.image += alpha * (value - self.image)


def paint_head(
    points: Points, tissues: Tissues, contrast: Contrast, rng: np.random.Generator
) -> Head:
    """Paints the slice whose pixels lie at `points`.

    Args:
        points: MNI coordinates of each pixel in mm, float32 [3, H, W].
        tissues: The template at those points.
        contrast: Brightness of each tissue.
        rng: Draws the proportions and the textures of this head.
    """
    shape = (points.shape[1], points.shape[2])
    mirrored = points.copy()  # both sides at once: structures are given for x > 0
    mirrored[0] = np.abs(mirrored[0])
    fine, coarse = smooth_noise(rng, shape, 90), smooth_noise(rng, shape, 22)
    canvas = _Canvas(shape)

    base = _ellipsoid(points, (0, 10, -54), (17, 24, 18))  # body of the sphenoid
    clivus = _tube(points, (0, -7, -42), (0, -27, -72), 6.5)
    depth = np.maximum(tissues.depth, -np.minimum(base, clivus)).astype(np.float32)
    bone = float(rng.uniform(5.0, 8.0)) + 0.5 * coarse
    scalp = float(rng.uniform(4.5, 8.5))
    surface = _head_surface(points, tissues.depth - bone - scalp, rng)
    inside = surface < 0

    muscle = contrast.muscle * (1 + 0.16 * coarse + 0.10 * fine)
    canvas.lay(soft_step(surface), muscle)
    septa = np.clip(np.abs(smooth_noise(rng, shape, 24, 0.6)) * 3 - 0.2, 0, 1)
    canvas.lay((1 - septa) * soft_step(surface + 9) * np.float32(0.55), contrast.fat * 0.8)
    _lay_face(canvas, mirrored, contrast, fine, coarse, rng)
    under_skin = soft_step(surface) * (1 - soft_step(surface + scalp * 0.95))
    canvas.lay(under_skin, contrast.fat * (1 + 0.08 * coarse))
    canvas.lay(soft_step(surface) * (1 - soft_step(surface + 1.8)), contrast.muscle * 1.25)

    skull = soft_step(tissues.depth - bone)
    canvas.lay(skull, contrast.bone)
    diploe = soft_step(np.abs(tissues.depth - bone * 0.52) - bone * 0.2 - 0.25 * coarse)
    canvas.lay(diploe * np.float32(0.85), contrast.marrow * (1 + 0.15 * fine))
    _lay_sphenoid(canvas, points, mirrored, base, clivus, contrast, fine, rng)

    _lay_spine(canvas, points, contrast)
    brain, white = _lay_brain(canvas, tissues, depth, contrast, fine, rng)
    _lay_vessels(canvas, points, mirrored, tissues.depth, contrast, rng)
    return Head(canvas.image, inside, depth, brain, white)


def _head_surface(
    points: Points, vault: NDArray[np.floating[Any]], rng: np.random.Generator
) -> Field:
    """Signed distance to the skin: vault, face with nose, neck and ears as one smooth solid."""
    chin = float(rng.uniform(-6, 6))
    face = _ellipsoid(points, (0, 34, -78 + chin), (65, 60 + 0.4 * chin, 74))
    nose = _ellipsoid(points, (0, 96, -70 + chin), (13, 17, 19))
    side = points[0] / np.float32(rng.uniform(54, 64))
    back = (points[1] + 36) / np.float32(rng.uniform(52, 60))
    neck = (np.sqrt(side * side + back * back) - 1) * 56
    neck = np.maximum(neck, points[2] + 40).astype(np.float32)
    temples = _ellipsoid(points, (0, -17, -4), (75, 101, 84))
    solid = _smooth_minimum(_smooth_minimum(face, nose, 8), neck, 18)
    solid = _smooth_minimum(solid, temples, 8)
    ears = points.copy()
    ears[0] = np.abs(ears[0])
    lean = float(rng.uniform(-4, 2))
    ear = _ellipsoid(ears, (86 + lean, -30, -42), (3.5, 14, 24))
    return np.minimum(_smooth_minimum(vault.astype(np.float32), solid, 10), ear).astype(np.float32)


def _lay_face(
    canvas: _Canvas,
    p: Points,
    c: Contrast,
    fine: Field,
    coarse: Field,
    rng: np.random.Generator,
) -> None:
    """Orbits, nose, sinuses, jaw, tongue and throat (`p` is mirrored: x > 0 only)."""
    fat = c.fat * (1 + 0.1 * coarse)
    lay, eyes = canvas.lay, float(rng.uniform(-3, 3))
    lay(soft_step(_ellipsoid(p, (44, 62, -72), (13, 18, 22)), 6), fat * 0.9)  # cheek
    lay(soft_step(_ellipsoid(p, (36, 24, -62), (9, 14, 14)), 6), fat * 0.75)  # behind the jaw
    lay(soft_step(_ellipsoid(p, (0, 52, -104), (23, 33, 16)), 4), c.muscle * (1.35 + 0.25 * fine))
    jaw = np.minimum(
        _tube(p, (50, 6, -68), (46, 16, -112), 5.5), _tube(p, (46, 16, -112), (8, 82, -124), 6.5)
    )
    gum = np.abs(_ellipsoid(p, (0, 52, -94), (25, 34, 40))) - 4.5
    teeth = np.maximum(gum, np.abs(p[2] + 94) - 9)
    for outline, inner in ((jaw, 2.0), (teeth, 2.4)):
        lay(soft_step(outline), c.bone)
        lay(soft_step(outline + inner), c.marrow * (1 + 0.2 * fine))
    lay(soft_step(_ellipsoid(p, (32, 56, -41), (17, 28, 15))), c.bone)  # orbit's wall
    lay(soft_step(_ellipsoid(p, (32, 57, -41), (15.5, 26, 13.5))), fat)
    for wall in ((42, 60, -41), (22, 60, -41), (32, 60, -31), (32, 60, -51)):
        lay(soft_step(_tube(p, wall, (14, 28, -35), 1.9)), c.muscle * 1.2)
    lay(soft_step(_tube(p, (31, 58, -41), (9, 18, -31), 2.0)), c.white * 0.9)
    globe = _ellipsoid(p, (32 + 0.4 * eyes, 67, -41), (12, 12, 12))
    lay(soft_step(globe - 1.2), c.muscle * 1.1)
    lay(soft_step(globe), c.fluid)
    lay(soft_step(_ellipsoid(p, (32 + 0.4 * eyes, 75.5, -41), (4.5, 2.2, 4.5))), c.muscle)
    for centre, radii in (
        ((0.0, 60.0, -66.0), (16.0, 32.0, 20.0)),  # nasal cavity
        ((30.0, 58.0, -71.0), (13.0, 17.0, 15.0)),  # maxillary sinus
        ((9.0, 56.0, -44.0), (8.0, 22.0, 9.0)),  # ethmoid cells
        ((9.0, 83.0, -25.0), (8.0, 3.5, 8.0)),  # frontal sinus
        ((0.0, 17.0, -78.0), (13.0, 12.0, 13.0)),  # nasopharynx
    ):
        cavity = _ellipsoid(p, centre, radii)
        lay(soft_step(cavity - 2.5), c.bone)
        lay(soft_step(cavity - 1.2), c.enhancing * 0.75)
        lay(soft_step(cavity), 0.02)
    cells = soft_step(_ellipsoid(p, (9, 56, -44), (8, 22, 9)))
    lay(cells * np.clip(fine * 1.5, 0, 1), c.enhancing * 0.6)
    turbinates = np.minimum(
        _ellipsoid(p, (8, 58, -72), (4.2, 22, 5.5)), _ellipsoid(p, (7.5, 58, -60), (3.2, 17, 4.5))
    )
    lay(
        soft_step(
            np.minimum(
                turbinates, np.maximum(p[0] - 1.3, _ellipsoid(p, (0, 60, -66), (16, 32, 20)))
            )
        ),
        c.enhancing * 0.8,
    )
    lay(soft_step(_ellipsoid(p, (0, 56, -86), (25, 33, 2.6))), c.bone * 1.5)  # palate
    lay(soft_step(_tube(p, (0, 8, -86), (0, 4, -140), 6.5)), 0.02)  # throat
    mastoid = soft_step(_ellipsoid(p, (54, -32, -54), (14, 15, 17)), 4)
    lay(mastoid, np.clip(c.bone + 0.22 * np.clip(fine, 0, 2), 0, 1))


def _lay_sphenoid(
    canvas: _Canvas,
    points: Points,
    mirrored: Points,
    base: Field,
    clivus: Field,
    c: Contrast,
    fine: Field,
    rng: np.random.Generator,
) -> None:
    """Body of the sphenoid with its sinus, the clivus, and the gland in its fossa."""
    lay = canvas.lay
    solid = np.minimum(base, clivus)
    lay(soft_step(solid), c.bone)
    lay(soft_step(solid + 2), c.marrow * (1.1 + 0.15 * fine))
    size = float(rng.uniform(0.7, 1.1))
    sinus = _ellipsoid(points, (0, 22, -50), (14 * size, 13 * size, 10 * size))
    lay(soft_step(sinus - 2.4), c.bone)
    lay(soft_step(sinus - 1.2), c.enhancing * 0.7)
    lay(soft_step(np.maximum(sinus, 0.8 - np.abs(points[0] - 2))), 0.02)
    gland = (float(rng.uniform(5.5, 7.5)), float(rng.uniform(4, 5.5)), float(rng.uniform(2.2, 3.6)))
    lay(soft_step(_ellipsoid(points, SELLA, gland)), c.enhancing * 0.8)
    lay(soft_step(_tube(points, SELLA, (0, 0, -20), 1.1)), c.enhancing * 0.7)  # stalk
    cavernous = _ellipsoid(mirrored, (13, 2, -35), (5, 11, 6.5))
    lay(soft_step(cavernous), c.enhancing * 0.62)


def _lay_spine(canvas: _Canvas, points: Points, c: Contrast) -> None:
    """First vertebrae, canal and cord."""
    lay = canvas.lay
    dens = np.minimum(
        _tube(points, (0, -22, -82), (0, -18, -98), 6.5),
        _tube(points, (0, -17, -112), (0, -15, -136), 10.5),
    )
    lay(soft_step(dens - 2), c.bone)
    lay(soft_step(dens), c.marrow)
    canal = _tube(points, (0, -45, -62), (0, -45, -145), 9.5)
    lay(soft_step(canal - 3), c.bone * 2)
    lay(soft_step(canal), c.fluid)
    lay(soft_step(_tube(points, (0, -44, -66), (0, -44, -145), 6.0)), c.white * 0.95)


def _sharpen(probability: Field, power: float) -> Field:
    """Turns an average's blurred probability into one subject's nearly binary one."""
    p, q = probability**power, (1 - probability) ** power
    return (p / (p + q)).astype(np.float32)


def _lay_brain(
    canvas: _Canvas,
    tissues: Tissues,
    depth: Field,
    c: Contrast,
    fine: Field,
    rng: np.random.Generator,
) -> tuple[Field, Field]:
    """Cerebrospinal fluid, grey and white matter; returns the brain's and white matter's share."""
    within = soft_step(depth, 1.0)
    canvas.lay(within, c.fluid)
    atrophy, power = float(rng.uniform(-0.06, 0.06)), float(rng.uniform(1.6, 2.6))
    total = np.clip(tissues.grey + tissues.white, 0, 1)
    brain = _sharpen(np.clip(total - atrophy, 0, 1), power + 0.6) * soft_step(depth + 0.6, 1.5)
    white = _sharpen(np.clip(tissues.white, 0, 1), power) * brain
    detail = tissues.t1 - (0.62 * tissues.grey + 0.88 * tissues.white)
    sign = 1.0 if c.white > c.grey else -1.0
    grey_level = c.grey * (1 + 0.02 * fine) + sign * 0.25 * np.clip(detail, -0.2, 0.2)
    value = grey_level + (c.white - c.grey) * white / np.maximum(brain, 0.05)
    canvas.lay(brain.astype(np.float32), value.astype(np.float32))
    return brain.astype(np.float32), white.astype(np.float32)


def _lay_vessels(
    canvas: _Canvas,
    points: Points,
    p: Points,
    hull: Field,
    c: Contrast,
    rng: np.random.Generator,
) -> None:
    """Dura, falx, venous sinuses and the arteries at the base (`p` is mirrored)."""
    lay = canvas.lay
    lay(soft_step(np.abs(hull - 0.3) - 0.5), c.enhancing * 0.5)
    bend = float(rng.uniform(-1.5, 1.5))
    falx = np.maximum(np.abs(points[0] - bend * points[1] / 60) - 0.55, -hull - 34)
    falx = np.maximum(falx, np.maximum(hull, -points[2] - 2))
    lay(soft_step(falx.astype(np.float32)) * np.float32(0.55), c.enhancing * 0.55)
    sagittal_sinus = np.maximum(np.abs(points[0]) - 4 + 0.4 * np.abs(hull), np.abs(hull + 3.5) - 4)
    sagittal_sinus = np.maximum(sagittal_sinus, -points[2] - 15).astype(np.float32)
    lay(soft_step(sagittal_sinus), c.blood)
    wide = float(rng.uniform(0.75, 1.3))
    for start, end, radius in (
        ((4.0, -103.0, -20.0), (54.0, -62.0, -34.0), 3.3),  # transverse sinus
        ((54.0, -62.0, -34.0), (48.0, -38.0, -58.0), 3.3),  # sigmoid sinus
        ((12.0, 2.0, -44.0), (12.0, 4.0, -22.0), 2.4),  # internal carotid
        ((12.0, 4.0, -21.0), (34.0, 2.0, -16.0), 1.6),  # middle cerebral
        ((34.0, 2.0, -16.0), (42.0, -18.0, 4.0), 1.3),
        ((12.0, 4.0, -21.0), (2.0, 24.0, -10.0), 1.2),  # anterior cerebral
        ((2.0, 24.0, -10.0), (2.0, 40.0, 12.0), 1.1),
        ((0.0, -17.0, -48.0), (0.0, -15.0, -22.0), 1.9),  # basilar
        ((0.0, -15.0, -21.0), (18.0, -28.0, -14.0), 1.3),  # posterior cerebral
    ):
        lay(soft_step(_tube(p, start, end, radius * wide)), c.blood)
