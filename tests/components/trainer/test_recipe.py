import logging
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pytest
from transformed import KillAt, KilledError, plain_recipe, write_split

from components.trainer import parts
from components.trainer.training import TrainedModel, fit

pytestmark = pytest.mark.long


class _Begins(keras.callbacks.Callback):
    """Kills a training at the beginning of the first epoch that it does, and knows which it is."""

    epoch: int

    def on_epoch_begin(self, epoch: int, logs=None) -> None:
        self.epoch = epoch
        raise KilledError


_FIT = """
import sys
from pathlib import Path
import tensorflow as tf
folder = Path(sys.argv[1])
[device] = tf.config.list_physical_devices("CPU")
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(device, two)
from components.trainer.training import fit
from transformed import plain_recipe

files = [str(folder / "train" / "*")], [str(folder / "eval" / "*")]
trained = fit(plain_recipe("mirrored"), *files, folder / "mirrored")
print("losses", *trained.history["loss"])
"""


def _fit_on_two_devices(folder: Path) -> list[float]:
    """The losses of a training in a process of its own, which has two devices."""
    paths = [str(Path(__file__).parents[2] / "fixtures"), *sys.path]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-c", _FIT, str(folder)]
    done = subprocess.run(command, text=True, env=environment, stdout=subprocess.PIPE, check=True)
    return [float(word) for word in done.stdout.splitlines()[-1].split()[1:]]


@dataclass(frozen=True)
class Trained:
    """Files of both splits, and a training on them that nobody interrupted."""

    folder: Path
    files: tuple[list[str], list[str]]
    model: TrainedModel


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Trained:
    folder = tmp_path_factory.mktemp("whole")
    # The last batch has fewer images than there are devices.
    files = write_split(folder / "train", 17), write_split(folder / "eval", 8, first=100)
    return Trained(folder, files, fit(plain_recipe(), *files, folder / "cache"))


def test_killed_in_an_epoch_a_training_ends_with_the_weights_it_would_have_had(
    whole, tmp_path, caplog
):
    with pytest.raises(KilledError):
        fit(plain_recipe(), *whole.files, tmp_path, (KillAt(1, 1),))
    with caplog.at_level(logging.INFO):
        resumed = fit(plain_recipe(), *whole.files, tmp_path)
    assert "continuing after epoch 1," in caplog.text
    assert resumed.history == whole.model.history
    pairs = zip(resumed.model.get_weights(), whole.model.model.get_weights(), strict=True)
    for one, other in pairs:
        np.testing.assert_array_equal(one, other)


def test_a_training_on_painted_and_restyled_images_goes_on_and_ends_the_same(whole, tmp_path):
    drawn = {"versions": 2, "styles": 0.7, "swap": 0.6, "levels": True}
    values = {
        "train.augment": drawn,
        "train.healthy_class": "b",
        "train.paint": {"lesions": 1, "decoys": 0.5, "copies": 1},
        "train.average": 0.7,
    }
    recipe = plain_recipe().with_values(values)
    uninterrupted = fit(recipe, *whole.files, tmp_path / "whole")
    with pytest.raises(KilledError):
        fit(recipe, *whole.files, tmp_path / "killed", (KillAt(1, 1),))
    resumed = fit(recipe, *whole.files, tmp_path / "killed")
    assert resumed.history == uninterrupted.history
    pairs = zip(resumed.model.get_weights(), uninterrupted.model.get_weights(), strict=True)
    for one, other in pairs:
        np.testing.assert_array_equal(one, other)
    # What confidence is fitted on are the images themselves.
    for features, alone in (
        (resumed.train, whole.model.train),
        (resumed.held_out, whole.model.held_out),
    ):
        assert features.digests == alone.digests
        np.testing.assert_array_equal(features.labels, alone.labels)
        for mine, theirs in zip(features.original([0, 1]), alone.original([0, 1]), strict=True):
            np.testing.assert_array_equal(mine, theirs)
    # Trainings that draw otherwise are others.
    for change in ({"train.paint": {"lesions": 1}}, {"train.average": 0.5}):
        begins = _Begins()
        with pytest.raises(KilledError):
            fit(recipe.with_values(change), *whole.files, tmp_path / "killed", (begins,))
        assert begins.epoch == 0


@pytest.mark.slow
def test_two_devices_train_as_one_does(whole):
    losses = _fit_on_two_devices(whole.folder)
    np.testing.assert_allclose(losses, whole.model.history["loss"], rtol=1e-3)


def test_a_training_of_other_weights_or_precision_does_not_go_on_from_this_one(
    whole, tmp_path, monkeypatch
):
    auto = plain_recipe().with_values({"train.precision": "auto"})
    chosen = iter(["float32", "float32", "mixed_bfloat16", "float32"])
    monkeypatch.setattr(parts, "resolve_precision", lambda _: next(chosen))

    def first_epoch() -> int:
        begins = _Begins()
        with pytest.raises(KilledError):
            fit(auto, *whole.files, tmp_path, (begins,))
        return begins.epoch

    with pytest.raises(KilledError):
        fit(auto, *whole.files, tmp_path, (KillAt(1, 1),))
    assert first_epoch() == 1
    assert first_epoch() == 0
    build = parts.build_model

    def other(*arguments, **options):
        model = build(*arguments, **options)
        model.get_layer("block1_conv1").bias.assign([1.0] * 4)
        return model

    monkeypatch.setattr(parts, "build_model", other)
    assert first_epoch() == 0
