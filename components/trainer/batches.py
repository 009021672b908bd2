"""Batches for the layers that train: what they hold depends on seed and epoch alone."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import tensorflow as tf

from components.trainer.config import TrainConfig
from components.trainer.features import FrozenFeatures

Weights = np.ndarray[Any, np.dtype[np.float32]]
_Batch = tuple[Any, Any, Any]


class TrainingBatches:
    """Shuffled batches, each image in the version whose turn it is.

    An epoch's batches follow from the seed and the epoch's number, not from what was drawn before,
    so training that goes on after an interruption sees what it would have seen.
    """

    def __init__(
        self,
        features: FrozenFeatures,
        class_count: int,
        config: TrainConfig,
        replicas: int = 1,
    ) -> None:
        """Prepares the epochs.

        Args:
            features: Of the train split.
            class_count: Number of classes.
            config: Batch size, class weights, mixing and seed.
            replicas: Devices that share each batch; each needs an image of it.

        Raises:
            PipelineError: A class has no image.
        """
        self._features = features
        self._config = config
        self._slices = _slices(len(features.digests), config.batch_size, replicas)
        self._one_hot = np.eye(class_count, dtype=np.float32)
        self._class_weights = class_weights(features.labels, class_count, config)
        offsets = np.random.default_rng([config.seed, 0])
        self._offsets = offsets.integers(len(features.versions), size=len(features.digests))
        self.epoch = 0
        """The epoch that the next pass over `dataset` is for."""

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        return len(self._slices)

    def dataset(self) -> tf.data.Dataset:
        """Returns the batches of the epoch in `epoch`.

        Returns:
            Activations [batch, ...], one-hot labels float32 [batch, classes] and weights float32
            [batch].
        """
        features = self._features.versions[0]
        signature = (
            tf.TensorSpec((None, *features.shape), tf.as_dtype(features.dtype)),
            tf.TensorSpec((None, len(self._one_hot)), tf.float32),
            tf.TensorSpec((None,), tf.float32),
        )
        batches = tf.data.Dataset.from_generator(self._epoch, output_signature=signature)
        return _on_every_replica(batches, self.steps)

    def _epoch(self) -> Iterator[_Batch]:
        epoch = self.epoch
        generator = np.random.default_rng([self._config.seed, 1, epoch])
        order = generator.permutation(len(self._features.digests))
        for rows in map(order.__getitem__, self._slices):
            classes = self._features.labels[rows]
            activations, labels = self._activations(rows, epoch), self._one_hot[classes]
            if self._config.mixup:
                activations, labels = _mix(activations, labels, self._config.mixup, generator)
            yield activations, labels, self._class_weights[classes]

    def _activations(self, rows: np.ndarray, epoch: int) -> np.ndarray:
        versions = (self._offsets[rows] + epoch) % len(self._features.versions)
        stores = self._features.versions
        return np.stack(
            [
                stores[version][self._features.digests[row]]
                for row, version in zip(rows, versions, strict=True)
            ]
        )


def plain_batches(
    features: FrozenFeatures, class_count: int, batch_size: int, replicas: int = 1
) -> tf.data.Dataset:
    """The images as they are, in the order of `features`.

    Args:
        features: Whose first version is the original.
        class_count: Number of classes.
        batch_size: Images a batch.
        replicas: Devices that share each batch; each needs an image of it.

    Returns:
        Activations [batch, ...] and one-hot labels float32 [batch, classes].
    """
    store = features.versions[0]
    one_hot = np.eye(class_count, dtype=np.float32)
    slices = _slices(len(features.digests), batch_size, replicas)

    def batches() -> Iterator[tuple[Any, Any]]:
        rows = np.arange(len(features.digests))
        for activations, labels in map(features.original, map(rows.__getitem__, slices)):
            yield activations, one_hot[labels]

    signature = (
        tf.TensorSpec((None, *store.shape), tf.as_dtype(store.dtype)),
        tf.TensorSpec((None, class_count), tf.float32),
    )
    dataset = tf.data.Dataset.from_generator(batches, output_signature=signature)
    return _on_every_replica(dataset, len(slices))


def class_weights(labels: np.ndarray, class_count: int, config: TrainConfig) -> Weights:
    """How much an image of each class counts; 1 on average over the images.

    Args:
        labels: int64 [images].
        class_count: Number of classes.
        config: How classes are weighted.

    Returns:
        float32 [class_count].
    """
    power = {"none": 0.0, "square_root": 0.5, "balanced": 1.0}[config.class_weights]
    counts = np.bincount(labels, minlength=class_count)
    weights = np.maximum(counts, 1) ** -power
    normalised: Weights = (weights * len(labels) / (weights @ counts)).astype(np.float32)
    return normalised


def _slices(count: int, size: int, replicas: int) -> list[slice]:
    """Batches of one size and a rest, or all of nearly one size where the rest would be too few."""
    edges = [*range(0, count, size), count]
    if edges[-1] - edges[-2] < replicas:
        edges = [round(edge) for edge in np.linspace(0, count, len(edges))]
    return [slice(*pair) for pair in pairwise(edges)]


def _mix(
    activations: np.ndarray,
    labels: np.ndarray,
    concentration: float,
    generator: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Mixes each image with another one of the batch."""
    share = generator.beta(concentration, concentration, len(labels)).astype(np.float32)
    share = np.maximum(share, 1 - share)
    partners = generator.permutation(len(labels))
    wide = share.reshape(-1, *[1] * (activations.ndim - 1))
    exact = activations.astype(np.float32)
    mixed = wide * exact + (1 - wide) * exact[partners]
    return mixed.astype(activations.dtype), share[:, None] * labels + (1 - share[:, None]) * labels[
        partners
    ]


def _on_every_replica(dataset: tf.data.Dataset, steps: int) -> tf.data.Dataset:
    """Tells the length, and that replicas share batches rather than files."""
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    counted = dataset.apply(tf.data.experimental.assert_cardinality(steps))
    return counted.prefetch(2).with_options(options)
