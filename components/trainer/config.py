"""What can be chosen about the network and its training."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from components.strict_config import StrictConfig


class ModelConfig(StrictConfig):
    """The network: VGG16's convolutions and a dense head.

    Attributes:
        weights: `imagenet`, `random`, or the path of a weights file.
        input_scaling: `imagenet` subtracts ImageNet's mean colour, as the published weights were
            trained; `unit` divides by 255, as many a notebook does.
        widths: Filters of VGG16's five blocks; any but the default needs `weights: random`.
        trainable_convolutions: How many convolutions, counted from the last, are trained.
        dense_units: Width of the hidden dense layer.
        flatten_dropout: Dropout between Flatten and the hidden layer.
        dense_dropout: Dropout between the hidden layer and the softmax.
    """

    weights: Literal["imagenet", "random"] | Path = "imagenet"
    input_scaling: Literal["imagenet", "unit"] = "imagenet"
    widths: tuple[int, int, int, int, int] = (64, 128, 256, 512, 512)
    trainable_convolutions: int = Field(3, ge=0, le=13)
    dense_units: int = Field(128, ge=1)
    flatten_dropout: float = Field(0.3, ge=0, lt=1)
    dense_dropout: float = Field(0.2, ge=0, lt=1)


class TrainConfig(StrictConfig):
    """The recipe.

    Attributes:
        epochs: Passes over the training images.
        batch_size: Images a step.
        learning_rate: Adam's step size.
        brightness: A training image's levels are multiplied by a factor within 1 +- this.
        contrast: Its distance from its mean level is multiplied by a factor within 1 +- this.
        seed: Of initial weights, shuffling, dropout and augmentation.
    """

    epochs: int = Field(5, ge=1)
    batch_size: int = Field(20, ge=1)
    learning_rate: float = Field(1e-4, gt=0)
    brightness: float = Field(0.2, ge=0, lt=1)
    contrast: float = Field(0.2, ge=0, lt=1)
    seed: int = 0
