import os
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from transformed import SIZE, TOY, write_split

from components.trainer import recipe as recipe_module
from components.trainer.config import AugmentConfig, Recipe, TrainConfig
from components.trainer.recipe import fit
from components.transform.config import TransformConfig

pytestmark = pytest.mark.long

TRAIN = TrainConfig(epochs=3, batch_size=8, precision="float32", augment=AugmentConfig(versions=2))
RECIPE = Recipe(
    model=TOY,
    train=TRAIN,
    transform=TransformConfig(image_size=SIZE, crop="none"),
    classes=("glioma", "notumor"),
)


class _KilledError(Exception):
    """Stands for the signal that ends a process."""


class _KillIn(keras.callbacks.Callback):
    def __init__(self, epoch: int) -> None:
        super().__init__()
        self._epoch = epoch

    def on_epoch_begin(self, epoch: int, logs=None) -> None:
        if epoch == self._epoch:
            raise _KilledError


def _files(folder: Path, count: int = 20) -> tuple[list[str], list[str]]:
    return write_split(folder / "train", count), write_split(folder / "eval", 8, first=100)


_FIT = """
import logging, sys
from pathlib import Path
import keras
import tensorflow as tf
if sys.argv[2] == "mirrored":
    [device] = tf.config.list_physical_devices("CPU")
    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(device, two)
from transformed import SIZE, TOY
from components.trainer.config import Recipe, TrainConfig
from components.trainer.recipe import fit
from components.transform.config import TransformConfig

class Hold(keras.callbacks.Callback):
    epoch = 0
    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch
    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (1, 1):
            print("held", flush=True)
            sys.stdin.read()

folder, strategy, cache, callbacks = Path(sys.argv[1]), sys.argv[2], sys.argv[3], ()
if sys.argv[4:] == ["hold"]:
    callbacks = (Hold(),)
logging.basicConfig(level=logging.INFO, stream=sys.stdout)
model = TOY.model_copy(update={"flatten_dropout": 0.0, "dense_dropout": 0.0})
train = TrainConfig(epochs=3, batch_size=8, precision="float32", strategy=strategy)
transform = TransformConfig(image_size=SIZE, crop="none")
recipe = Recipe(model=model, train=train, transform=transform, classes=("a", "b"))
files = [str(folder / "train" / "*")], [str(folder / "eval" / "*")]
trained = fit(recipe, *files, Path(cache), callbacks)
trained.model.save_weights(Path(cache) / "ended.weights.h5")
print("losses", *trained.history["loss"])
"""


def _fit(folder: Path, cache: str, *hold: str, strategy: str = "none") -> subprocess.Popen:
    """A training in a process of its own; with `hold`, it waits within the second epoch."""
    paths = [str(Path(__file__).parents[2] / "fixtures"), *sys.path]
    command = [sys.executable, "-uc", _FIT, folder, strategy, folder / cache, *hold]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return subprocess.Popen(command, text=True, env=environment, **pipes)


def test_killed_in_an_epoch_a_training_ends_with_the_weights_it_would_have_had(tmp_path):
    _files(tmp_path)
    with _fit(tmp_path, "whole") as whole:
        losses = whole.stdout.read().splitlines()[-1]
    with _fit(tmp_path, "killed", "hold") as killed:
        assert "held\n" in killed.stdout  # and goes no further before its input ends
        killed.send_signal(signal.SIGKILL)
    assert killed.returncode == -signal.SIGKILL
    with _fit(tmp_path, "killed") as resumed:
        said = resumed.stdout.read()
    assert "going on after epoch 1," in said
    assert said.splitlines()[-1] == losses
    ended = [tmp_path / cache / "ended.weights.h5" for cache in ("whole", "killed")]
    assert ended[0].read_bytes() == ended[1].read_bytes()


def test_two_devices_train_as_one_does(tmp_path):
    _files(tmp_path, 17)  # the last batch has fewer images than there are devices
    found = {}
    for strategy in ("none", "mirrored"):
        with _fit(tmp_path, strategy, strategy=strategy) as fitting:
            said = fitting.stdout.read()
        assert fitting.returncode == 0
        found[strategy] = [float(word) for word in said.splitlines()[-1].split()[1:]]
    np.testing.assert_allclose(found["mirrored"], found["none"], rtol=1e-3)


def test_a_training_of_other_weights_does_not_go_on_from_this_one(tmp_path, monkeypatch):
    files = _files(tmp_path)
    with pytest.raises(_KilledError):
        fit(RECIPE, *files, tmp_path / "cache", (_KillIn(2),))
    build = recipe_module.build_model

    def other(*arguments, **options):
        model = build(*arguments, **options)
        model.get_layer("block1_conv1").bias.assign([1.0] * 4)
        return model

    monkeypatch.setattr(recipe_module, "build_model", other)
    expected = fit(RECIPE, *files, tmp_path / "other").history
    assert fit(RECIPE, *files, tmp_path / "cache").history == expected


def test_a_training_of_another_precision_does_not_go_on_from_this_one(tmp_path, monkeypatch):
    files = _files(tmp_path)
    auto = RECIPE.with_values({"train.precision": "auto"})
    chosen = iter(["float32", "mixed_bfloat16"])
    monkeypatch.setattr(recipe_module, "resolve_precision", lambda _: next(chosen))
    with pytest.raises(_KilledError):
        fit(auto, *files, tmp_path / "cache", (_KillIn(2),))
    epochs = []
    count = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, _: epochs.append(epoch))
    fit(auto, *files, tmp_path / "cache", (count,))
    assert epochs == [0, 1, 2]
