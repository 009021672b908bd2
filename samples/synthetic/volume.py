"""Renders whole series of one synthetic patient: the same head and lesion in every slice.

All that tells one patient from another is a function of the place in millimetres, so that series of
other planes and contrasts cut through the same head: the warp, the lesion, and what it pushes away.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.random import Generator, Philox, SeedSequence
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from samples.synthetic.anatomy import Field, Points, load_template
from samples.synthetic.head import SELLA, Contrast, Head, lay, paint_head, soft_step
from samples.synthetic.lesions import LOOKS

Vector = NDArray[np.float64]

_TO_MNI = np.array((-1.0, -1.0, 1.0))
"""DICOM's x runs to the left and its y to the back (PS3.3 C.7.6.2.1.1), those of MNI do not."""
_WAVES = 10
_GRID = 6.0  # mm, of the places that are tried for a lesion


@dataclass(frozen=True)
class Geometry:
    """Where the slices of a series lie, in DICOM's patient coordinates, mm.

    Attributes:
        first: The centre of the first pixel of the first slice.
        across: Unit vector along a row.
        down: Unit vector along a column.
        side: Pixels along each.
        pitch: From pixel to pixel.
        slices: How many there are.
        gap: From slice to slice.
    """

    first: Vector
    across: Vector
    down: Vector
    side: int
    pitch: float
    slices: int
    gap: float

    @staticmethod
    def around(
        centre: Vector,
        across: Vector,
        down: Vector,
        *,
        side: int,
        pitch: float,
        slices: int,
        gap: float,
    ) -> "Geometry":
        """Puts the middle of a series at a place."""
        half = (side - 1) / 2 * pitch
        normal = np.cross(across, down)
        first = centre - half * (across + down) - (slices - 1) / 2 * gap * normal
        return Geometry(first, across, down, side, pitch, slices, gap)

    def position(self, index: int) -> Vector:
        """The centre of the first pixel of a slice (ImagePositionPatient)."""
        return np.asarray(self.first + index * self.gap * np.cross(self.across, self.down))

    def points(self, index: int) -> Points:
        """The pixels of a slice in MNI coordinates, float32 [3, side, side]."""
        steps = np.arange(self.side) * self.pitch
        place = self.position(index)[:, None, None]
        place = place + self.down[:, None, None] * steps[None, :, None]
        place = place + self.across[:, None, None] * steps[None, None, :]
        return np.asarray(place * _TO_MNI[:, None, None], np.float32)


class Waves:
    """A smooth random field of unit deviation, defined at every place."""

    def __init__(self, rng: Generator, wavelength: float) -> None:
        """Draws it; `wavelength` is that of its features in mm."""
        directions = rng.standard_normal((_WAVES, 3))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        lengths = wavelength * rng.uniform(0.7, 1.5, (_WAVES, 1))
        self._numbers = (2 * np.pi * directions / lengths).astype(np.float32)
        self._phases = rng.uniform(0, 2 * np.pi, _WAVES).astype(np.float32)

    def at(self, points: Points) -> Field:
        """Its values, float32 [H, W], at points [3, H, W]."""
        total = np.zeros(points.shape[1:], np.float32)
        for numbers, phase in zip(self._numbers, self._phases, strict=True):
            total += np.cos(np.tensordot(numbers, points, 1) + phase)
        return np.asarray(total * np.float32(np.sqrt(2 / _WAVES)), np.float32)


@dataclass(frozen=True)
class _Lesion:
    label: str
    centre: Vector
    radius: float
    ragged: Waves
    fine: Waves
    oedema: float

    def ring(self, points: Points) -> Field:
        """Signed distance in mm to the lesion's surface, about, [H, W]; negative inside."""
        gap = points - self.centre.astype(np.float32)[:, None, None]
        rough = {"glioma": 0.13, "meningioma": 0.05, "pituitary": 0.05}[self.label]
        distance = np.sqrt((gap * gap).sum(0)) * (1 + rough * self.ragged.at(points))
        return np.asarray(distance - self.radius, np.float32)


class Patient:
    """A head, with or without a lesion, of which series are taken."""

    def __init__(self, label: str, seed: int, index: int) -> None:
        """Draws the patient; the same arguments give the same.

        Args:
            label: A class of the sample.
            seed: The sample's seed.
            index: Which patient.
        """
        sequence = SeedSequence(seed, spawn_key=(71, index))
        streams = sequence.spawn(5)
        shape, place, self._texture, self._scanner, pose = streams
        rng = Generator(Philox(shape))
        self._warp = [Waves(rng, 80) for _ in range(3)]
        self._folds = [Waves(rng, 30) for _ in range(3)]
        self._bias = Waves(rng, 160)
        self.lesion = None if label == "notumor" else _draw_lesion(label, Generator(Philox(place)))
        turn = Generator(Philox(pose))
        self.tilt = turn.uniform(-8, 8), turn.uniform(-4, 4)
        """Degrees by which the planes of this patient are tilted: to the front, to the side."""

    def slices(self, geometry: Geometry, contrast: Contrast, noise: int) -> Iterator[Field]:
        """Takes a series, slice by slice.

        Args:
            geometry: Where the slices lie.
            contrast: The acquisition.
            noise: Another number gives other noise.

        Yields:
            Brightness, float32 [side, side], 0 and more, about 1 where it is bright.
        """
        rng = Generator(Philox(replace_key(self._scanner, noise)))
        for index in range(geometry.slices):
            image = self._paint(geometry.points(index), contrast)
            real, imaginary = rng.standard_normal((2, *image.shape)).astype(np.float32) * 0.012
            yield np.asarray(np.hypot(gaussian_filter(image, 0.5) + real, imaginary), np.float32)

    def _paint(self, points: Points, contrast: Contrast) -> Field:
        place = points + 3.0 * np.stack([one.at(points) for one in self._warp])
        folds = place + 1.8 * np.stack([one.at(place) for one in self._folds])
        lesion = self.lesion
        ring = lesion.ring(place) if lesion else None
        if lesion is not None and ring is not None:  # brain tissue gives way, the skull does not
            away = place - lesion.centre.astype(np.float32)[:, None, None]
            away /= np.sqrt((away * away).sum(0)) + 1e-3
            folds -= away * (0.25 * lesion.radius * np.exp(-np.clip(ring, 0, None) / 14))
        tissues = load_template().at(place.astype(np.float32), folds.astype(np.float32))
        head = paint_head(
            place.astype(np.float32), tissues, contrast, Generator(Philox(self._texture))
        )
        if lesion is not None and ring is not None:
            _lay_lesion(head, lesion, ring, place, contrast)
        return np.asarray(head.image * np.exp(0.08 * self._bias.at(points)), np.float32)


def replace_key(sequence: SeedSequence, number: int) -> SeedSequence:
    """A stream beside another."""
    return SeedSequence(sequence.entropy, spawn_key=(*sequence.spawn_key, number))


def vary(contrast: Contrast, rng: Generator) -> Contrast:
    """An acquisition with each tissue's brightness varied by a twentieth."""
    levels = {
        name: value * float(rng.uniform(0.95, 1.05))
        for name, value in vars(contrast).items()
        if name != "name"
    }
    return replace(contrast, **levels)


def _draw_lesion(label: str, rng: Generator) -> _Lesion:
    radius = float(rng.uniform(15, 20) if label != "pituitary" else rng.uniform(12, 15))
    if label == "pituitary":
        centre = np.array([0.0, SELLA[1], SELLA[2] + radius * rng.uniform(0.3, 0.6)])
    else:
        centre = _site(label, radius, rng)
    return _Lesion(label, centre, radius, Waves(rng, 26), Waves(rng, 7), float(rng.uniform(5, 9)))


def _site(label: str, radius: float, rng: Generator) -> Vector:
    """Where a glioma or a meningioma grows: in white matter, or broad against the skull."""
    axes = [np.arange(low, high, _GRID) for low, high in ((-60, 61), (-90, 61), (-20, 61))]
    grid = np.stack(np.meshgrid(*axes, indexing="ij")).reshape(3, -1, 1).astype(np.float32)
    tissues = load_template().at(grid, grid)
    depth = tissues.depth.ravel()
    if label == "glioma":
        fits = (tissues.white.ravel() > 0.6) & (depth < -22)
    else:
        fits = np.abs(depth + 0.5 * radius) < 3
    places = grid[:, :, 0].T[fits]
    return np.asarray(places[int(rng.integers(len(places)))], np.float64)


def _lay_lesion(
    head: Head, lesion: _Lesion, ring: Field, points: Points, contrast: Contrast
) -> None:
    look, image = LOOKS[contrast.name], head.image
    texture = 1 + 0.05 * lesion.fine.at(points)
    if lesion.label == "glioma":
        inside = soft_step(head.depth + 1.0)
        spread = ring - lesion.oedema * (0.4 + head.white)
        lay(image, soft_step(spread, 4.0) * inside * np.float32(0.8), look.oedema * texture)
        lay(image, soft_step(ring, 1.6) * inside, look.rim * texture)
        core = ring + 0.38 * lesion.radius * (1 + 0.3 * lesion.fine.at(points))
        lay(image, soft_step(core, 2.0) * inside, look.core * texture)
    elif lesion.label == "meningioma":
        inside = soft_step(head.depth + 0.1)
        lay(image, soft_step(np.abs(ring - 0.9) - 0.7) * inside * np.float32(0.75), contrast.fluid)
        tail = soft_step(np.abs(head.depth + 0.5) - 0.9) * soft_step(ring - 0.45 * lesion.radius, 4)
        lay(image, tail * np.float32(0.8), look.solid * 0.9)
        lay(image, soft_step(ring) * inside, look.solid * texture)
    else:
        within = head.inside.astype(np.float32)
        lay(image, soft_step(np.abs(ring - 0.6) - 0.5) * within * np.float32(0.6), contrast.bone)
        lay(image, soft_step(ring) * within, look.solid * texture)


def rotation(axis: int, degrees: float) -> NDArray[Any]:
    """Rotation matrix [3, 3] about an axis of the patient."""
    a = np.radians(degrees)
    first, second = [i for i in range(3) if i != axis]
    turn = np.eye(3)
    turn[first, first] = turn[second, second] = np.cos(a)
    turn[first, second], turn[second, first] = -np.sin(a), np.sin(a)
    return turn
