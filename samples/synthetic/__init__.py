"""A synthetic brain MRI data set: real anatomy, painted tumours, no patient, no download.

Importing this package is free; numpy, scipy, Pillow, nibabel and the MNI152 template (in the
nilearn wheel; credit and licence in `anatomy.py` and docs/sample-data.md) are loaded on first use.
"""

import importlib
from pathlib import Path
from typing import Any

from samples.synthetic.errors import SampleError, TakenError
from samples.synthetic.labels import CLASSES
from samples.synthetic.sample import GENERATOR_VERSION, write_sample

__all__ = [
    "CLASSES",
    "GENERATOR_VERSION",
    "SampleError",
    "TakenError",
    "write_patients",
    "write_sample",
]


def write_patients(out: Path, **options: Any) -> bool:
    """Writes synthetic patients as DICOM; see `samples.synthetic.patients.write_patients`."""
    written: bool = importlib.import_module("samples.synthetic.patients").write_patients(
        out, **options
    )
    return written


def __getattr__(name: str) -> Any:
    """Loads the renderer, and with it numpy, only when it is asked for."""
    if name == "render":
        return importlib.import_module("samples.synthetic.rendering").render
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
