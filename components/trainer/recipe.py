"""A recipe, from first layer to last epoch: what the Trainer runs once and the Tuner often."""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from components.errors import PipelineError
from components.source_digest import source_digest
from components.trainer.config import ModelConfig, TrainConfig
from components.trainer.features import FrozenFeatures, FrozenPrefix
from components.trainer.history import History
from components.trainer.inputs import read_images
from components.trainer.model import build_model
from components.trainer.precision import resolve_precision
from components.trainer.split_model import split_model, take_weights
from components.trainer.strategy import strategy_scope
from components.trainer.training import train
from components.trainer.weights.vgg16 import load_weights, resolve_weights
from components.transform.config import TransformConfig

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainedModel:
    """What a recipe came to.

    Attributes:
        model: The whole network, float32, from pixels in 0..255 to probabilities.
        history: Loss and accuracy, one value an epoch, on train and eval.
        state: The folder that an interrupted training goes on from; to be removed when what came
            of this one is safe.
        cut: The layer whose output `train` and `held_out` hold; empty where they hold pixels.
        train: Features of the train split.
        held_out: Of the eval split.
    """

    model: keras.Model
    history: History
    state: Path
    cut: str
    train: FrozenFeatures
    held_out: FrozenFeatures


@dataclass(frozen=True)
class Recipe:
    """All that a trained network depends on but the images.

    Attributes:
        model: The network.
        train: How it is trained.
        transform: What was done to the pixels before.
        classes: Names in the order of ingest's class index.
    """

    model: ModelConfig
    train: TrainConfig
    transform: TransformConfig
    classes: tuple[str, ...]

    @staticmethod
    def read(fields: Mapping[str, Any]) -> "Recipe":
        """Reads a recipe from a component's `custom_config`."""
        return Recipe(
            ModelConfig.model_validate(fields["model"]),
            TrainConfig.model_validate(fields["train"]),
            TransformConfig.model_validate(fields["transform"]),
            tuple(fields["classes"]),
        )

    def with_values(self, values: Mapping[str, Any]) -> "Recipe":
        """Changes single settings.

        Args:
            values: By path, such as `train.learning_rate`.

        Returns:
            The changed recipe.

        Raises:
            PipelineError: There is no such setting, or it cannot have this value.
        """
        sections = {"model": self.model.model_dump(), "train": self.train.model_dump()}
        for path, value in values.items():
            section, _, name = path.partition(".")
            if name not in sections.get(section, {}):
                raise PipelineError(f"The hyperparameters name {path!r}, which is no setting.")
            sections[section][name] = value
        try:
            model = ModelConfig.model_validate(sections["model"])
            config = TrainConfig.model_validate(sections["train"])
        except ValueError as error:
            raise PipelineError(f"The hyperparameters cannot be used: {error}") from error
        return replace(self, model=model, train=config)

    def fit(
        self,
        train_files: list[str],
        eval_files: list[str],
        cache: Path,
        callbacks: Sequence[keras.callbacks.Callback] = (),
    ) -> TrainedModel:
        """Trains the network; the same call goes on where an earlier one was interrupted.

        Args:
            train_files: Patterns of the transformed train split's files.
            eval_files: Of the eval split's.
            cache: A folder for features, and for the state of unfinished trainings.
            callbacks: What else Keras is to call.

        Returns:
            The trained network.

        Raises:
            PipelineError: A split or class has no image, the loss is no longer a number, or there
                is no room on the disk.
            WeightsError: VGG16's weights cannot be had or do not fit.
        """
        keras.utils.set_random_seed(self.train.seed)
        model = build_model(
            self.model,
            image_size=self.transform.image_size,
            class_count=len(self.classes),
            weights=_weights(self.model),
        )
        with strategy_scope(self.train.strategy):
            precision = resolve_precision(self.train.precision)
            parts = split_model(model, precision)
        frozen = FrozenPrefix(
            parts.prefix,
            self.transform.image_size,
            cache / "features",
            self.train.cache_gigabytes * 1e9,
        )
        original = self.train.augment.model_copy(update={"versions": 1, "keep_original": True})
        features, held_out = frozen.features(
            (lambda: read_images(train_files), self.train.augment),
            (lambda: read_images(eval_files), original),
        )
        self._check_classes(features)

        _LOG.info("training on %s images", f"{len(features.digests):,}")
        state = cache / "training" / self._identity(model, precision, features, held_out)
        history = train(parts.tail, features, held_out, self.train, state, callbacks)
        take_weights(model, parts.tail)
        return TrainedModel(model, history, state, parts.cut, features, held_out)

    def _check_classes(self, features: FrozenFeatures) -> None:
        counts = np.bincount(features.labels, minlength=len(self.classes))
        missing = [name for name, count in zip(self.classes, counts, strict=True) if not count]
        if missing:
            raise PipelineError(
                f"There is no training image of {', '.join(missing)}: add some, or take the class "
                "out of ingest.classes."
            )

    def _identity(self, model: keras.Model, precision: str, *splits: FrozenFeatures) -> str:
        """Tells one training from another: an interrupted one goes on only as itself.

        Settings alone do not tell: the file of `model.weights` may be another one by now, and
        `auto` may choose another precision.
        """
        settings = [
            self.model.model_dump_json(exclude={"weights"}),  # their values are below
            self.train.model_dump_json(exclude={"cache_gigabytes"}),
            self.transform.model_dump_json(),
        ]
        code = source_digest(__name__)
        digest = hashlib.sha256(json.dumps([settings, self.classes, precision, code]).encode())
        for weight in model.get_weights():
            digest.update(np.ascontiguousarray(weight).data)
        for split in splits:
            digest.update(b"".join(split.digests))
            digest.update(split.labels.tobytes())
        return digest.hexdigest()[:32]


def _weights(config: ModelConfig) -> dict[str, np.ndarray[Any, np.dtype[np.float32]]] | None:
    if config.weights == "random":
        return None
    _LOG.info("loading VGG16's weights")
    path = None if config.weights == "imagenet" else Path(config.weights)
    return load_weights(resolve_weights(path))
