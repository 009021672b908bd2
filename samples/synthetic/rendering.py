"""Renders one image of the synthetic sample: view, contrast, head, lesion, scanner.

Every class draws its view, contrast, frame and degradation from the same distributions, and every
slice passes the sella, so that nothing but the lesion tells the classes apart.
"""

import math
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from samples.synthetic.anatomy import Field, Points, load_template
from samples.synthetic.head import Contrast, paint_head, smooth_noise
from samples.synthetic.labels import CLASSES, SPLITS, Split
from samples.synthetic.lesions import Mask, plant_lesion

PLANES = ("axial", "coronal", "sagittal")

_Range = tuple[int, int]

_CANVAS = 256  # pixels a side while painting; real series are often enlarged from this, too
CONTRASTS = (
    Contrast("t1", 0.05, 0.40, 0.68, 0.30, 0.12, 0.42, 0.57, 0.40, 0.20),
    Contrast("t1c", 0.05, 0.36, 0.66, 0.30, 0.12, 0.37, 0.49, 0.54, 0.56),
    Contrast("t2", 0.04, 0.26, 0.46, 0.22, 0.64, 0.44, 0.32, 0.40, 0.06),
    Contrast("flair", 0.05, 0.28, 0.54, 0.28, 0.10, 0.48, 0.39, 0.42, 0.10),
)
_CONTRAST_SHARES = (0.08, 0.74, 0.05, 0.13)


@dataclass(frozen=True)
class Rendering:
    """One image.

    Attributes:
        image: uint8 [H, W].
        mask: The lesion, bool [H, W]; all False for notumor.
        head: The head, bool [H, W].
        plane: axial, coronal or sagittal.
        contrast: t1, t1c, t2 or flair.
        quality: JPEG quality to store it at.
        colour: Whether it is stored as RGB (three equal channels) rather than grey.
    """

    image: NDArray[np.uint8]
    mask: Mask
    head: Mask
    plane: str
    contrast: str
    quality: int
    colour: bool

    def save(self, path: Path) -> None:
        """Writes the image as JPEG, in the quality and the colours of its own."""
        image = Image.fromarray(self.image)
        if self.colour:
            image = image.convert("RGB")
        image.save(path, "JPEG", quality=self.quality)

    def save_mask(self, path: Path) -> None:
        """Writes the mask as PNG, 0 or 255."""
        Image.fromarray(self.mask.astype("uint8") * 255).save(path, "PNG")


@dataclass(frozen=True)
class View:
    """Where a slice lies."""

    plane: str
    points: Points
    folds: Points
    pitch: float


def render(
    label: str,
    *,
    seed: int = 0,
    split: Split = "Training",
    index: int = 0,
    size: tuple[int, int] = (200, 512),
    even: bool = False,
) -> Rendering:
    """Renders image `index` of a class; the same arguments give the same pixels.

    Args:
        label: One of `CLASSES`.
        seed: The sample's seed, at least 0.
        split: Training or Testing.
        index: Which image of that class and split, from 0.
        size: Smallest and largest longer side, in pixels.
        even: Whether each contrast is as likely as any other, rather than as in the public images.

    Raises:
        ValueError: An argument is outside its range.
    """
    if label not in CLASSES:
        raise ValueError(f"label is {label!r}; expected one of {', '.join(CLASSES)}.")
    if split not in SPLITS:
        raise ValueError(f"split is {split!r}; expected one of {', '.join(SPLITS)}.")
    if seed < 0 or index < 0:
        raise ValueError(f"seed is {seed} and index {index}; both must be 0 or more.")
    key = (CLASSES.index(label), SPLITS.index(split), index)
    for attempt in range(20):
        streams = np.random.SeedSequence(seed, spawn_key=(*key, attempt)).spawn(5)
        try:
            generators = [Generator(np.random.Philox(one)) for one in streams]
            return _render(label, generators, size, even=even)
        except RuntimeError:
            continue  # this slice has no room for such a lesion
    raise RuntimeError(f"no {label} could be placed for seed {seed}, {split} image {index}")


def _render(
    label: str, streams: list[Generator], size: tuple[int, int], *, even: bool
) -> Rendering:
    of_view, of_head, of_contrast, of_lesion, of_scanner = streams
    view = draw_view(of_view)
    contrast = draw_contrast(of_contrast, even=even)
    head = paint_head(view.points, load_template().at(view.points, view.folds), contrast, of_head)
    image, mask = head.image, np.zeros(head.inside.shape, bool)
    if label != "notumor":
        image, mask = plant_lesion(label, head, view.points, view.pitch, contrast, of_lesion)
    return _acquire(image, mask, head.inside, view, contrast, of_scanner, size)


def draw_view(rng: Generator) -> View:
    """A plane through the sella: its position, tilt, scale, shear, flip, and an elastic warp."""
    plane = PLANES[int(rng.choice(3, p=(0.28, 0.36, 0.36)))]
    offsets = {"axial": (5.0, 24.0), "coronal": (-9.0, 11.0), "sagittal": (-9.0, 9.0)}
    tilts = {"axial": (-6, 18), "coronal": (-9, 9), "sagittal": (-5, 5)}
    axes = {
        "axial": ((1, 0, 0), (0, -1, 0), (0, 0, 1), (0.0, -16.0, 0.0)),
        "coronal": ((1, 0, 0), (0, 0, -1), (0, 1, 0), (0.0, 0.0, -16.0)),
        "sagittal": ((0, -1, 0), (0, 0, -1), (1, 0, 0), (0.0, -8.0, -16.0)),
    }
    across, down, normal, middle = (np.asarray(one, np.float64) for one in axes[plane])
    through = np.array([0.0, 4.0, -34.0]) + normal * rng.uniform(*offsets[plane])
    # tilt about the axis across the picture, a little about the other two
    spread = 6.0 if plane != "sagittal" else 4.0
    turn = (
        _rotation(across, rng.uniform(*tilts[plane]))
        @ _rotation(down, rng.uniform(-spread, spread))
        @ _rotation(normal, rng.uniform(-9, 9))
    )
    across, down, normal = turn @ across, turn @ down, turn @ normal
    centre = middle + normal * ((through - middle) @ normal)
    pitch = float(rng.uniform(212, 262)) / _CANVAS
    centre = centre + across * rng.uniform(-9, 9) + down * rng.uniform(-9, 9)
    if rng.random() < (0.25 if plane == "sagittal" else 0.5):
        across = -across
    grid = (np.arange(_CANVAS) - (_CANVAS - 1) / 2) * pitch
    v, u = np.meshgrid(
        grid * rng.uniform(0.93, 1.08), grid * rng.uniform(0.93, 1.08), indexing="ij"
    )
    u = u + rng.uniform(-0.07, 0.07) * v
    centre, across, down = (one[:, None, None] for one in (centre, across, down))
    points = (centre + across * u + down * v).astype(np.float32)
    points += _warp(rng, pitch, 75, 4.0)
    folds = points + _warp(rng, pitch, 34, 2.2) + _warp(rng, pitch, 16, 2.0)
    return View(plane, points, folds.astype(np.float32), pitch)


def _warp(rng: Generator, pitch: float, wavelength: float, amplitude: float) -> Points:
    """A smooth random displacement; deviation `amplitude` and `wavelength` in mm, [3, H, W]."""
    cells = _CANVAS * pitch / wavelength
    fields = [smooth_noise(rng, (_CANVAS, _CANVAS), cells) for _ in range(3)]
    return (amplitude * np.stack(fields)).astype(np.float32)


def _rotation(axis: NDArray[np.float64], degrees: float) -> NDArray[np.float64]:
    """Rotation matrix about a unit axis (Rodrigues)."""
    a = math.radians(degrees)
    x, y, z = axis
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + math.sin(a) * k + (1 - math.cos(a)) * (k @ k), np.float64)


def draw_contrast(rng: Generator, *, even: bool = False) -> Contrast:
    """An acquisition: its kind, and each tissue's brightness varied by a tenth."""
    shares = None if even else _CONTRAST_SHARES
    drawn = CONTRASTS[int(rng.choice(len(CONTRASTS), p=shares))]
    name, *levels = astuple(drawn)
    vary = rng.uniform(0.9, 1.1, len(levels))
    return Contrast(name, *(float(level * by) for level, by in zip(levels, vary, strict=True)))


def _acquire(
    image: Field,
    mask: Mask,
    head: Mask,
    view: View,
    contrast: Contrast,
    rng: Generator,
    size: tuple[int, int],
) -> Rendering:
    """The scanner and the archive: coil, blur, noise, window, frame, size."""
    shape = (image.shape[0], image.shape[1])
    bias = np.exp(np.float32(rng.uniform(0.04, 0.14)) * smooth_noise(rng, shape, 4))
    coil = 1 / (1 + np.exp((-view.points[2] - rng.uniform(124, 150)) / 9))  # fades below the head
    picture = (image * bias * coil).astype(np.float32)
    picture = gaussian_filter(picture, float(rng.uniform(0.35, 0.85)))
    deviation = float(rng.uniform(0.006, 0.025))
    real, imaginary = rng.standard_normal((2, *shape)).astype(np.float32) * np.float32(deviation)
    picture = np.hypot(picture + real, imaginary)  # Rician

    top = float(np.percentile(picture[head], rng.uniform(97.5, 99.8)))
    gamma, gain = float(rng.uniform(0.8, 1.3)), float(rng.uniform(0.8, 1.1))
    picture = gain * np.clip(picture / max(top, 1e-3), 0, 1.4) ** gamma

    rows, columns = _frame(head, rng)
    picture = _cut(picture, rows, columns)
    mask, head = _cut(mask, rows, columns), _cut(head, rows, columns)
    longer = int(rng.integers(size[0], size[1] + 1))
    scale = longer / max(picture.shape)
    new = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    resized = Image.fromarray(picture.astype(np.float32)).resize(new, Image.Resampling.BICUBIC)
    pixels = np.clip(np.rint(np.asarray(resized) * 255), 0, 255).astype(np.uint8)
    flags = [
        np.asarray(Image.fromarray(m.astype(np.uint8) * 255).resize(new, Image.Resampling.BILINEAR))
        >= 128
        for m in (mask, head)
    ]
    return Rendering(
        pixels,
        flags[0],
        flags[1],
        view.plane,
        contrast.name,
        quality=int(rng.integers(72, 97)),
        colour=bool(rng.random() < 0.5),
    )


def _frame(head: Mask, rng: Generator) -> tuple[_Range, _Range]:
    """First and last row and column of the picture; may lie outside the canvas (black border)."""
    kind = rng.random()
    height, width = head.shape
    if kind < 0.25:  # the whole canvas
        return (0, height), (0, width)
    margins = rng.integers(2, 52, 4)
    filled_rows, filled_columns = np.flatnonzero(head.any(1)), np.flatnonzero(head.any(0))
    top, bottom = int(filled_rows[0] - margins[0]), int(filled_rows[-1] + 1 + margins[1])
    left, right = int(filled_columns[0] - margins[2]), int(filled_columns[-1] + 1 + margins[3])
    if kind < 0.5:  # cropped to the head, made square
        grow = (bottom - top) - (right - left)
        if grow > 0:
            left, right = left - grow // 2, right + (grow - grow // 2)
        else:
            top, bottom = top + grow // 2, bottom - (grow - grow // 2)
    return (top, bottom), (left, right)


def _cut(array: NDArray[Any], rows: _Range, columns: _Range) -> NDArray[Any]:
    """`array[rows, columns]`, zero outside it."""
    around = np.pad(array, _CANVAS)  # no frame reaches further
    return around[
        rows[0] + _CANVAS : rows[1] + _CANVAS, columns[0] + _CANVAS : columns[1] + _CANVAS
    ]
