"""Where a slice lies (PS3.3 C.7.6.2.1.1): x to the patient's left, y to the back, z up."""

import math
from typing import Any

import numpy as np

from imaging.dicom.elements import functional, numbers


def plane(dataset: Any, frame: int) -> str | None:
    """The plane nearest to a frame's.

    Args:
        dataset: The image's elements.
        frame: Which frame, from 0.

    Returns:
        `sagittal`, `coronal` or `axial`; None if the image says none.
    """
    cosines = _cosines(dataset, frame)
    if len(cosines) != 6:
        return None
    normal = np.abs(np.cross(cosines[:3], cosines[3:]))
    return ("sagittal", "coronal", "axial")[int(normal.argmax())] if normal.max() > 0.5 else None


def along_normal(dataset: Any) -> float | None:
    """Where the first frame lies along the normal of its plane.

    Args:
        dataset: The image's elements.

    Returns:
        Millimetres; None if the image does not say.
    """
    corner = numbers(functional(dataset, 0, "PlanePositionSequence", "ImagePositionPatient"))
    cosines = _cosines(dataset, 0)
    if len(corner) != 3 or len(cosines) != 6:
        return None
    along = float(np.dot(np.cross(cosines[:3], cosines[3:]), corner))
    return along if math.isfinite(along) else None


def _cosines(dataset: Any, frame: int) -> list[float]:
    """Those of a row, then those of a column, from the patient's axes."""
    return list(
        numbers(functional(dataset, frame, "PlaneOrientationSequence", "ImageOrientationPatient"))
    )
