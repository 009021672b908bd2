"""TFX Trainer's entry point: trains the classifier and exports everything that others load."""

import json
import logging
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import keras
import numpy as np
from tfx.components.trainer.fn_args_utils import FnArgs

from components.disclaimer import DISCLAIMER
from components.servable import EXTRAS, METADATA_FILE
from components.trainer.complexity import complexity
from components.trainer.confidence.fit import Confidence, fit_confidence
from components.trainer.confidence.observations import Observations, observe
from components.trainer.config import ExportConfig, Recipe, Training
from components.trainer.export.signatures import ServingModule, export_saved_model
from components.trainer.export.warm_up import write_warm_up
from components.trainer.features import FrozenFeatures
from components.trainer.history import write_history
from components.trainer.inputs import (
    TransformedImage,
    decode_pixels,
    read_groups,
    read_images,
    read_measures,
)
from components.trainer.layers import FEATURE_LAYER
from components.trainer.split_model import copy_model
from components.trainer.training import fit

_LOG = logging.getLogger(__name__)
_BATCH = 64
_OBSERVED = 2_000
"""Images of a split, at most, that calibration, sets and the foreign-image score are fitted on."""


def run_fn(fn_args: FnArgs) -> None:
    """Trains on the transformed train split and exports the model.

    Beside the SavedModel's folder it leaves `model.keras` and `model.h5` (pixels to
    probabilities), `summary.txt`, `history.json` and `curves.png`.

    Args:
        fn_args: Files and folders from TFX; `custom_config` has the fields of a `Training`.

    Raises:
        PipelineError: A class has no image, the loss is no longer a number, or there is no room.
        WeightsError: VGG16's weights cannot be had or do not fit.
    """
    config = Training.model_validate(fn_args.custom_config)
    tuned = fn_args.hyperparameters["values"] if fn_args.hyperparameters else {}
    recipe = config.recipe.with_values(tuned)
    tensorboard = keras.callbacks.TensorBoard(fn_args.model_run_dir, write_graph=False)
    trained = fit(recipe, fn_args.train_files, fn_args.eval_files, config.cache, (tensorboard,))

    _LOG.info("fitting calibration, prediction sets, the foreign-image score and picture limits")
    confidence = fit_confidence(
        _observe(trained.model, trained.cut, trained.train, fn_args.train_files),
        _observe(trained.model, trained.cut, trained.held_out, fn_args.eval_files, grouped=True),
        read_measures([*fn_args.train_files, *fn_args.eval_files]),
        config.confidence,
        recipe.classes,
    )
    serving_model = Path(fn_args.serving_model_dir)
    module = ServingModule(
        _served_form(trained.model, config.export), recipe.transform, recipe.classes, confidence
    )
    export_saved_model(module, serving_model)
    extras = serving_model / EXTRAS
    extras.mkdir()
    _write_metadata(extras, recipe, tuned, trained.model, confidence, config.export)
    write_warm_up(extras, recipe.transform.image_size)
    _write_files(trained.model, serving_model.parent)
    write_history(trained.history, serving_model.parent)
    shutil.rmtree(trained.state)


def _observe(
    model: keras.Model,
    cut: str,
    features: FrozenFeatures,
    file_patterns: list[str],
    *,
    grouped: bool = False,
) -> Observations:
    """What the trained network makes of a sample of a split, and which images belong together."""
    names = [layer.name for layer in model.layers]
    digests: list[bytes] = []
    if not cut or names.index(cut) <= names.index(FEATURE_LAYER):
        observed = observe(model, features.originals(_BATCH, _OBSERVED), cut or None)
        digests = [features.digests[row] for row in features.sample(_OBSERVED)]
    else:
        images = _drawn(features, file_patterns)
        batches = iter(lambda: list(islice(images, _BATCH)), [])
        observed = observe(model, map(partial(_pixels, digests), batches))
    if not grouped:
        return observed
    groups = read_groups(file_patterns)
    return replace(observed, groups=np.array([groups[digest] for digest in digests]))


def _pixels(digests: list[bytes], batch: list[TransformedImage]) -> tuple[Any, list[int]]:
    """Decodes a batch, and notes which images it holds."""
    digests += [image.digest for image in batch]
    return decode_pixels(batch), [image.label for image in batch]


def _drawn(features: FrozenFeatures, file_patterns: list[str]) -> Iterator[TransformedImage]:
    """The images of a split's sample: of copies as many as were drawn."""
    rows = features.sample(_OBSERVED).tolist()
    wanted = Counter((features.digests[row], int(features.labels[row])) for row in rows)
    for image in read_images(file_patterns):
        if wanted[image.digest, image.label]:
            wanted[image.digest, image.label] -= 1
            yield image


def _served_form(model: keras.Model, config: ExportConfig) -> keras.Model:
    return model if config.dtype == "float32" else copy_model(model, f"mixed_{config.dtype}")


def _write_metadata(
    folder: Path,
    recipe: Recipe,
    tuned: Mapping[str, Any],
    model: keras.Model,
    confidence: Confidence,
    export: ExportConfig,
) -> None:
    metadata: dict[str, Any] = {
        "classes": recipe.classes,
        "preprocessing": recipe.transform.model_dump(),
        "recipe": {
            "model": recipe.model.model_dump(mode="json"),
            "train": recipe.train.model_dump(mode="json"),
            "tuned": dict(tuned),
        },
        "complexity": complexity(model),
        "confidence": confidence.describe(),
        "export": export.model_dump(),
        "intended_use": DISCLAIMER,
    }
    (folder / METADATA_FILE).write_text(json.dumps(metadata, indent=2) + "\n", encoding="utf-8")


def _write_files(model: keras.Model, folder: Path) -> None:
    """What people open without a server."""
    model.save(folder / "model.keras")
    model.save(folder / "model.h5", include_optimizer=False)
    lines: list[str] = []
    model.summary(line_length=100, print_fn=lambda line, **_: lines.append(line))
    (folder / "summary.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
