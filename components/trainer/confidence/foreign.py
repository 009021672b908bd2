"""Tells images that look like none of the training images: photographs, noise, inverted scans.

The score is Mahalanobis' distance to the nearest class (Lee and others, "A Simple Unified Framework
for Detecting Out-of-Distribution Samples", 2018) in the square roots of VGG16's pooled activations,
which brings their skewed, positive values nearer to a normal distribution.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from components.errors import PipelineError
from components.trainer.confidence.observations import Observations
from components.trainer.config import ConfidenceConfig

if TYPE_CHECKING:
    import tensorflow as tf

_SHRINKAGE = 0.1
"""Share of the covariance that is replaced by equal, independent variances, so that a feature that
hardly varies in training does not decide alone, and fewer images than features suffice."""

_LEAST_SPREAD = 0.1
"""Spread of the logarithm of eval's distances to count with at least, where eval is tiny."""


@dataclass(frozen=True, eq=False)
class ForeignScore:
    """How far an image lies from the training images.

    Attributes:
        projection: float32 [width, width], makes the features uncorrelated and of unit variance.
        centres: float32 [classes, width], each class's mean after the projection.
        limit: Distance that counts as 1.
    """

    projection: NDArray[np.float32]
    centres: NDArray[np.float32]
    limit: float

    def __call__(self, features: "tf.Tensor") -> "tf.Tensor":
        """Scores images; above 1 they are foreign.

        Args:
            features: float32 [batch, width], see `components.trainer.confidence.observations`.

        Returns:
            float32 [batch]: the distance to the nearest class as a multiple of the limit.
        """
        import tensorflow as tf

        place = tf.matmul(tf.sqrt(tf.nn.relu(features)), self.projection)
        squares = tf.reduce_sum((place[:, tf.newaxis] - self.centres) ** 2, axis=2)
        return tf.sqrt(tf.reduce_min(squares, axis=1)) / self.limit


def fit_foreign(
    train: Observations, held_out: Observations, config: ConfidenceConfig
) -> ForeignScore:
    """Fits the score on training images, and its limit on images that were held out.

    The limit lies `config.foreign_deviations` standard deviations above the mean of the logarithm
    of the held-out distances.

    Args:
        train: What the network makes of training images, a sample of which is enough.
        held_out: What it makes of `eval`.
        config: Where the limit lies.

    Returns:
        The score.

    Raises:
        PipelineError: The training images of each class look the same to the network.
    """
    roots = _roots(train.features)
    classes = np.unique(train.labels)
    means = np.stack([roots[train.labels == label].mean(axis=0) for label in classes])
    deviations = roots - means[np.searchsorted(classes, train.labels)]
    projection = _whitening(deviations.T @ deviations / len(deviations))
    score = ForeignScore(
        projection.astype(np.float32), (means @ projection).astype(np.float32), limit=1.0
    )
    logarithms = np.log(np.maximum(_distances(score, held_out.features), np.finfo(np.float32).tiny))
    spread = max(float(logarithms.std()), _LEAST_SPREAD)
    limit = float(np.exp(logarithms.mean() + config.foreign_deviations * spread))
    return ForeignScore(score.projection, score.centres, limit)


def _roots(features: NDArray[np.float32]) -> NDArray[np.float64]:
    roots: NDArray[np.float64] = np.sqrt(np.maximum(features.astype(np.float64), 0))
    return roots


def _whitening(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """The matrix that, multiplied from the right, makes the shrunk covariance the identity."""
    width = len(covariance)
    variance = np.trace(covariance) / width
    if variance <= np.finfo(np.float32).eps:
        raise PipelineError(
            "The training images of each class look the same to the network, or there is one of "
            "each, so nothing can be learnt from them: look at the images, add some, or use "
            "model.weights=imagenet."
        )
    shrunk = (1 - _SHRINKAGE) * covariance + _SHRINKAGE * variance * np.eye(width)
    variances, axes = np.linalg.eigh(shrunk)
    whitening: NDArray[np.float64] = axes / np.sqrt(variances)
    return whitening


def _distances(score: ForeignScore, features: NDArray[np.float32]) -> NDArray[np.float64]:
    """The score in numpy, image by image."""
    places = _roots(features) @ score.projection
    return np.array([np.sqrt(((place - score.centres) ** 2).sum(axis=1).min()) for place in places])
