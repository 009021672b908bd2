"""A recipe, from first layer to last epoch: what the Trainer runs once and the Tuner often."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from components.errors import PipelineError
from components.source_digest import source_digest
from components.trainer.config import Recipe
from components.trainer.features import FrozenFeatures, FrozenPrefix
from components.trainer.history import History
from components.trainer.identity import identity
from components.trainer.inputs import read_images
from components.trainer.model import build_model
from components.trainer.precision import resolve_precision
from components.trainer.split_model import SplitModel, split_model, take_weights
from components.trainer.strategy import strategy_scope
from components.trainer.training import train
from components.trainer.weights.vgg16 import load_weights, resolve_weights

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


def fit(
    recipe: Recipe,
    train_files: list[str],
    eval_files: list[str],
    cache: Path,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> TrainedModel:
    """Trains a network; the same call goes on where an earlier one was interrupted.

    Args:
        recipe: The network, and how it is trained.
        train_files: Patterns of the transformed train split's files.
        eval_files: Of the eval split's.
        cache: A folder for features, and for the state of unfinished trainings.
        callbacks: What else Keras is to call.

    Returns:
        The trained network.

    Raises:
        PipelineError: A split or class has no image, the loss is no longer a number, or there is no
            room on the disk.
        WeightsError: VGG16's weights cannot be had or do not fit.
    """
    model = initial_network(recipe)
    parts = training_parts(recipe, model)
    original = recipe.train.augment.model_copy(update={"versions": 1, "keep_original": True})
    features, held_out = frozen_prefix(recipe, parts, cache).features(
        (lambda: read_images(train_files), recipe.train.augment),
        (lambda: read_images(eval_files), original),
    )
    _check_classes(features, recipe.classes)

    _LOG.info("training on %s images", f"{len(features.digests):,}")
    # Settings alone do not tell: `auto` may choose another precision by the next time.
    itself = identity(
        recipe,
        parts.precision,
        source_digest(__name__),
        *model.get_weights(),
        *(_images(split) for split in (features, held_out)),
    )
    state = cache / "training" / itself
    history = train(parts.tail, features, held_out, recipe.train, state, callbacks)
    take_weights(model, parts.tail)
    return TrainedModel(model, history, state, parts.cut, features, held_out)


def initial_network(recipe: Recipe) -> keras.Model:
    """Builds a recipe's network, with the weights that its training begins with.

    Args:
        recipe: The network, and the seed of what is drawn from here on.

    Returns:
        As `build_model`.

    Raises:
        WeightsError: VGG16's weights cannot be had or do not fit.
    """
    keras.utils.set_random_seed(recipe.train.seed)
    weights = None
    if recipe.model.weights != "random":
        _LOG.info("loading VGG16's weights")
        path = None if recipe.model.weights == "imagenet" else Path(recipe.model.weights)
        weights = load_weights(resolve_weights(path))
    return build_model(
        recipe.model,
        image_size=recipe.transform.image_size,
        class_count=len(recipe.classes),
        weights=weights,
    )


def training_parts(recipe: Recipe, model: keras.Model) -> SplitModel:
    """Splits a network into what runs once and what trains, as this machine is fastest in it.

    Args:
        recipe: The number format, and the devices that share the work.
        model: As `initial_network` gives it.

    Returns:
        The parts.
    """
    with strategy_scope(recipe.train.strategy):
        return split_model(model, resolve_precision(recipe.train.precision))


def frozen_prefix(recipe: Recipe, parts: SplitModel, cache: Path) -> FrozenPrefix:
    """Prepares the pass through the layers that do not train.

    Args:
        recipe: The images' size, and how much room features may take.
        parts: As `training_parts` gives them.
        cache: The folder that has the features among others.

    Returns:
        What makes features of images, or finds them.
    """
    return FrozenPrefix(
        parts.prefix,
        recipe.transform.image_size,
        cache / "features",
        recipe.train.cache_gigabytes * 1e9,
    )


def _check_classes(features: FrozenFeatures, classes: Sequence[str]) -> None:
    counts = np.bincount(features.labels, minlength=len(classes))
    missing = [name for name, count in zip(classes, counts, strict=True) if not count]
    if missing:
        raise PipelineError(
            f"There is no training image of {', '.join(missing)}: add some, or take the class "
            "out of ingest.classes."
        )


def _images(split: FrozenFeatures) -> list[tuple[str, int]]:
    """What tells the images of one split from those of another."""
    digests = (digest.hex() for digest in split.digests)
    return list(zip(digests, split.labels.tolist(), strict=True))
