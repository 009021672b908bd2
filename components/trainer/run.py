"""TFX Trainer's entry point: trains the classifier and exports everything that others load."""

import hashlib
import json
import logging
import shutil
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import keras
import numpy as np
from tfx.components.trainer.fn_args_utils import FnArgs

from components.disclaimer import DISCLAIMER
from components.errors import PipelineError
from components.trainer.confidence import Confidence, fit_confidence
from components.trainer.config import ConfidenceConfig, ModelConfig, TrainConfig
from components.trainer.features import FrozenFeatures, FrozenPrefix
from components.trainer.history import write_history
from components.trainer.inputs import decode_pixels, read_images
from components.trainer.model import build_model
from components.trainer.observations import FEATURE_LAYER, Observations, observe
from components.trainer.precision import resolve_precision
from components.trainer.signatures import ServingModule, export_saved_model
from components.trainer.split_model import split_model, take_weights
from components.trainer.strategy import strategy_scope
from components.trainer.training import train
from components.trainer.weights import load_weights, resolve_weights
from components.transform.config import TransformConfig

_LOG = logging.getLogger(__name__)
_BATCH = 64
_OBSERVED = 2_000
"""Images of a split, at most, that calibration and the foreign-image score are fitted on."""


def run_fn(fn_args: FnArgs) -> None:
    """Trains on the transformed train split and exports the model.

    Beside the SavedModel's folder it leaves `model.keras` and `model.h5` (pixels to
    probabilities), `history.json` and `curves.png`.

    Args:
        fn_args: Files and folders from TFX; `custom_config` holds `classes`, the names in the order
            of ingest's class index, `cache`, the folder for what outlives a run, and the fields of
            `model`, `train`, `confidence` and `transform`.

    Raises:
        PipelineError: A class has no image, the loss is no longer a number, or there is no room.
        WeightsError: VGG16's weights cannot be had or do not fit.
    """
    model_config = ModelConfig.model_validate(fn_args.custom_config["model"])
    config = TrainConfig.model_validate(fn_args.custom_config["train"])
    confidence_config = ConfidenceConfig.model_validate(fn_args.custom_config["confidence"])
    transform = TransformConfig.model_validate(fn_args.custom_config["transform"])
    classes = list(fn_args.custom_config["classes"])
    cache = Path(fn_args.custom_config["cache"])

    keras.utils.set_random_seed(config.seed)
    model = build_model(
        model_config,
        image_size=transform.image_size,
        class_count=len(classes),
        weights=_weights(model_config),
    )
    with strategy_scope(config.strategy):
        parts = split_model(model, resolve_precision(config.precision))
    frozen = FrozenPrefix(
        parts.prefix, transform.image_size, cache / "features", config.cache_gigabytes * 1e9
    )
    original = config.augment.model_copy(update={"versions": 1, "keep_original": True})
    features = frozen.features(lambda: read_images(fn_args.train_files), config.augment)
    held_out = frozen.features(lambda: read_images(fn_args.eval_files), original)
    _check_classes(features, classes)

    _LOG.info("training on %s images", f"{len(features.digests):,}")
    state = cache / "training" / _identity(fn_args, features, held_out)
    tensorboard = keras.callbacks.TensorBoard(fn_args.model_run_dir, write_graph=False)
    history = train(parts.tail, features, held_out, config, state, (tensorboard,))
    take_weights(model, parts.tail)

    _LOG.info("fitting calibration and the foreign-image score")
    confidence = fit_confidence(
        _observe(model, parts.cut, features, fn_args.train_files),
        _observe(model, parts.cut, held_out, fn_args.eval_files),
        confidence_config,
    )
    serving_model = Path(fn_args.serving_model_dir)
    export_saved_model(ServingModule(model, transform, classes, confidence), serving_model)
    _write_metadata(serving_model / "assets.extra", classes, transform, confidence)
    model.save(serving_model.parent / "model.keras")
    model.save(serving_model.parent / "model.h5", include_optimizer=False)
    write_history(history, serving_model.parent)
    shutil.rmtree(state)


def _weights(config: ModelConfig) -> dict[str, np.ndarray[Any, np.dtype[np.float32]]] | None:
    if config.weights == "random":
        return None
    _LOG.info("loading VGG16's weights")
    path = None if config.weights == "imagenet" else Path(config.weights)
    return load_weights(resolve_weights(path))


def _check_classes(features: FrozenFeatures, classes: Sequence[str]) -> None:
    counts = np.bincount(features.labels, minlength=len(classes))
    missing = [name for name, count in zip(classes, counts, strict=True) if not count]
    if missing:
        raise PipelineError(
            f"There is no training image of {', '.join(missing)}: add some, or take the class out "
            "of ingest.classes."
        )


def _identity(fn_args: FnArgs, *splits: FrozenFeatures) -> str:
    """Tells one training from another: an interrupted one goes on only as itself."""
    settings = {name: value for name, value in fn_args.custom_config.items() if name != "cache"}
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for split in splits:
        digest.update(b"".join(split.digests))
        digest.update(split.labels.tobytes())
    return digest.hexdigest()[:32]


def _observe(
    model: keras.Model, cut: str, features: FrozenFeatures, file_patterns: list[str]
) -> Observations:
    """What the trained network makes of a sample of a split."""
    names = [layer.name for layer in model.layers]
    if not cut or names.index(cut) <= names.index(FEATURE_LAYER):
        return observe(model, features.originals(_BATCH, _OBSERVED), cut or None)
    images = islice(read_images(file_patterns), _OBSERVED)
    batches = iter(lambda: list(islice(images, _BATCH)), [])
    pixels = ((decode_pixels(batch), [image.label for image in batch]) for batch in batches)
    return observe(model, pixels)


def _write_metadata(
    folder: Path, classes: list[str], transform: TransformConfig, confidence: Confidence
) -> None:
    folder.mkdir()
    metadata = {
        "classes": classes,
        "preprocessing": transform.model_dump(),
        "confidence": confidence.describe(),
        "intended_use": DISCLAIMER,
    }
    (folder / "metadata.json").write_text(json.dumps(metadata, indent=2) + "\n", encoding="utf-8")
