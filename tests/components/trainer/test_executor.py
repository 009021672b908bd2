"""What the Trainer records of a model beside what TFX's does."""

import hashlib
import json
from pathlib import Path

import pytest
from artifacts import artifact
from tfx.types import artifact_utils, standard_artifacts

from components.trainer.executor import TrainerExecutor

pytestmark = pytest.mark.long


def train(fn_args) -> None:
    """A training that writes files and no more."""
    exported = Path(fn_args.serving_model_dir)
    exported.mkdir(parents=True)
    for name in ("model.h5", "model.keras"):
        (exported.parent / name).write_bytes(name.encode())


def test_what_the_files_of_the_weights_hold_is_recorded_on_the_model(tmp_path):
    examples = artifact(standard_artifacts.Examples, tmp_path / "examples")
    examples.split_names = artifact_utils.encode_split_names(["train", "eval"])
    model = artifact(standard_artifacts.Model, tmp_path / "model")
    run = artifact(standard_artifacts.ModelRun, tmp_path / "run")
    TrainerExecutor().Do(
        {"examples": [examples]},
        {"model": [model], "model_run": [run]},
        {
            "run_fn": f"{__name__}.train",
            "train_args": json.dumps({"splits": ["train"]}),
            "eval_args": json.dumps({"splits": ["eval"]}),
            "custom_config": "null",
        },
    )
    for name in ("model.h5", "model.keras"):
        recorded = model.get_string_custom_property(f"{name}.sha256")
        assert recorded == hashlib.sha256(name.encode()).hexdigest()
