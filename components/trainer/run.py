"""TFX Trainer's entry point: trains the classifier and exports everything that others load."""

import json
import logging
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tfx.components.trainer.fn_args_utils import FnArgs

from components.disclaimer import DISCLAIMER
from components.errors import PipelineError
from components.trainer.config import ModelConfig, TrainConfig
from components.trainer.history import write_history
from components.trainer.inputs import read_batches
from components.trainer.model import build_model
from components.trainer.progress import LogProgress
from components.trainer.signatures import ServingModule, export_saved_model
from components.trainer.weights import load_weights, resolve_weights
from components.transform.config import TransformConfig

_LOG = logging.getLogger(__name__)


def run_fn(fn_args: FnArgs) -> None:
    """Trains on the transformed train split and exports the model.

    Beside the SavedModel's folder it leaves `model.keras` and `model.h5` (pixels to
    probabilities), `history.json` and `curves.png`.

    Args:
        fn_args: Files and folders from TFX; `custom_config` holds `classes`, the names in the order
            of ingest's class index, and the fields of `model`, `train` and `transform`.

    Raises:
        PipelineError: The loss is no longer a number.
        WeightsError: VGG16's weights cannot be had or do not fit.
    """
    model_config = ModelConfig.model_validate(fn_args.custom_config["model"])
    train = TrainConfig.model_validate(fn_args.custom_config["train"])
    transform = TransformConfig.model_validate(fn_args.custom_config["transform"])
    classes = list(fn_args.custom_config["classes"])

    keras.utils.set_random_seed(train.seed)
    model = build_model(
        model_config,
        image_size=transform.image_size,
        class_count=len(classes),
        weights=_weights(model_config),
    )
    history = _fit(model, train, transform, fn_args)

    serving_model = Path(fn_args.serving_model_dir)
    export_saved_model(ServingModule(model, transform, classes), serving_model)
    _write_metadata(serving_model / "assets.extra", classes, transform)
    model.save(serving_model.parent / "model.keras")
    model.save(serving_model.parent / "model.h5", include_optimizer=False)
    write_history(history, serving_model.parent)


def _fit(
    model: keras.Model, train: TrainConfig, transform: TransformConfig, fn_args: FnArgs
) -> dict[str, list[float]]:
    batches = read_batches(fn_args.train_files, train, transform.image_size, training=True)
    held_out = read_batches(fn_args.eval_files, train, transform.image_size, training=False)
    images = sum(1 for _ in tf.data.TFRecordDataset(tf.io.gfile.glob(fn_args.train_files), "GZIP"))
    _LOG.info("training on %s images", f"{images:,}")
    model.compile(
        optimizer=keras.optimizers.Adam(train.learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    history = model.fit(
        batches,
        validation_data=held_out,
        epochs=train.epochs,
        verbose=0,
        callbacks=[
            LogProgress(images, train.batch_size),
            keras.callbacks.TerminateOnNaN(),
            keras.callbacks.TensorBoard(fn_args.model_run_dir, write_graph=False),
        ],
    ).history
    if not np.isfinite(history["loss"][-1]):
        raise PipelineError(
            f"Training diverged in epoch {len(history['loss'])}: the loss is not a number. "
            f"Lower train.learning_rate (it was {train.learning_rate})."
        )
    return {name: [float(value) for value in values] for name, values in history.items()}


def _weights(config: ModelConfig) -> dict[str, np.ndarray[Any, np.dtype[np.float32]]] | None:
    if config.weights == "random":
        return None
    _LOG.info("loading VGG16's weights")
    path = None if config.weights == "imagenet" else Path(config.weights)
    return load_weights(resolve_weights(path))


def _write_metadata(folder: Path, classes: list[str], transform: TransformConfig) -> None:
    folder.mkdir()
    metadata = {
        "classes": classes,
        "preprocessing": transform.model_dump(),
        "intended_use": DISCLAIMER,
    }
    (folder / "metadata.json").write_text(json.dumps(metadata, indent=2) + "\n", encoding="utf-8")
