import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pytest
from transformed import SIZE, KillAt, KilledError, images, toy_model

from components.errors import PipelineError
from components.trainer.config import AugmentConfig, TrainConfig
from components.trainer.features import FrozenPrefix
from components.trainer.history import History
from components.trainer.split_model import split_model
from components.trainer.training import _learning_rate, train

pytestmark = pytest.mark.long

CONFIG = TrainConfig(
    epochs=4, batch_size=8, learning_rate=1e-2, mixup=0.2, augment=AugmentConfig(versions=2)
)


@pytest.fixture(scope="module")
def splits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("splits")
    parts = split_model(toy_model(), "float32")
    frozen = FrozenPrefix(parts.prefix, SIZE, folder / "cache", 1e9)
    found = images(folder / "train", 20), images(folder / "eval", 10, first=100)
    return frozen.features(*((lambda split=split: split, CONFIG.augment) for split in found))


def _tail(precision: str = "float32") -> keras.Model:
    model = toy_model()
    keras.utils.set_random_seed(1)
    return split_model(model, precision).tail


def _train(splits, state, config: TrainConfig = CONFIG, precision="float32", **arguments):
    tail = _tail(precision)
    features, held_out = splits
    return tail, train(tail, [features], held_out, config, state, **arguments)


def _assert_equal(first: keras.Model, second: keras.Model, tolerance: float = 0.0) -> None:
    for one, other in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=tolerance, rtol=0)


@dataclass(frozen=True)
class Whole:
    """A training that nobody interrupted."""

    tail: keras.Model
    history: History
    state: Path


@pytest.fixture(scope="module")
def whole(splits, tmp_path_factory) -> Whole:
    """A training by CONFIG; not to be changed."""
    state = tmp_path_factory.mktemp("whole") / "state"
    return Whole(*_train(splits, state), state)


def test_the_loss_falls(splits, tmp_path):
    config = CONFIG.model_copy(update={"epochs": 12, "mixup": 0.0})
    _, history = _train(splits, tmp_path / "state", config)
    assert history["loss"][-1] < 0.8 * history["loss"][0]
    assert {len(values) for values in history.values()} == {12}


def test_a_training_that_has_ended_is_not_done_again(splits, whole, tmp_path):
    state = shutil.copytree(whole.state, tmp_path / "state")
    tail, history = _train(splits, state, callbacks=(KillAt(0, 0),))
    _assert_equal(whole.tail, tail)
    assert history == whole.history


def test_another_seed_gives_other_weights(splits, whole, tmp_path):
    other, _ = _train(splits, tmp_path, CONFIG.model_copy(update={"seed": 5}))
    with pytest.raises(AssertionError):
        _assert_equal(whole.tail, other, 1e-4)


def test_killed_again_and_again_a_training_ends_as_if_it_had_not_been(
    splits, whole, tmp_path, monkeypatch
):
    """Within an epoch, and while each file of its state is written."""
    with pytest.raises(KilledError):
        _train(splits, tmp_path, callbacks=(KillAt(1, 1),))
    replace = Path.replace
    for name in ("history.json", "best.weights.h5", "last.weights.h5"):

        def die(unfinished, path, name=name):
            if path.name == name:
                raise KilledError
            return replace(unfinished, path)

        with monkeypatch.context() as patched:
            patched.setattr(Path, "replace", die)
            with pytest.raises(KilledError):
                _train(splits, tmp_path)
    resumed, history = _train(splits, tmp_path)
    _assert_equal(whole.tail, resumed)
    assert history == whole.history
    best, again = _train(splits, tmp_path, CONFIG.model_copy(update={"keep_best": True}))
    assert again == history
    expected = _tail()
    expected.compile(best.optimizer)
    expected.load_weights(whole.state / "best.weights.h5")
    _assert_equal(expected, best)


def test_the_best_epoch_is_kept_and_a_wait_that_has_ended_has_ended_after_a_kill(splits, tmp_path):
    config = CONFIG.model_copy(
        update={"epochs": 40, "patience": 2, "keep_best": True, "learning_rate": 0.05}
    )
    tail, history = _train(splits, tmp_path / "state", config)
    losses = history["val_loss"]
    best = losses.index(min(losses))
    assert len(losses) == best + 3 < 40
    held_out = splits[1]
    activations = np.stack([held_out.versions[0][digest] for digest in held_out.digests])
    chosen = tail.predict(activations, verbose=0)[np.arange(10), held_out.labels]
    assert -np.log(chosen).mean() == pytest.approx(losses[best], rel=1e-3)
    again, figures = _train(splits, tmp_path / "state", config)  # killed before it was exported
    assert figures == history
    _assert_equal(tail, again)


def test_a_loss_that_is_no_number_stops_with_the_last_good_weights(splits, tmp_path):
    class Poison(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs=None) -> None:
            if epoch == 2:
                # Of the last layer: some processors make zero of a number that is none in ReLU.
                last = self.model.get_layer("probabilities")
                last.bias.assign(last.bias * float("nan"))

    with pytest.raises(PipelineError, match=r"diverged in epoch 3.*learning_rate.*after epoch 2"):
        _train(splits, tmp_path / "state", callbacks=(Poison(),))
    good = _tail()
    good.compile("adam")
    good.load_weights(tmp_path / "state" / "best.weights.h5")
    assert all(np.isfinite(weight).all() for weight in good.get_weights())
    assert len(json.loads((tmp_path / "state" / "history.json").read_text())["loss"]) == 2


def test_half_precision_trains_and_resumes_with_a_scaled_loss(splits, tmp_path):
    """The scale begins so high that steps are skipped, which must not count as epochs."""
    whole, history = _train(splits, tmp_path / "whole", precision="mixed_float16")
    assert isinstance(whole.optimizer, keras.optimizers.LossScaleOptimizer)
    with pytest.raises(KilledError):
        _train(splits, tmp_path / "killed", precision="mixed_float16", callbacks=(KillAt(2, 1),))
    resumed, again = _train(splits, tmp_path / "killed", precision="mixed_float16")
    assert again == history
    _assert_equal(whole, resumed)


class _Weights(keras.callbacks.Callback):
    """The weights after each step."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[list[np.ndarray]] = []

    def on_train_batch_end(self, batch: int, logs=None) -> None:
        self.steps.append([one.numpy() for one in self.model.trainable_variables])


def test_training_ends_with_the_average_of_its_weights_which_is_what_was_evaluated(
    splits, tmp_path
):
    seen = _Weights()
    config = CONFIG.model_copy(update={"average": 0.8, "epochs": 2})
    tail, history = _train(splits, tmp_path, config, callbacks=(seen,))
    average = seen.steps[0]
    for step in seen.steps[1:]:
        average = [0.8 * old + 0.2 * new for old, new in zip(average, step, strict=True)]
    for found, expected in zip(tail.trainable_variables, average, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)
    _, held_out = splits
    activations = np.stack([held_out.versions[0][digest] for digest in held_out.digests])
    chosen = tail.predict(activations, verbose=0)[np.arange(10), held_out.labels]
    assert -np.log(chosen).mean() == pytest.approx(history["val_loss"][-1], rel=1e-4)


def test_an_average_is_evaluated_and_goes_on_after_a_kill_without_a_trace(splits, tmp_path):
    plain, averaged = _Weights(), _Weights()
    config = CONFIG.model_copy(update={"average": 0.8})
    _train(splits, tmp_path / "plain", callbacks=(plain,))
    whole, history = _train(splits, tmp_path / "whole", config, callbacks=(averaged,))
    for one, other in zip(plain.steps[-1], averaged.steps[-1], strict=True):
        np.testing.assert_array_equal(one, other)  # evaluation leaves the trained ones as they are
    with pytest.raises(KilledError):
        _train(splits, tmp_path / "killed", config, callbacks=(KillAt(2, 1),))
    resumed, again = _train(splits, tmp_path / "killed", config)
    assert again == history
    _assert_equal(whole, resumed)
    ended, _ = _train(splits, tmp_path / "killed", config, callbacks=(KillAt(0, 0),))
    _assert_equal(whole, ended)


def test_the_best_epoch_is_kept_as_the_average_that_it_was(splits, tmp_path):
    config = CONFIG.model_copy(
        update={"average": 0.95, "keep_best": True, "learning_rate": 0.05, "schedule": "constant"}
    )
    tail, history = _train(splits, tmp_path, config)
    _, held_out = splits
    activations = np.stack([held_out.versions[0][digest] for digest in held_out.digests])
    chosen = tail.predict(activations, verbose=0)[np.arange(10), held_out.labels]
    assert -np.log(chosen).mean() == pytest.approx(min(history["val_loss"]), rel=1e-4)


class _Rates(keras.callbacks.Callback):
    """The step size before each step."""

    def __init__(self) -> None:
        super().__init__()
        self.rates: list[float] = []

    def on_train_batch_begin(self, batch: int, logs=None) -> None:
        self.rates.append(float(self.model.optimizer.learning_rate))


_SCHEDULES = {
    ("constant", 0): [1, 1, 1, 1],
    ("constant", 1): [0, 1, 1, 1],
    ("cosine", 0): [1, 0.854, 0.5, 0.146],
    ("cosine", 1): [0, 1, 0.75, 0.25],
}


@pytest.mark.parametrize(("schedule", "warmup_epochs"), _SCHEDULES)
def test_the_step_size_rises_and_falls_as_the_recipe_says(schedule, warmup_epochs):
    settings = {"schedule": schedule, "warmup_epochs": warmup_epochs}
    rate = _learning_rate(3, CONFIG.model_copy(update=settings))
    rates = [float(rate(step)) if callable(rate) else rate for step in range(0, 12, 3)]
    expected = _SCHEDULES[schedule, warmup_epochs]
    np.testing.assert_allclose(np.array(rates) / 1e-2, expected, atol=2e-3)


def test_steps_weight_decay_and_smooth_labels_are_those_of_the_recipe(splits, whole, tmp_path):
    seen = _Rates()
    settings = {"warmup_epochs": 1, "weight_decay": 1.0, "label_smoothing": 0.4}
    decayed, smoothed = _train(
        splits, tmp_path, CONFIG.model_copy(update=settings), callbacks=(seen,)
    )
    np.testing.assert_allclose(np.array(seen.rates[::3]) / 1e-2, _SCHEDULES["cosine", 1], atol=2e-3)
    norms = [np.linalg.norm(tail.get_layer("dense").kernel) for tail in (whole.tail, decayed)]
    assert norms[1] < 0.99 * norms[0]
    assert min(smoothed["loss"]) > 0.50  # the entropy of 0.8 and 0.2
