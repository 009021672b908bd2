import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from transformed import SIZE, TOY, plain_recipe, write_split

from components.trainer import parts
from components.trainer.config import AugmentConfig, Recipe, TrainConfig
from components.trainer.training import fit
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
import sys
from pathlib import Path
import keras
import tensorflow as tf
folder, strategy = Path(sys.argv[1]), sys.argv[2]
if strategy == "mirrored":
    [device] = tf.config.list_physical_devices("CPU")
    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(device, two)
from components.trainer.training import fit
from transformed import plain_recipe

class Hold(keras.callbacks.Callback):
    epoch = 0
    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch
    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (1, 1):
            print("held", flush=True)
            sys.stdin.read()

files = [str(folder / "train" / "*")], [str(folder / "eval" / "*")]
callbacks = (Hold(),) if sys.argv[3:] == ["hold"] else ()
trained = fit(plain_recipe(strategy), *files, folder / strategy, callbacks)
print("losses", *trained.history["loss"])
"""


def _fit(folder: Path, *words: str) -> subprocess.Popen:
    """A training in a process of its own; with `hold`, it waits within the second epoch."""
    paths = [str(Path(__file__).parents[2] / "fixtures"), *sys.path]
    command = [sys.executable, "-uc", _FIT, folder, *words]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return subprocess.Popen(command, text=True, env=environment, **pipes)


def test_killed_in_an_epoch_a_training_ends_with_the_weights_it_would_have_had(tmp_path, caplog):
    files = _files(tmp_path)
    with _fit(tmp_path, "none", "hold") as killed:
        assert "held\n" in killed.stdout  # and goes no further before its input ends
        killed.send_signal(signal.SIGKILL)
    assert killed.returncode == -signal.SIGKILL
    whole = fit(plain_recipe(), *files, tmp_path / "whole")
    with caplog.at_level(logging.INFO):
        resumed = fit(plain_recipe(), *files, tmp_path / "none")
    assert "continuing after epoch 1," in caplog.text
    assert resumed.history == whole.history
    for one, other in zip(resumed.model.get_weights(), whole.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_two_devices_train_as_one_does(tmp_path):
    files = _files(tmp_path, 17)  # the last batch has fewer images than there are devices
    one = fit(plain_recipe(), *files, tmp_path / "one").history["loss"]
    with _fit(tmp_path, "mirrored") as fitting:
        said = fitting.stdout.read()
    assert fitting.returncode == 0
    two = [float(word) for word in said.splitlines()[-1].split()[1:]]
    np.testing.assert_allclose(two, one, rtol=1e-3)


def test_a_training_of_other_weights_does_not_go_on_from_this_one(tmp_path, monkeypatch):
    files = _files(tmp_path)
    with pytest.raises(_KilledError):
        fit(RECIPE, *files, tmp_path / "cache", (_KillIn(2),))
    build = parts.build_model

    def other(*arguments, **options):
        model = build(*arguments, **options)
        model.get_layer("block1_conv1").bias.assign([1.0] * 4)
        return model

    monkeypatch.setattr(parts, "build_model", other)
    expected = fit(RECIPE, *files, tmp_path / "other").history
    assert fit(RECIPE, *files, tmp_path / "cache").history == expected


def test_a_training_of_another_precision_does_not_go_on_from_this_one(tmp_path, monkeypatch):
    files = _files(tmp_path)
    auto = RECIPE.with_values({"train.precision": "auto"})
    chosen = iter(["float32", "mixed_bfloat16"])
    monkeypatch.setattr(parts, "resolve_precision", lambda _: next(chosen))
    with pytest.raises(_KilledError):
        fit(auto, *files, tmp_path / "cache", (_KillIn(2),))
    epochs = []
    count = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, _: epochs.append(epoch))
    fit(auto, *files, tmp_path / "cache", (count,))
    assert epochs == [0, 1, 2]
