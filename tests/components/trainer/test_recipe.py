import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from transformed import SIZE, TOY, write_split

from components.trainer import recipe as recipe_module
from components.trainer.config import AugmentConfig, TrainConfig
from components.trainer.recipe import Recipe
from components.transform.config import TransformConfig

pytestmark = pytest.mark.long

RECIPE = Recipe(
    TOY,
    TrainConfig(epochs=3, batch_size=8, precision="float32", augment=AugmentConfig(versions=2)),
    TransformConfig(image_size=SIZE, crop="none"),
    ("glioma", "notumor"),
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
import logging, sys, time
from pathlib import Path
import tensorflow as tf
if sys.argv[2] == "mirrored":
    [device] = tf.config.list_physical_devices("CPU")
    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(device, two)
from transformed import SIZE, TOY
from components.trainer.config import TrainConfig
from components.trainer.recipe import Recipe
from components.transform.config import TransformConfig

folder, strategy, cache, epochs = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
logging.basicConfig(level=logging.INFO, stream=sys.stdout)
model = TOY.model_copy(update={"flatten_dropout": 0.0, "dense_dropout": 0.0})
train = TrainConfig(epochs=epochs, batch_size=8, precision="float32", strategy=strategy)
recipe = Recipe(model, train, TransformConfig(image_size=SIZE, crop="none"), ("a", "b"))
files = [str(folder / "train" / "*")], [str(folder / "eval" / "*")]
trained = recipe.fit(*files, Path(cache))
trained.model.save_weights(Path(cache) / "ended.weights.h5")
print("losses", *trained.history["loss"])
"""


def _fit(folder: Path, cache: str, strategy: str = "none", epochs: int = 3) -> subprocess.Popen:
    paths = [str(Path(__file__).parents[2] / "fixtures"), *sys.path]
    command = [sys.executable, "-uc", _FIT, folder, strategy, folder / cache, str(epochs)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def test_killed_in_an_epoch_a_training_ends_with_the_weights_it_would_have_had(tmp_path):
    _files(tmp_path)
    with _fit(tmp_path, "whole", epochs=100) as whole:
        losses = whole.stdout.read().splitlines()[-1]
    with _fit(tmp_path, "killed", epochs=100) as killed:
        progress = (re.search(r"epoch (\d+)/", line) for line in killed.stdout)
        next(found for found in progress if found and int(found[1]) > 2)
        killed.send_signal(signal.SIGKILL)
    assert killed.returncode == -signal.SIGKILL
    with _fit(tmp_path, "killed", epochs=100) as resumed:
        said = resumed.stdout.read()
    assert "going on after epoch" in said
    assert said.splitlines()[-1] == losses
    ended = [tmp_path / cache / "ended.weights.h5" for cache in ("whole", "killed")]
    assert ended[0].read_bytes() == ended[1].read_bytes()


def test_two_devices_train_as_one_does(tmp_path):
    _files(tmp_path, 17)  # the last batch has fewer images than there are devices
    found = {}
    for strategy in ("none", "mirrored"):
        with _fit(tmp_path, strategy, strategy) as fitting:
            said = fitting.stdout.read()
        assert fitting.returncode == 0
        found[strategy] = [float(word) for word in said.splitlines()[-1].split()[1:]]
    np.testing.assert_allclose(found["mirrored"], found["none"], rtol=1e-3)


def test_a_training_of_other_weights_does_not_go_on_from_this_one(tmp_path, monkeypatch):
    files = _files(tmp_path)
    with pytest.raises(_KilledError):
        RECIPE.fit(*files, tmp_path / "cache", (_KillIn(2),))
    build = recipe_module.build_model

    def other(*arguments, **options):
        model = build(*arguments, **options)
        model.get_layer("block1_conv1").bias.assign([1.0] * 4)
        return model

    monkeypatch.setattr(recipe_module, "build_model", other)
    expected = RECIPE.fit(*files, tmp_path / "other").history
    assert RECIPE.fit(*files, tmp_path / "cache").history == expected


def test_a_training_of_another_precision_does_not_go_on_from_this_one(tmp_path, monkeypatch):
    files = _files(tmp_path)
    auto = RECIPE.with_values({"train.precision": "auto"})
    chosen = iter(["float32", "mixed_bfloat16"])
    monkeypatch.setattr(recipe_module, "resolve_precision", lambda _: next(chosen))
    with pytest.raises(_KilledError):
        auto.fit(*files, tmp_path / "cache", (_KillIn(2),))
    epochs = []
    count = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, _: epochs.append(epoch))
    auto.fit(*files, tmp_path / "cache", (count,))
    assert epochs == [0, 1, 2]
