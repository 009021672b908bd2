"""Where the tissues of a head lie, from the MNI152 template that the nilearn wheel carries.

The template files are read straight from the installed wheel with nibabel: no nilearn code runs,
nothing is downloaded. They are the ICBM 2009a nonlinear symmetric average (Fonov et al., 2011),
1 mm, without the skull: a T1-weighted average and the grey and white matter probabilities.

Copyright (C) 1993-2004 Louis Collins, McConnell Brain Imaging Centre, Montreal Neurological
Institute, McGill University. Permission to use, copy, modify, and distribute the template for any
purpose and without fee is granted, provided that this copyright notice appears in all copies.

Coordinates are MNI millimetres throughout: x to the right, y to the front, z upwards.
"""

import functools
import importlib.util
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from samples.synthetic.errors import SampleError

Field = NDArray[np.float32]
"""A float32 image [H, W]; `Points` are three of them, [3, H, W], in millimetres."""
Points = NDArray[np.float32]

_FILES = [f"mni_icbm152_{one}_tal_nlin_sym_09a_converted.nii.gz" for one in ("t1", "gm", "wm")]
_ORIGIN = np.array((-98, -134, -72), np.float32)  # of voxel 0, 0, 0 of the template, in mm
_SHAPE = (197, 233, 189)
_COARSE = 2.0  # mm: the skull's inner surface is smooth, so its distance map needs no more
_COARSE_LOW = np.array((-112, -150, -142), np.float32)
_COARSE_SHAPE = (112, 140, 136)
_SULCUS = 14.0  # mm: narrower gaps in the brain mask belong to the inside of the skull


@dataclass(frozen=True)
class Tissues:
    """What the template says at each pixel of a slice.

    Attributes:
        t1: T1-weighted intensity, float32 [H, W] in [0, 1].
        grey: Probability of grey matter, float32 [H, W] in [0, 1].
        white: Probability of white matter, float32 [H, W] in [0, 1].
        depth: Signed distance to the inside of the skull in mm, negative within, float32 [H, W].
    """

    t1: Field
    grey: Field
    white: Field
    depth: Field


@dataclass(frozen=True)
class Template:
    """The volumes: t1, grey, white (uint8, 1 mm) and the distance map (float32, 2 mm)."""

    t1: NDArray[np.uint8]
    grey: NDArray[np.uint8]
    white: NDArray[np.uint8]
    distance: Field

    def at(self, points: Points, folds: Points) -> Tissues:
        """Samples the volumes, trilinearly.

        Args:
            points: Where the skull's distance is read, in mm, float32 [3, H, W].
            folds: Where the brain is read, the same points with this subject's own folding.
        """
        fine = folds - _ORIGIN[:, None, None]
        coarse = (points - _COARSE_LOW[:, None, None]) / np.float32(_COARSE)
        return Tissues(
            t1=_trilinear(self.t1, fine) / np.float32(255),
            grey=_trilinear(self.grey, fine) / np.float32(255),
            white=_trilinear(self.white, fine) / np.float32(255),
            depth=_trilinear(self.distance, coarse),
        )


def _trilinear(volume: NDArray[np.uint8] | Field, index: Points) -> Field:
    mode = "nearest" if volume.dtype == np.float32 else "constant"
    out: Field = ndimage.map_coordinates(volume, index, output=np.float32, order=1, mode=mode)
    return out


@functools.lru_cache(maxsize=1)
def load_template() -> Template:
    """Reads the template once a process (about a second).

    Raises:
        SampleError: nilearn is not installed or its wheel does not carry the template.
    """
    spec = importlib.util.find_spec("nilearn")
    if spec is None or not spec.submodule_search_locations:
        raise SampleError(
            "The synthetic sample is made from the MNI152 template in the nilearn package, which "
            "is not installed here: install it with `pip install nilearn nibabel scipy`."
        )
    folder = Path(next(iter(spec.submodule_search_locations))) / "datasets" / "data"
    t1, grey, white = (_read(folder / name) for name in _FILES)
    return Template(t1=t1, grey=grey, white=white, distance=_skull_distance(t1))


def _read(path: Path) -> NDArray[np.uint8]:
    try:
        image = nibabel.load(path)
        data = np.asarray(image.dataobj, dtype=np.uint8)
    except (OSError, ValueError, EOFError) as error:
        raise SampleError(
            f"The MNI152 template {path} could not be read ({error}): reinstall nilearn."
        ) from error
    if data.shape != _SHAPE:
        raise SampleError(
            f"The MNI152 template {path} has shape {data.shape}, but {_SHAPE} was expected: "
            "install the nilearn version of the lock file."
        )
    return data


def _skull_distance(t1: NDArray[np.uint8]) -> Field:
    """Signed distance in mm, on the coarse grid, to a smooth hull around the brain."""
    distance = ndimage.distance_transform_edt
    half = t1[::2, ::2, ::2] > 0
    before = ((_ORIGIN - _COARSE_LOW) / _COARSE).round().astype(int)
    inside = np.pad(half, np.stack([before, _COARSE_SHAPE - before - half.shape], axis=1))
    grown = distance(~inside) * _COARSE < _SULCUS
    hull = inside | (distance(grown) * _COARSE > _SULCUS)
    signed = _COARSE * (distance(~hull) - distance(hull))
    smooth: Field = ndimage.gaussian_filter(signed, 1.8).astype(np.float32)
    return smooth
