import functools
import logging
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from transformed import SIZE, images, toy_model

from components.errors import PipelineError
from components.trainer import features as features_module
from components.trainer.appearance.bank import StyleBank
from components.trainer.config import AugmentConfig
from components.trainer.features import FrozenPrefix
from components.trainer.inputs import decode_pixels
from components.trainer.split_model import split_model

pytestmark = pytest.mark.long

TWO = AugmentConfig(versions=2)
ONE = AugmentConfig(versions=1)


@functools.cache
def _frozen_layers(seed: int):
    """A prefix, and its graph, which all that count with it share."""
    prefix = split_model(toy_model(), "float32").prefix
    if seed:
        prefix.get_layer("block1_conv1").bias.assign([seed] * 4)
    return prefix, FrozenPrefix(prefix, SIZE, Path(), 0)._run


class _Counting:
    """A prefix that counts the images that go through it."""

    def __init__(self, cache: Path, *, limit: float = 1e9, seed: int = 0) -> None:
        prefix, run = _frozen_layers(seed)
        self.frozen = FrozenPrefix(prefix, SIZE, cache, limit)
        self.images = 0

        def count(pixels: tf.Tensor) -> tf.Tensor:
            self.images += len(pixels)
            return run(pixels)

        self.frozen._run = count

    def __call__(self, split, config: AugmentConfig = TWO):
        return self.frozen.features((lambda: split, config))[0]


@pytest.fixture
def split(tmp_path):
    return images(tmp_path / "split", 20)


def test_features_are_what_the_frozen_layers_give(tmp_path, split):
    prefix, _ = _frozen_layers(0)
    [found] = FrozenPrefix(prefix, SIZE, tmp_path / "cache", 1e9).features((lambda: split, TWO))
    expected = prefix(tf.cast(decode_pixels(split), tf.float32)).numpy()
    for image, activations in zip(split, expected, strict=True):
        np.testing.assert_allclose(found.versions[0][image.digest], activations, atol=1e-5)
        assert found.labels[found.digests.index(image.digest)] == image.label
    assert not np.allclose(found.versions[1][image.digest], activations, atol=1e-3)


def test_a_second_training_skips_the_frozen_layers(tmp_path, split):
    first, second = _Counting(tmp_path / "cache"), _Counting(tmp_path / "cache")
    found, again = first(split), second(reversed(split))
    assert (first.images, second.images) == (40, 0)
    assert found.digests == again.digests
    np.testing.assert_array_equal(found.labels, again.labels)


def test_only_new_images_and_new_versions_are_computed(tmp_path, split):
    _Counting(tmp_path / "cache")(split[:15])
    more_images, more_versions = _Counting(tmp_path / "cache"), _Counting(tmp_path / "cache")
    more_images(split)
    more_versions(split, AugmentConfig(versions=3))
    assert (more_images.images, more_versions.images) == (10, 20)


@pytest.mark.parametrize("change", [{"brightness": 0.1}, {"seed": 1}, {"flip": True}])
def test_other_draws_share_the_originals_only(tmp_path, split, change):
    _Counting(tmp_path / "cache")(split)
    other = _Counting(tmp_path / "cache")
    other(split, TWO.model_copy(update=change))
    assert other.images == 20


def test_versions_in_other_styles_are_not_used(tmp_path, split):
    styled = TWO.model_copy(update={"styles": 0.5})
    pictures = [(one.digest, one.label, decode_pixels([one])[0].numpy()) for one in split]
    banks = [None, StyleBank(pictures[:6]), StyleBank(pictures[6:]), StyleBank(pictures[:6])]
    computed = []
    for config, styles in [(TWO, None), *((styled, bank) for bank in banks)]:
        maker = _Counting(tmp_path / "cache")
        maker.frozen.features((lambda: split, config), styles=styles)
        computed.append(maker.images)
    assert computed == [40, 20, 20, 20, 0]


def test_features_of_other_weights_are_not_used(tmp_path, split):
    _Counting(tmp_path / "cache")(split)
    other = _Counting(tmp_path / "cache", seed=1)
    other(split)
    assert other.images == 40


_PRINT_FOLDER = """
import sys
from dataclasses import replace
from pathlib import Path
from transformed import SIZE, toy_model
from components.trainer.config import AugmentConfig
from components.trainer.features import FrozenPrefix
from components.trainer.split_model import split_model

prefix = split_model(toy_model(), "float32").prefix
frozen = FrozenPrefix(prefix, SIZE, Path(sys.argv[1]), 1)
print(frozen._folder(0, AugmentConfig(versions=1)).name)
"""


def test_another_process_finds_the_same_features(tmp_path, split):
    _Counting(tmp_path / "cache")(split, ONE)
    paths = [str(Path(__file__).parents[2] / "fixtures"), *sys.path]
    done = subprocess.run(
        [sys.executable, "-c", _PRINT_FOLDER, str(tmp_path / "cache")],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONHASHSEED": "7"},
    )
    assert done.stdout.split() == [path.name for path in (tmp_path / "cache").iterdir()]


def test_a_truncated_shard_is_made_anew(tmp_path, split, caplog):
    found = _Counting(tmp_path / "cache")(split, ONE)
    expected = np.stack([found.versions[0][digest] for digest in found.digests])
    [data] = (tmp_path / "cache").rglob("*.data")
    os.truncate(data, data.stat().st_size - 7)
    again = _Counting(tmp_path / "cache")
    with caplog.at_level(logging.WARNING):
        found = again(split, ONE)
    assert again.images == 20
    assert "damaged" in caplog.text
    restored = np.stack([found.versions[0][digest] for digest in found.digests])
    np.testing.assert_array_equal(restored, expected)


def test_a_pass_that_was_killed_goes_on(tmp_path, split, monkeypatch):
    monkeypatch.setattr(features_module, "_SHARD", 8)
    killed = _Counting(tmp_path / "cache")
    write = Path.write_bytes

    def die(path: Path, content: bytes) -> int:
        if killed.images > 16:
            raise KeyboardInterrupt
        return write(path, content)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", die)
        with pytest.raises(KeyboardInterrupt):
            killed(split, ONE)
    again = _Counting(tmp_path / "cache")
    again(split, ONE)
    assert again.images == 4


def test_a_full_disk_leaves_nothing_half_written(tmp_path, split, monkeypatch):
    def full(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(bytes(content)[: len(content) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        _Counting(tmp_path / "cache")(split, ONE)
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_what_was_not_used_for_longest_makes_room(tmp_path, split, caplog):
    cache = tmp_path / "cache"
    one_store = 20 * 2 * 2 * 6 * 4  # images, activations, bytes of a float32
    limit = 2.5 * (one_store + 20 * 32)
    makers = {seed: _Counting(cache, limit=limit, seed=seed) for seed in (1, 2, 3)}
    folders = {seed: maker.frozen._folder(0, ONE) for seed, maker in makers.items()}
    makers[1](split, ONE)
    makers[2](split, ONE)
    os.utime(folders[1], (1, 1))
    os.utime(folders[2], (2, 2))
    _Counting(cache, limit=limit, seed=1)(split, ONE)  # used again
    with caplog.at_level(logging.INFO):
        makers[3](split, ONE)
    assert set(cache.iterdir()) == {folders[1], folders[3]}
    assert "not used for longest" in caplog.text


def test_what_one_split_needs_never_makes_room_for_another(tmp_path, split):
    row = 2 * 2 * 6 * 4 + 32  # activations in float32, and a digest
    others = images(tmp_path / "others", 10, first=100)
    maker = _Counting(tmp_path / "cache", limit=51 * row)
    _Counting(tmp_path / "cache", seed=1)(split)  # 40 rows of other weights must go
    train, held_out = maker.frozen.features((lambda: split, TWO), (lambda: others, ONE))
    for features in (train, held_out):
        for store in features.versions:
            assert all(store[digest].any() for digest in features.digests)
    assert maker.images == 50
    with pytest.raises(PipelineError, match=r"train\.cache_gigabytes"):
        _Counting(tmp_path / "cache", limit=45 * (row - 32), seed=2).frozen.features(
            (lambda: split, TWO), (lambda: others, ONE)
        )


def test_images_that_are_gone_make_room_in_their_own_store(tmp_path, split):
    row = 2 * 2 * 6 * 4 + 32
    _Counting(tmp_path / "cache", limit=30 * row)(split, ONE)
    others = images(tmp_path / "others", 20, first=100)
    found = _Counting(tmp_path / "cache", limit=30 * row)(others, ONE)
    assert all(found.versions[0][digest].any() for digest in found.digests)
    kept = sum(path.stat().st_size for path in (tmp_path / "cache").rglob("*.data"))
    assert kept == 20 * (row - 32)


def test_the_same_pixels_under_two_classes_count_for_each_and_are_told(tmp_path, split, caplog):
    other = replace(split[4], label=1 - split[4].label)
    for order in ([*split, other], [other, *split]):
        found = _Counting(tmp_path / "cache")(order, ONE)
        first = found.digests.index(other.digest)
        assert found.digests[first + 1] == other.digest
        assert found.labels[first : first + 2].tolist() == [0, 1]
    assert caplog.text.count("1 images have the same pixels under two classes") == 2


def test_copies_of_an_image_are_images_of_their_own(tmp_path, split):
    maker = _Counting(tmp_path / "cache")
    found = maker([split[3], *split, split[3]], ONE)
    assert maker.images == 20  # what the frozen layers make of them is the same
    assert len(found.digests) == len(found.labels) == 22
    assert found.digests.count(split[3].digest) == 3


@pytest.mark.parametrize("first", [0, 60, 120])
def test_a_sample_holds_every_class_and_is_the_same_in_any_order_of_files(tmp_path, first):
    rare = images(tmp_path / "split", 60, first=first, rare=True)
    samples = []
    for order in (rare, rare[::-1]):
        found = _Counting(tmp_path / "cache")(order, ONE)
        batches = list(found.originals(4, 10))
        assert [len(labels) for _, labels in batches] == [4, 4, 2]
        samples.append(np.concatenate([activations for activations, _ in batches]))
        assert sum(labels.sum() for _, labels in batches) == 1
    np.testing.assert_array_equal(*samples)


def test_versions_that_other_code_drew_are_not_used(tmp_path, split, monkeypatch):
    _Counting(tmp_path / "cache")(split)
    monkeypatch.setattr(features_module, "source_digest", lambda _: "of other code")
    other = _Counting(tmp_path / "cache")
    other(split)
    assert other.images == 20


def test_more_than_the_limit_or_the_disk_is_refused(tmp_path, split, monkeypatch):
    with pytest.raises(PipelineError, match=r"train\.cache_gigabytes"):
        _Counting(tmp_path / "cache", limit=100)(split, ONE)
    monkeypatch.setattr(
        features_module.shutil,
        "disk_usage",
        lambda _: features_module.shutil._ntuple_diskusage(9, 9, 0),
    )
    with pytest.raises(PipelineError, match="are free on the disk"):
        _Counting(tmp_path / "cache")(split, ONE)


def test_without_frozen_layers_the_pixels_are_kept(tmp_path, split):
    [found] = FrozenPrefix(None, SIZE, tmp_path / "cache", 1e9).features((lambda: split, TWO))
    pixels = decode_pixels(split).numpy()
    np.testing.assert_array_equal(found.versions[0][split[3].digest], pixels[3])


def test_an_empty_split_is_named(tmp_path):
    with pytest.raises(PipelineError, match="no image to train on"):
        _Counting(tmp_path / "cache")([], ONE)
