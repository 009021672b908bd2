"""Where a model's SavedModel lies, apart from what loads it."""

from pathlib import Path

from tfx import types
from tfx.utils import path_utils

from components.servable import SAVED_MODEL_FILE


def saved_model(model: types.Artifact) -> Path:
    """The folder of a model's SavedModel."""
    return Path(path_utils.serving_model_path(model.uri))


def is_there(model: types.Artifact) -> bool:
    """Whether a model's files are where they were written."""
    return (saved_model(model) / SAVED_MODEL_FILE).is_file()
