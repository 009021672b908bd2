"""Trains a recipe: the tail of its network, on the features of its frozen prefix."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from components.errors import PipelineError
from components.source_digest import source_digest
from components.stratified_sample import StratifiedSample
from components.trainer.appearance.bank import StyleBank
from components.trainer.averaging import EvaluateAverage
from components.trainer.batches import TrainingBatches, plain_batches
from components.trainer.checkpoint import Checkpoint
from components.trainer.config import Recipe, TrainConfig
from components.trainer.features import FrozenFeatures
from components.trainer.healthy import Images, healthy_class, made_of_healthy
from components.trainer.history import History
from components.trainer.identity import identity
from components.trainer.inputs import TransformedImage, decode_pixels, read_images
from components.trainer.loss import AllowedClassesAccuracy, AllowedClassesLoss
from components.trainer.parts import frozen_prefix, initial_network, training_parts
from components.trainer.progress import LogProgress
from components.trainer.split_model import take_weights
from components.trainer.synthetic import synthetic_images

_LOG = logging.getLogger(__name__)
_EVAL_BATCH = 64
_STYLES = 200
"""Images of each class, at most, whose styles others take."""


class DivergedError(PipelineError):
    """The loss is no longer a number."""


@dataclass(frozen=True)
class TrainedModel:
    """What a recipe came to.

    Attributes:
        model: The whole network, float32, from pixels in 0..255 to probabilities.
        history: Loss and accuracy, one value an epoch, on train and eval.
        state: The folder that an interrupted training goes on from; to be removed when what came
            of this one is safe.
        cut: The layer whose output `train` and `held_out` hold; empty where they hold pixels.
        train: Features of the train split, without what was made of it.
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
    varied = recipe.train.augment
    original = varied.model_copy(update={"versions": 1, "keep_original": True})

    def images() -> Iterator[TransformedImage]:
        return read_images(train_files)

    made = made_of_healthy(images, recipe.train, recipe.classes)
    drawn = synthetic_images(recipe)
    # Of what is made every version is drawn: it has no original.
    anew = varied.model_copy(update={"keep_original": False})
    further = [(each, anew) for each in (made, drawn) if each]
    features, held_out, *others = frozen_prefix(recipe, parts, cache).features(
        (images, varied),
        (lambda: read_images(eval_files), original),
        *further,
        styles=_styles(images, recipe),
    )
    _check_classes(features, recipe.classes)

    trained = [features, *others]
    _LOG.info("training on %s images", f"{sum(len(split.digests) for split in trained):,}")
    # Settings alone do not tell: `auto` may choose another precision by the next time.
    itself = identity(
        recipe,
        parts.precision,
        source_digest(__name__),
        *model.get_weights(),
        *(_images(split) for split in (*trained, held_out)),
    )
    state = cache / "training" / itself
    history = train(parts.tail, trained, held_out, recipe.train, state, callbacks)
    take_weights(model, parts.tail)
    return TrainedModel(model, history, state, parts.cut, features, held_out)


def train(
    tail: keras.Model,
    features: Sequence[FrozenFeatures],
    held_out: FrozenFeatures,
    config: TrainConfig,
    state: Path,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> History:
    """Trains a model, from where an earlier attempt was interrupted if there was one.

    Args:
        tail: From features to probabilities; its weights are changed.
        features: Of the train split, and of what was made of it.
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
        _LOG.info("continuing after epoch %d, the last before training was interrupted", done)
    averaged = [EvaluateAverage()] if config.average else []
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
            LogProgress(batches.image_count, config.batch_size, done),
            *averaged,
            checkpoint,
            *callbacks,
        ],
    )
    if checkpoint.diverged:
        raise DivergedError(_diverged(checkpoint, config, state))
    if config.keep_best:
        checkpoint.take_best(tail)
    return checkpoint.history


def _styles(images: Images, recipe: Recipe) -> StyleBank | None:
    """The styles that images take, of a sample that is the same whatever files it comes in."""
    if not (recipe.train.augment.styles and recipe.train.augment.swap):
        return None
    draws = [StratifiedSample[TransformedImage](_STYLES) for _ in recipe.classes]
    for image in images():
        draws[image.label].offer(image.digest, image.label, image)
    drawn = (image for draw in draws for image in draw.drawn())
    return StyleBank(
        ((image.digest, image.label, decode_pixels([image])[0].numpy()) for image in drawn),
        healthy_class(recipe.train, recipe.classes),
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


def _compile(tail: keras.Model, steps: int, config: TrainConfig) -> None:
    rate = _learning_rate(steps, config)
    with tail.distribute_strategy.scope():
        optimizer = keras.optimizers.Adam(  # with a weight decay it is AdamW
            rate,
            weight_decay=config.weight_decay or None,
            use_ema=config.average > 0,
            ema_momentum=config.average,
        )
        if any(layer.dtype_policy.name == "mixed_float16" for layer in tail.layers):
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)  # small gradients are zero
        tail.compile(
            optimizer=optimizer,
            loss=AllowedClassesLoss(config.label_smoothing),
            metrics=[AllowedClassesAccuracy()],
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
