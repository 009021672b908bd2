from dataclasses import replace

import numpy as np
import pytest
from transformed import SIZE, images

from components.trainer.batches import (
    TrainingBatches,
    allowed_classes,
    class_weights,
    plain_batches,
)
from components.trainer.config import AugmentConfig, TrainConfig
from components.trainer.features import FrozenPrefix

CONFIG = TrainConfig(batch_size=4, augment=AugmentConfig(versions=3))


@pytest.fixture
def features(tmp_path):
    split = images(tmp_path / "split", 10)
    frozen = FrozenPrefix(None, SIZE, tmp_path / "cache", 1e9)
    return frozen.features((lambda: split, CONFIG.augment))[0]


def _epoch(features, config: TrainConfig = CONFIG, epoch: int = 0):
    batches = TrainingBatches([features], 2, config)
    batches.epoch = epoch
    found = list(batches.dataset().as_numpy_iterator())
    assert len(found) == batches.steps
    return [np.concatenate(part) for part in zip(*found, strict=True)]


def _place(features, pixels: np.ndarray) -> tuple[int, int]:
    """Which image, and which version of it, these pixels are."""
    for row, digest in enumerate(features.digests):
        for version, store in enumerate(features.versions):
            if np.array_equal(store[digest], pixels):
                return row, version
    raise AssertionError("not one of the versions")


def test_an_epoch_holds_every_image_once_with_its_label(features):
    pixels, labels, weights = _epoch(features)
    rows = [_place(features, one)[0] for one in pixels]
    assert sorted(rows) == list(range(10))
    assert rows != list(range(10))
    np.testing.assert_array_equal(labels[:, 0].argmax(axis=1), features.labels[rows])
    np.testing.assert_array_equal(weights, 1)


def test_each_image_goes_through_all_its_versions(features):
    seen = [set() for _ in features.digests]
    for epoch in range(3):
        places = [_place(features, one) for one in _epoch(features, epoch=epoch)[0]]
        assert len({version for _, version in places}) > 1
        for row, version in places:
            seen[row].add(version)
    assert seen == [{0, 1, 2}] * 10


def test_an_epoch_follows_from_seed_and_number_alone(features):
    config = CONFIG.model_copy(update={"mixup": 0.4})
    for first, again in zip(_epoch(features, config, 5), _epoch(features, config, 5), strict=True):
        np.testing.assert_array_equal(first, again)
    assert not np.array_equal(_epoch(features, config, 5)[0], _epoch(features, config, 6)[0])
    other = config.model_copy(update={"seed": 1})
    assert not np.array_equal(_epoch(features, config, 5)[0], _epoch(features, other, 5)[0])


def test_mixing_mixes_labels_as_it_mixes_pixels(features):
    config = CONFIG.model_copy(update={"mixup": 1.0, "batch_size": 10})
    pure = _epoch(features, config.model_copy(update={"mixup": 0.0}))
    pure[1] = pure[1].sum(axis=1)
    pixels, labels, _ = _epoch(features, config)
    labels = labels.sum(axis=1)
    assert ((labels > 0.01) & (labels < 0.99)).any()
    assert (labels.max(axis=1) >= 0.5).all()
    originals = pure[0].reshape(10, -1).astype(float)
    for row, (image, label) in enumerate(zip(pixels.reshape(10, -1), labels, strict=True)):
        errors = []
        for partner in range(10):
            other = originals[partner] - originals[row]
            share = (image - originals[row]) @ other / max(other @ other, 1)
            mixed = (1 - share) * originals[row] + share * originals[partner]
            expected = (1 - share) * pure[1][row] + share * pure[1][partner]
            errors.append(np.abs(mixed - image).max() / 255 + np.abs(expected - label).max())
        assert min(errors) < 0.01


def test_an_image_of_a_rare_class_counts_for_more(features):
    rare = replace(features, labels=np.array([0] * 9 + [1]))
    _, labels, weights = _epoch(rare, CONFIG.model_copy(update={"class_weights": "balanced"}))
    assert len(set(weights)) == 2
    assert (weights == weights.max()).tolist() == (labels[:, 0, 1] == 1).tolist()


def test_what_was_made_of_images_is_trained_on_beside_them(features):
    made = replace(features, labels=np.full(10, ~1))
    batches = TrainingBatches([features, made], 3, CONFIG)
    assert batches.image_count == 20
    found = list(batches.dataset().as_numpy_iterator())
    _, labels, weights = (np.concatenate(part) for part in zip(*found, strict=True))
    kinds = [tuple(one) for one in labels[:, 0].astype(int).tolist()]
    ordinary = [tuple(one) for one in np.eye(3, dtype=int)[features.labels].tolist()]
    assert sorted(kinds) == sorted([*ordinary, *[(1, 0, 1)] * 10])
    np.testing.assert_array_equal(weights, 1)


def test_an_image_of_several_classes_counts_in_equal_parts_for_each():
    labels = np.array([0, 0, 0, 1, 2, ~2, ~2])
    config = TrainConfig(class_weights="balanced")
    weights = class_weights(labels, 3, config)
    assert weights[0] / weights[1] == pytest.approx(2 / 4)  # of 3 + 1 and 1 + 1 images
    assert weights[1] / weights[2] == pytest.approx(1 / 2)
    np.testing.assert_array_equal(
        allowed_classes(labels, 3)[[0, 3, 5]], [[1, 0, 0], [0, 1, 0], [1, 1, 0]]
    )
    counts = np.array([4, 2, 1])
    assert weights @ counts == pytest.approx(len(labels))  # 1 on average


@pytest.mark.parametrize("replicas", [1, 2, 4])
def test_no_device_goes_without_an_image(features, replicas):
    nine = replace(features, digests=features.digests[:9], labels=features.labels[:9])
    batches = TrainingBatches([nine], 2, CONFIG, replicas)
    plain = plain_batches(nine, 2, CONFIG.batch_size, replicas)
    for dataset in (batches.dataset(), plain):
        sizes = [len(part[0]) for part in dataset.as_numpy_iterator()]
        assert (sum(sizes), len(sizes)) == (9, batches.steps)
        assert min(sizes) >= min(replicas, 3)
        assert max(sizes) <= CONFIG.batch_size


def test_plain_batches_are_the_originals_in_order(features):
    found = list(plain_batches(features, 2, 4).as_numpy_iterator())
    pixels = np.concatenate([part for part, _ in found])
    assert [_place(features, one) for one in pixels] == [(row, 0) for row in range(10)]


@pytest.mark.parametrize(("kind", "ratio"), [("none", 1), ("square_root", 3), ("balanced", 9)])
def test_rare_classes_count_more(kind, ratio):
    labels = np.array([0] * 9 + [1])
    weights = class_weights(labels, 2, TrainConfig(class_weights=kind))
    assert weights[1] / weights[0] == pytest.approx(ratio)
    assert weights[labels].mean() == pytest.approx(1)
