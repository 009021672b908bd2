"""Trains the tail of the network on the features of its frozen prefix."""

import logging
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from components.errors import PipelineError
from components.trainer.batches import TrainingBatches, plain_batches
from components.trainer.checkpoint import Checkpoint
from components.trainer.config import TrainConfig
from components.trainer.features import FrozenFeatures
from components.trainer.history import History
from components.trainer.progress import LogProgress

_LOG = logging.getLogger(__name__)
_EVAL_BATCH = 64


class DivergedError(PipelineError):
    """The loss is no longer a number."""


def train(
    tail: keras.Model,
    features: FrozenFeatures,
    held_out: FrozenFeatures,
    config: TrainConfig,
    state: Path,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> History:
    """Trains a model, from where an earlier attempt was interrupted if there was one.

    Args:
        tail: From features to probabilities; its weights are changed.
        features: Of the train split.
        held_out: Of the eval split, originals.
        config: The recipe.
        state: A folder of this training's own, where it goes on from if it is interrupted. It is
            for the caller to remove when what came of the training is safe.
        callbacks: What else is to be called.

    Returns:
        Loss and accuracy, one value an epoch, on train and eval.

    Raises:
        DivergedError: The loss is no longer a number.
    """
    class_count = tail.output.shape[-1]
    replicas = tail.distribute_strategy.num_replicas_in_sync
    batches = TrainingBatches(features, class_count, config, replicas)
    _compile(tail, batches.steps, config)
    checkpoint = Checkpoint(state, patience=config.patience)
    done = checkpoint.resume(tail)
    if done:
        _LOG.info("going on after epoch %d, where training was interrupted", done)
    tail.fit(
        batches.dataset(),
        validation_data=plain_batches(held_out, class_count, _EVAL_BATCH, replicas),
        initial_epoch=done,
        epochs=done if checkpoint.over else config.epochs,
        shuffle=False,  # the batches are
        verbose=0,
        callbacks=[
            _EpochOf(batches, config.seed),
            keras.callbacks.TerminateOnNaN(),
            LogProgress(len(features.digests), config.batch_size, done),
            checkpoint,
            *callbacks,
        ],
    )
    if checkpoint.diverged:
        raise DivergedError(_diverged(checkpoint, config, state))
    if config.keep_best:
        checkpoint.take_best(tail)
    return checkpoint.history


def _compile(tail: keras.Model, steps: int, config: TrainConfig) -> None:
    rate = _learning_rate(steps, config)
    with tail.distribute_strategy.scope():
        if config.weight_decay:
            optimizer = keras.optimizers.AdamW(rate, weight_decay=config.weight_decay)
        else:
            optimizer = keras.optimizers.Adam(rate)
        if any(layer.dtype_policy.name == "mixed_float16" for layer in tail.layers):
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)  # small gradients are zero
        tail.compile(
            optimizer=optimizer,
            loss=keras.losses.CategoricalCrossentropy(label_smoothing=config.label_smoothing),
            metrics=["accuracy"],
        )


def _learning_rate(
    steps: int, config: TrainConfig
) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """Adam's step size by step: up to its highest, then level or down to nothing."""
    warmup = round(config.warmup_epochs * steps)
    if config.schedule == "constant" and not warmup:
        return config.learning_rate
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup else config.learning_rate,
        decay_steps=max(config.epochs * steps - warmup, 1),
        alpha=1.0 if config.schedule == "constant" else 0.0,
        warmup_target=config.learning_rate if warmup else None,
        warmup_steps=warmup,
    )


def _diverged(checkpoint: Checkpoint, config: TrainConfig, state: Path) -> str:
    epochs = len(checkpoint.history.get("loss", ()))
    kept = f" The weights after epoch {epochs} are kept in {state}." if epochs else ""
    return (
        f"Training diverged in epoch {epochs + 1}: the loss is not a number. Lower "
        f"train.learning_rate (it was {config.learning_rate}).{kept}"
    )


class _EpochOf(keras.callbacks.Callback):
    """Makes all that is drawn in an epoch follow from the seed and the epoch's number.

    Keras saves no state of the generators in dropout layers, so they are seeded anew.
    """

    def __init__(self, batches: TrainingBatches, seed: int) -> None:
        super().__init__()
        self._batches = batches
        self._seed = seed

    def on_epoch_begin(
        self,
        epoch: int,
        logs: dict[str, float] | None = None,  # noqa: ARG002 - Keras' signature
    ) -> None:
        self._batches.epoch = epoch
        for number, layer in enumerate(self.model.layers):
            if isinstance(layer, keras.layers.Dropout) and layer.rate:
                seeds = np.random.SeedSequence([self._seed, epoch, number]).generate_state(2)
                layer.seed_generator.state.assign(seeds)
