"""Tells which trainings are the same: of the same settings, weights, images and code."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel

from components.errors import PipelineError
from components.trainer.weights.exported import exported_digest

_DECIDE_NOTHING = ("weights", "cache", "cache_gigabytes")
"""Settings of where something lies and what room it may take. What lies there does decide."""


def identity(*parts: Any) -> str:
    """Digests what a training, or a part of it, depends on.

    Where the cache and the file of weights lie, and how much room features may take, is left out
    of settings: `initial_weights`, or the weights themselves, are a part of their own.

    Args:
        *parts: Settings, arrays, and whatever else JSON can hold.

    Returns:
        32 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(_content(part)).digest())
    return digest.hexdigest()[:32]


def initial_weights(weights: str | Path) -> str:
    """Says which weights a training begins with.

    Args:
        weights: The setting `model.weights`.

    Returns:
        Of a file its digest, as another one may have its name by the next run; else the setting.

    Raises:
        PipelineError: The file cannot be read now, which says nothing of the file.
    """
    if isinstance(weights, Path):
        try:
            return exported_digest(weights.expanduser())
        except (FileNotFoundError, NotADirectoryError):
            pass  # explained where it is loaded
        except OSError as error:
            raise PipelineError(
                f"This machine could not read {weights} ({error.strerror}): run again when that is "
                "corrected."
            ) from error
    return str(weights)


def _content(part: Any) -> bytes:
    if isinstance(part, np.ndarray):
        return f"{part.dtype} {part.shape} ".encode() + part.tobytes()
    if isinstance(part, BaseModel):
        part = _deciding(part.model_dump(mode="json"))
    return json.dumps(part, sort_keys=True).encode()


def _deciding(settings: Any) -> Any:
    """Settings without those that decide nothing, at any depth."""
    if not isinstance(settings, dict):
        return settings
    return {
        name: _deciding(value) for name, value in settings.items() if name not in _DECIDE_NOTHING
    }
