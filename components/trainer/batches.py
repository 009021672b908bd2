"""Batches for the layers that train: what they hold depends on seed and epoch alone."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import tensorflow as tf

from components.trainer.config import TrainConfig
from components.trainer.features import FrozenFeatures

Weights = np.ndarray[Any, np.dtype[np.float32]]
Allowed = np.ndarray[Any, np.dtype[np.float32]]
_Batch = tuple[Any, Any, Any]


class TrainingBatches:
    """Shuffled batches, each image in the version whose turn it is.

    An epoch's batches follow from the seed and the epoch's number, not from what was drawn before,
    so training that goes on after an interruption sees what it would have seen.
    """

    def __init__(
        self,
        features: Sequence[FrozenFeatures],
        class_count: int,
        config: TrainConfig,
        replicas: int = 1,
    ) -> None:
        """Prepares the epochs.

        Args:
            features: Of the train split, and of what was made of it; all in as many versions.
            class_count: Number of classes.
            config: Batch size, class weights, mixing and seed.
            replicas: Devices that share each batch; each needs an image of it.

        Raises:
            PipelineError: A class has no image.
        """
        self._images = [(digest, split.versions) for split in features for digest in split.digests]
        self._config = config
        self._slices = _slices(len(self._images), config.batch_size, replicas)
        labels = np.concatenate([split.labels for split in features])
        self._allowed = allowed_classes(labels, class_count)
        self._weights = _shares(self._allowed) @ class_weights(labels, class_count, config)
        offsets = np.random.default_rng([config.seed, 0])
        versions = len(features[0].versions)
        self._offsets = offsets.integers(versions, size=len(self._images))
        self.epoch = 0
        """The epoch that the next pass over `dataset` is for."""

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        return len(self._slices)

    @property
    def image_count(self) -> int:
        """Images in an epoch."""
        return len(self._images)

    def dataset(self) -> tf.data.Dataset:
        """Returns the batches of the epoch in `epoch`.

        Returns:
            Activations [batch, ...], labels float32 [batch, 1, classes], or [batch, 2, classes] if
            images are mixed, as `AllowedClassesLoss` takes them, and weights float32 [batch].
        """
        _, (store, *_) = self._images[0]
        signature = (
            tf.TensorSpec((None, *store.shape), tf.as_dtype(store.dtype)),
            tf.TensorSpec((None, None, self._allowed.shape[1]), tf.float32),
            tf.TensorSpec((None,), tf.float32),
        )
        batches = tf.data.Dataset.from_generator(self._epoch, output_signature=signature)
        return _on_every_replica(batches, self.steps)

    def _epoch(self) -> Iterator[_Batch]:
        epoch = self.epoch
        generator = np.random.default_rng([self._config.seed, 1, epoch])
        order = generator.permutation(len(self._images))
        for rows in map(order.__getitem__, self._slices):
            activations, labels = self._activations(rows, epoch), self._allowed[rows][:, None]
            if self._config.mixup:
                activations, labels = _mix(activations, labels, self._config.mixup, generator)
            yield activations, labels, self._weights[rows]

    def _activations(self, rows: np.ndarray, epoch: int) -> np.ndarray:
        found = []
        for row in rows:
            digest, versions = self._images[row]
            found.append(versions[(self._offsets[row] + epoch) % len(versions)][digest])
        return np.stack(found)


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
        Activations [batch, ...] and labels float32 [batch, 1, classes].
    """
    store = features.versions[0]
    slices = _slices(len(features.digests), batch_size, replicas)

    def batches() -> Iterator[tuple[Any, Any]]:
        rows = np.arange(len(features.digests))
        for activations, labels in map(features.original, map(rows.__getitem__, slices)):
            yield activations, allowed_classes(labels, class_count)[:, None]

    signature = (
        tf.TensorSpec((None, *store.shape), tf.as_dtype(store.dtype)),
        tf.TensorSpec((None, 1, class_count), tf.float32),
    )
    dataset = tf.data.Dataset.from_generator(batches, output_signature=signature)
    return _on_every_replica(dataset, len(slices))


def allowed_classes(labels: np.ndarray, class_count: int) -> Allowed:
    """The classes that are right for each image.

    Args:
        labels: int64 [images], as `TransformedImage` has them.
        class_count: Number of classes.

    Returns:
        float32 [images, class_count]: 1 where a class is right, else 0.
    """
    one_hot = np.eye(class_count, dtype=np.float32)
    named = one_hot[np.maximum(labels, ~labels)]
    found: Allowed = np.where(labels[:, None] < 0, 1 - named, named)
    return found


def class_weights(labels: np.ndarray, class_count: int, config: TrainConfig) -> Weights:
    """How much an image of each class counts; 1 on average over the images.

    An image that several classes are right for is one of each in equal parts.

    Args:
        labels: int64 [images], as `TransformedImage` has them.
        class_count: Number of classes.
        config: How classes are weighted.

    Returns:
        float32 [class_count].
    """
    power = {"none": 0.0, "square_root": 0.5, "balanced": 1.0}[config.class_weights]
    counts = _shares(allowed_classes(labels, class_count)).sum(axis=0, dtype=np.float64)
    weights = np.maximum(counts, 1) ** -power
    normalised: Weights = (weights * len(labels) / (weights @ counts)).astype(np.float32)
    return normalised


def _shares(allowed: Allowed) -> Allowed:
    """How much an image is of each class."""
    shares: Allowed = allowed / allowed.sum(axis=1, keepdims=True)
    return shares


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
    """Mixes each image with another one of the batch; labels [batch, 1, classes] are kept apart."""
    share = generator.beta(concentration, concentration, len(labels)).astype(np.float32)
    share = np.maximum(share, 1 - share)
    partners = generator.permutation(len(labels))
    wide = share.reshape(-1, *[1] * (activations.ndim - 1))
    exact = activations.astype(np.float32)
    mixed = wide * exact + (1 - wide) * exact[partners]
    shares = share[:, None, None]
    both = np.concatenate([shares * labels, (1 - shares) * labels[partners]], axis=1)
    return mixed.astype(activations.dtype), both


def _on_every_replica(dataset: tf.data.Dataset, steps: int) -> tf.data.Dataset:
    """Tells the length, and that replicas share batches rather than files."""
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    counted = dataset.apply(tf.data.experimental.assert_cardinality(steps))
    return counted.prefetch(2).with_options(options)
