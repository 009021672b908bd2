"""A synthetic brain MRI data set: real anatomy, painted tumours, no patient, no download.

Importing this package is free; numpy, scipy, Pillow, nibabel and the MNI152 template (in the
nilearn wheel; credit and licence in `anatomy.py` and docs/sample-data.md) are loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from samples.synthetic.errors import SampleError
from samples.synthetic.labels import CLASSES, SPLITS, Split
from samples.synthetic.sample import GENERATOR_VERSION, SampleSummary, write_sample

if TYPE_CHECKING:
    from samples.synthetic.rendering import Rendering, render

__all__ = [
    "CLASSES",
    "GENERATOR_VERSION",
    "SPLITS",
    "Rendering",
    "SampleError",
    "SampleSummary",
    "Split",
    "render",
    "write_sample",
]


def __getattr__(name: str) -> Any:
    """Loads the renderer, and with it numpy, only when it is asked for."""
    if name in ("Rendering", "render"):
        import importlib

        module = importlib.import_module("samples.synthetic.rendering")
        globals()[name] = getattr(module, name)
        return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
