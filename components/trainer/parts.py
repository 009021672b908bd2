"""The parts of a training: a recipe's network, what runs once of it, and what trains."""

import logging
from pathlib import Path

import keras

from components.trainer.config import Recipe
from components.trainer.features import FrozenPrefix
from components.trainer.model import build_model
from components.trainer.precision import resolve_precision
from components.trainer.split_model import SplitModel, split_model
from components.trainer.strategy import strategy_scope
from components.trainer.weights.files import load_weights
from components.trainer.weights.vgg16 import resolve_weights

_LOG = logging.getLogger(__name__)


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
