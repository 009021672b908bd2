"""Which trainings are the same."""

from pathlib import Path

import numpy as np
import pytest

from components.trainer.config import ModelConfig, Recipe, TrainConfig, Training
from components.trainer.identity import identity, initial_weights
from components.transform.config import TransformConfig


def _training(cache="cache", classes=("a", "b"), weights="random", **train) -> Training:
    recipe = Recipe(
        model=ModelConfig(weights=weights),
        train=TrainConfig(**train),
        transform=TransformConfig(),
        classes=classes,
    )
    return Training(recipe=recipe, cache=Path(cache))


@pytest.mark.parametrize(
    "same", [{"cache": "other"}, {"cache_gigabytes": 3}, {"weights": Path("vgg16.h5")}]
)
def test_where_something_lies_and_what_room_there_is_decide_nothing(same):
    assert identity(_training(**same)) == identity(_training())


@pytest.mark.parametrize(
    "other",
    [
        {"epochs": 7},
        {"classes": ("b", "a")},
        {"augment": {"versions": 3}},
        {"augment": {"styles": 0.5}},
        {"paint": {"lesions": 1}},
        {"average": 0.9},
        {"seed": 1},
    ],
)
def test_settings_decide(other):
    assert identity(_training(**other)) != identity(_training())


def test_parts_are_told_apart():
    zeros = np.zeros(4, np.float32)
    parts = [
        ("a", "bc"), ("ab", "c"), ("abc",), (zeros,), (zeros[:2], zeros[2:]),
        (zeros.reshape(2, 2),), (zeros.astype(np.float16).repeat(2),), (None,), (),
    ]  # fmt: skip
    assert len({identity(*one) for one in parts}) == len(parts)


def test_values_decide_not_how_they_lie_in_memory():
    square = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert identity(np.asfortranarray(square)) == identity(square)


def test_weights_are_known_by_what_their_file_holds(tmp_path):
    for name, content in (("one", b"1"), ("copy", b"1"), ("other", b"2")):
        (tmp_path / name).write_bytes(content)
    one, copy, other = (initial_weights(tmp_path / name) for name in ("one", "copy", "other"))
    assert one == copy != other
    assert initial_weights("imagenet") != initial_weights("random")
