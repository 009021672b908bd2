"""Paints one slice of a head: the template's brain, and around it what the template lacks.

The template has no skull, scalp, face or neck. They are built here from a distance map (bone,
marrow, fat and skin follow the brain's hull) and from a small catalogue of ellipsoids and tubes in
MNI millimetres (orbits, sinuses, nasal cavity, sphenoid, sella, clivus, jaw, spine, arteries).
They are plausible, not anatomical: enough that a slice looks like an MRI of a head and that a
tumour has neighbours of its own brightness.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from samples.synthetic.anatomy import Field, Points, Tissues

_Point = tuple[float, float, float]
_Floats = NDArray[np.floating[Any]]

SELLA = (0.0, 4.0, -34.0)
"""Centre of the pituitary fossa, MNI mm."""


_VESSELS = (
    ((4.0, -103.0, -20.0), (54.0, -62.0, -34.0), 3.3),  # transverse sinus
    ((54.0, -62.0, -34.0), (48.0, -38.0, -58.0), 3.3),  # sigmoid sinus
    ((12.0, 2.0, -44.0), (12.0, 4.0, -22.0), 2.4),  # internal carotid
    ((12.0, 4.0, -21.0), (34.0, 2.0, -16.0), 1.6),  # middle cerebral
    ((34.0, 2.0, -16.0), (42.0, -18.0, 4.0), 1.3),
    ((12.0, 4.0, -21.0), (2.0, 24.0, -10.0), 1.2),  # anterior cerebral
    ((2.0, 24.0, -10.0), (2.0, 40.0, 12.0), 1.1),
    ((0.0, -17.0, -48.0), (0.0, -15.0, -22.0), 1.9),  # basilar
    ((0.0, -15.0, -21.0), (18.0, -28.0, -14.0), 1.3),  # posterior cerebral
)
"""From, to and radius; given for x > 0."""


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
    rng: Generator, shape: tuple[int, int], cells: float, squash: float = 1.0
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
    longer = max(shape)
    rows = max(4, round(cells * shape[0] / longer))
    columns = max(4, round(cells * squash * shape[1] / longer))
    coarse = rng.standard_normal((rows, columns)).astype(np.float32)
    fine = Image.fromarray(coarse).resize((shape[1], shape[0]), Image.Resampling.BICUBIC)
    field = np.asarray(fine, dtype=np.float32)
    return np.asarray(field / (float(field.std()) or 1.0), np.float32)


def soft_step(distance: _Floats, width: float = 1.2) -> Field:
    """1 where `distance` (mm) is negative, 0 where it is positive, a ramp of `width` between."""
    return np.asarray(np.clip(0.5 - distance / width, 0, 1), np.float32)


def lay(image: Field, share: _Floats, value: float | _Floats) -> None:
    """Covers an image with `value` to a share in [0, 1]."""
    image += share * (value - image)


def _ellipsoid(points: Points, centre: _Point, radii: _Point) -> Field:
    """Approximate signed distance in mm to an ellipsoid."""
    x, y, z = ((points[i] - np.float32(centre[i])) / np.float32(radii[i]) for i in range(3))
    k = np.sqrt(x * x + y * y + z * z)
    return np.asarray((k - 1) * (min(radii) / 2 + sum(radii) / 6), np.float32)


def _tube(points: Points, start: _Point, end: _Point, radius: float) -> Field:
    """Signed distance in mm to a capsule between two points."""
    a = np.asarray(start, np.float32)
    along = np.asarray(end, np.float32) - a
    relative = points - a[:, None, None]
    share = np.clip(np.tensordot(along, relative, 1) / np.float32(along @ along), 0, 1)
    gap = relative - share[None] * along[:, None, None]
    return np.asarray(np.sqrt((gap * gap).sum(0)) - radius, np.float32)


def _smooth_minimum(first: Field, second: Field, width: float) -> Field:
    """Smooth union of two signed distances (polynomial)."""
    h = np.clip(0.5 + 0.5 * (second - first) / width, 0, 1)
    return np.asarray(second * (1 - h) + first * h - width * h * (1 - h), np.float32)


def _mirrored(points: Points) -> Points:
    """Both sides at once: structures are given for x > 0."""
    mirrored: Points = points.copy()
    mirrored[0] = np.abs(mirrored[0])
    return mirrored


def paint_head(points: Points, tissues: Tissues, contrast: Contrast, rng: Generator) -> Head:
    """Paints the slice whose pixels lie at `points`.

    Args:
        points: MNI coordinates of each pixel in mm, float32 [3, H, W].
        tissues: The template at those points.
        contrast: Brightness of each tissue.
        rng: Draws the proportions and the textures of this head.
    """
    return _Painter(points, tissues, contrast, rng).paint()


class _Painter:
    """Lays the structures of one head over its image, one after the other."""

    def __init__(
        self, points: Points, tissues: Tissues, contrast: Contrast, rng: Generator
    ) -> None:
        self.points, self.mirrored = points, _mirrored(points)
        self.tissues, self.contrast, self.rng = tissues, contrast, rng
        self.shape = (points.shape[1], points.shape[2])
        self.fine, self.coarse = (
            smooth_noise(rng, self.shape, 90),
            smooth_noise(rng, self.shape, 22),
        )
        self.image: Field = np.zeros(self.shape, np.float32)

    def fill(self, distance: _Floats, value: float | _Floats, width: float = 1.2) -> None:
        """Covers where `distance` (mm) is negative; the edge is `width` wide."""
        lay(self.image, soft_step(distance, width), value)

    def paint(self) -> Head:
        """From the outside inwards: skin, face, skull and what is in it."""
        points, hull, contrast, rng = self.points, self.tissues.depth, self.contrast, self.rng
        base = _ellipsoid(points, (0, 10, -54), (17, 24, 18))  # body of the sphenoid
        clivus = _tube(points, (0, -7, -42), (0, -27, -72), 6.5)
        depth = np.maximum(hull, -np.minimum(base, clivus)).astype(np.float32)
        bone = float(rng.uniform(5.0, 8.0)) + 0.5 * self.coarse
        scalp = float(rng.uniform(4.5, 8.5))
        surface = _head_surface(points, hull - bone - scalp, rng)

        self.fill(surface, contrast.muscle * (1 + 0.16 * self.coarse + 0.10 * self.fine))
        septa = np.clip(np.abs(smooth_noise(rng, self.shape, 24, 0.6)) * 3 - 0.2, 0, 1)
        lay(self.image, (1 - septa) * soft_step(surface + 9) * np.float32(0.55), contrast.fat * 0.8)
        self._lay_face()
        under_skin = soft_step(surface) * (1 - soft_step(surface + scalp * 0.95))
        lay(self.image, under_skin, contrast.fat * (1 + 0.08 * self.coarse))
        lay(self.image, soft_step(surface) * (1 - soft_step(surface + 1.8)), contrast.muscle * 1.25)

        self.fill(hull - bone, contrast.bone)
        diploe = soft_step(np.abs(hull - bone * 0.52) - bone * 0.2 - 0.25 * self.coarse)
        lay(self.image, diploe * np.float32(0.85), contrast.marrow * (1 + 0.15 * self.fine))
        self._lay_sphenoid(np.minimum(base, clivus))
        self._lay_spine()
        brain, white = self._lay_brain(depth)
        self._lay_vessels()
        return Head(self.image, surface < 0, depth, brain, white)

    def _lay_face(self) -> None:
        """Orbits, nose, sinuses, jaw, tongue and throat."""
        fill, p, c, fine = self.fill, self.mirrored, self.contrast, self.fine
        fat = c.fat * (1 + 0.1 * self.coarse)
        eyes = float(self.rng.uniform(-3, 3))
        fill(_ellipsoid(p, (44, 62, -72), (13, 18, 22)), fat * 0.9, 6)  # cheek
        fill(_ellipsoid(p, (36, 24, -62), (9, 14, 14)), fat * 0.75, 6)  # behind the jaw
        fill(_ellipsoid(p, (0, 52, -104), (23, 33, 16)), c.muscle * (1.35 + 0.25 * fine), 4)
        jaw = np.minimum(
            _tube(p, (50, 6, -68), (46, 16, -112), 5.5),
            _tube(p, (46, 16, -112), (8, 82, -124), 6.5),
        )
        gum = np.abs(_ellipsoid(p, (0, 52, -94), (25, 34, 40))) - 4.5
        teeth = np.maximum(gum, np.abs(p[2] + 94) - 9)
        for outline, inner in ((jaw, 2.0), (teeth, 2.4)):
            fill(outline, c.bone)
            fill(outline + inner, c.marrow * (1 + 0.2 * fine))
        fill(_ellipsoid(p, (32, 56, -41), (17, 28, 15)), c.bone)  # orbit's wall
        fill(_ellipsoid(p, (32, 57, -41), (15.5, 26, 13.5)), fat)
        for wall in ((42, 60, -41), (22, 60, -41), (32, 60, -31), (32, 60, -51)):
            fill(_tube(p, wall, (14, 28, -35), 1.9), c.muscle * 1.2)
        fill(_tube(p, (31, 58, -41), (9, 18, -31), 2.0), c.white * 0.9)
        globe = _ellipsoid(p, (32 + 0.4 * eyes, 67, -41), (12, 12, 12))
        fill(globe - 1.2, c.muscle * 1.1)
        fill(globe, c.fluid)
        fill(_ellipsoid(p, (32 + 0.4 * eyes, 75.5, -41), (4.5, 2.2, 4.5)), c.muscle)
        nasal = _ellipsoid(p, (0, 60, -66), (16, 32, 20))
        ethmoid = _ellipsoid(p, (9, 56, -44), (8, 22, 9))
        for cavity in (
            nasal,
            _ellipsoid(p, (30, 58, -71), (13, 17, 15)),  # maxillary sinus
            ethmoid,
            _ellipsoid(p, (9, 83, -25), (8, 3.5, 8)),  # frontal sinus
            _ellipsoid(p, (0, 17, -78), (13, 12, 13)),  # nasopharynx
        ):
            fill(cavity - 2.5, c.bone)
            fill(cavity - 1.2, c.enhancing * 0.75)
            fill(cavity, 0.02)
        lay(self.image, soft_step(ethmoid) * np.clip(fine * 1.5, 0, 1), c.enhancing * 0.6)
        turbinates = np.minimum(
            _ellipsoid(p, (8, 58, -72), (4.2, 22, 5.5)),
            _ellipsoid(p, (7.5, 58, -60), (3.2, 17, 4.5)),
        )
        fill(np.minimum(turbinates, np.maximum(p[0] - 1.3, nasal)), c.enhancing * 0.8)
        fill(_ellipsoid(p, (0, 56, -86), (25, 33, 2.6)), c.bone * 1.5)  # palate
        fill(_tube(p, (0, 8, -86), (0, 4, -140), 6.5), 0.02)  # throat
        mastoid = _ellipsoid(p, (54, -32, -54), (14, 15, 17))
        fill(mastoid, np.clip(c.bone + 0.22 * np.clip(fine, 0, 2), 0, 1), 4)

    def _lay_sphenoid(self, solid: Field) -> None:
        """Body of the sphenoid with its sinus, the clivus, and the gland in its fossa."""
        fill, points, c, rng = self.fill, self.points, self.contrast, self.rng
        fill(solid, c.bone)
        fill(solid + 2, c.marrow * (1.1 + 0.15 * self.fine))
        size = float(rng.uniform(0.7, 1.1))
        sinus = _ellipsoid(points, (0, 22, -50), (14 * size, 13 * size, 10 * size))
        fill(sinus - 2.4, c.bone)
        fill(sinus - 1.2, c.enhancing * 0.7)
        fill(np.maximum(sinus, 0.8 - np.abs(points[0] - 2)), 0.02)
        wide, long, high = (float(rng.uniform(*of)) for of in ((5.5, 7.5), (4, 5.5), (2.2, 3.6)))
        fill(_ellipsoid(points, SELLA, (wide, long, high)), c.enhancing * 0.8)
        fill(_tube(points, SELLA, (0, 0, -20), 1.1), c.enhancing * 0.7)  # stalk
        cavernous = _ellipsoid(self.mirrored, (13, 2, -35), (5, 11, 6.5))
        fill(cavernous, c.enhancing * 0.62)

    def _lay_spine(self) -> None:
        """First vertebrae, canal and cord."""
        fill, points, c = self.fill, self.points, self.contrast
        dens = np.minimum(
            _tube(points, (0, -22, -82), (0, -18, -98), 6.5),
            _tube(points, (0, -17, -112), (0, -15, -136), 10.5),
        )
        fill(dens - 2, c.bone)
        fill(dens, c.marrow)
        canal = _tube(points, (0, -45, -62), (0, -45, -145), 9.5)
        fill(canal - 3, c.bone * 2)
        fill(canal, c.fluid)
        fill(_tube(points, (0, -44, -66), (0, -44, -145), 6.0), c.white * 0.95)

    def _lay_brain(self, depth: Field) -> tuple[Field, Field]:
        """Cerebrospinal fluid, grey and white matter; returns the brain's and white's share."""
        tissues, c = self.tissues, self.contrast
        self.fill(depth, c.fluid, 1.0)
        atrophy, power = float(self.rng.uniform(-0.06, 0.06)), float(self.rng.uniform(1.6, 2.6))
        total = np.clip(tissues.grey + tissues.white, 0, 1)
        brain = _sharpen(np.clip(total - atrophy, 0, 1), power + 0.6) * soft_step(depth + 0.6, 1.5)
        white = _sharpen(np.clip(tissues.white, 0, 1), power) * brain
        detail = tissues.t1 - (0.62 * tissues.grey + 0.88 * tissues.white)
        sign = 1.0 if c.white > c.grey else -1.0
        grey_level = c.grey * (1 + 0.02 * self.fine) + sign * 0.25 * np.clip(detail, -0.2, 0.2)
        value = grey_level + (c.white - c.grey) * white / np.maximum(brain, 0.05)
        lay(self.image, brain.astype(np.float32), value.astype(np.float32))
        return brain.astype(np.float32), white.astype(np.float32)

    def _lay_vessels(self) -> None:
        """Dura, falx, venous sinuses and the arteries at the base."""
        fill, points, hull, c = self.fill, self.points, self.tissues.depth, self.contrast
        fill(np.abs(hull - 0.3) - 0.5, c.enhancing * 0.5)
        bend = float(self.rng.uniform(-1.5, 1.5))
        falx = np.maximum(np.abs(points[0] - bend * points[1] / 60) - 0.55, -hull - 34)
        falx = np.maximum(falx, np.maximum(hull, -points[2] - 2))
        lay(self.image, soft_step(falx.astype(np.float32)) * np.float32(0.55), c.enhancing * 0.55)
        sinus = np.maximum(np.abs(points[0]) - 4 + 0.4 * np.abs(hull), np.abs(hull + 3.5) - 4)
        fill(np.maximum(sinus, -points[2] - 15).astype(np.float32), c.blood)  # sagittal
        wide = float(self.rng.uniform(0.75, 1.3))
        for start, end, radius in _VESSELS:
            fill(_tube(self.mirrored, start, end, radius * wide), c.blood)


def _head_surface(points: Points, vault: _Floats, rng: Generator) -> Field:
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
    lean = float(rng.uniform(-4, 2))
    ear = _ellipsoid(_mirrored(points), (86 + lean, -30, -42), (3.5, 14, 24))
    return np.minimum(_smooth_minimum(vault.astype(np.float32), solid, 10), ear).astype(np.float32)


def _sharpen(probability: Field, power: float) -> Field:
    """Turns an average's blurred probability into one subject's nearly binary one."""
    p, q = probability**power, (1 - probability) ** power
    return (p / (p + q)).astype(np.float32)
