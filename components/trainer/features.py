"""Activations of the frozen layers: computed once an image and version, kept on disk.

What a frozen network makes of an image is a constant. Each constant lies in a store, a folder named
by a digest of all that it depends on: weights, layers, image size, number format and augmentation.
Later epochs, runs and tuning trials read it. An interrupted pass goes on where it was.
"""

import logging
import math
import os
import shutil
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from components.errors import PipelineError
from components.source_digest import source_digest
from components.stratified_sample import StratifiedSample
from components.trainer.appearance.bank import StyleBank
from components.trainer.config import AugmentConfig
from components.trainer.identity import identity
from components.trainer.inputs import TransformedImage, decode_pixels
from components.trainer.progress import ImageRate
from components.trainer.versions import make_versions
from components.whole_file import whole_file

_LOG = logging.getLogger(__name__)
_BATCH = 16
"""Images a step: more are no faster."""
_SHARD = 512
"""Images a file, some 32 MB at 128 pixels."""
_DIGEST_BYTES = 32
_INDEX = ".index"

Activations = np.ndarray[Any, np.dtype[Any]]
Rows = np.ndarray[Any, np.dtype[np.int64]]
Batch = tuple[Activations, Rows]
Split = tuple[Callable[[], Iterable[TransformedImage]], AugmentConfig]
"""The images of a split, as a stream that can be had again, and how they are varied."""


class FeatureStore:
    """One version of the images, as the frozen layers see it.

    A shard is two files: the activations, and the digests of their images. The second is written
    last and makes the first count.
    """

    def __init__(self, folder: Path, shape: Sequence[int], dtype: np.dtype[Any]) -> None:
        """Opens a store and drops what is damaged in it.

        Args:
            folder: Made if it does not exist.
            shape: Of one image's activations.
            dtype: Of the activations.
        """
        self.shape = tuple(shape)
        self.dtype = dtype
        self._folder = folder
        self._row_bytes = math.prod(shape) * dtype.itemsize
        self._places: dict[bytes, tuple[Path, int]] = {}
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder)  # eviction goes by when a store was last opened
        for index in sorted(folder.glob(f"[!.]*{_INDEX}")):
            self._open(index)

    def __contains__(self, digest: bytes) -> bool:
        """Whether an image's activations are there."""
        return digest in self._places

    def add(self, digests: Sequence[bytes], activations: Activations) -> None:
        """Writes a shard.

        Args:
            digests: Of the images, 32 bytes each.
            activations: Shape [len(digests), *shape].

        Raises:
            OSError: It cannot be written; nothing of it is left behind.
        """
        name = self._folder / uuid.uuid4().hex
        data, index = name.with_suffix(".data"), name.with_suffix(_INDEX)
        try:
            with whole_file(data) as file:
                file.write_bytes(np.ascontiguousarray(activations).view(np.uint8).data)
            with whole_file(index) as file:
                file.write_bytes(b"".join(digests))
        except OSError:
            data.unlink(missing_ok=True)
            raise
        self._open(index)

    def __getitem__(self, digest: bytes) -> Activations:
        """One image's activations, of shape `shape`.

        They are read, not mapped: pages of a mapped file would stay in the process's memory, one
        epoch long.
        """
        data, row = self._places[digest]
        offset = row * self._row_bytes
        content = np.fromfile(data, np.uint8, count=self._row_bytes, offset=offset)
        activations: Activations = content.view(self.dtype).reshape(self.shape)
        return activations

    def _open(self, index: Path) -> None:
        data = index.with_suffix(".data")
        digests = index.read_bytes()
        rows, rest = divmod(len(digests), _DIGEST_BYTES)
        whole = data.is_file() and data.stat().st_size == rows * self._row_bytes
        if rest or not rows or not whole:
            _LOG.warning("a shard of cached features was damaged and is made again: %s", data)
            index.unlink()
            data.unlink(missing_ok=True)
            return
        for row in range(rows):
            digest = digests[row * _DIGEST_BYTES : (row + 1) * _DIGEST_BYTES]
            self._places[digest] = (data, row)


@dataclass(frozen=True)
class FrozenFeatures:
    """Every version of every image, as the layers that train see them.

    Attributes:
        digests: Of the images, sorted, so that nothing depends on the order of files. Copies of an
            image have the same, and are images of their own.
        labels: int64 [images], as `TransformedImage` has them.
        versions: A store for each.
    """

    digests: tuple[bytes, ...]
    labels: np.ndarray[Any, np.dtype[np.int64]]
    versions: tuple[FeatureStore, ...]

    def sample(self, limit: int) -> Rows:
        """Draws images, each class its share; the same images, whatever files they come in.

        Args:
            limit: How many, at most.

        Returns:
            Which of `digests`, ascending.
        """
        draw = StratifiedSample[int](limit)
        for row, (digest, label) in enumerate(zip(self.digests, self.labels.tolist(), strict=True)):
            draw.offer(digest, label, row)
        return np.array(sorted(draw.drawn()), np.int64)

    def originals(self, batch_size: int, limit: int | None = None) -> Iterator[Batch]:
        """The first version of each image.

        Args:
            batch_size: Images a batch.
            limit: How many images at most, drawn as `sample` does.

        Yields:
            Activations [batch, ...] and classes, int64 [batch].
        """
        rows = np.arange(len(self.digests)) if limit is None else self.sample(limit)
        for start in range(0, len(rows), batch_size):
            yield self.original(rows[start : start + batch_size])

    def original(self, rows: Rows) -> Batch:
        """The first version of some images.

        Args:
            rows: Which of `digests`.

        Returns:
            Activations [rows, ...] and classes, int64 [rows].
        """
        activations = [self.versions[0][self.digests[row]] for row in rows]
        return np.stack(activations), self.labels[rows]


class FrozenPrefix:
    """The frozen layers, and the stores of what they make of images."""

    def __init__(
        self, prefix: keras.Model | None, image_size: int, cache: Path, limit: float
    ) -> None:
        """Prepares the pass.

        Args:
            prefix: From pixels to activations, or None where no layer is frozen: what is kept then
                are the pixels of each version.
            image_size: Height and width in pixels.
            cache: The folder of all stores.
            limit: The most bytes that they may take together.
        """
        self._cache = cache
        self._limit = limit
        if prefix is None:
            self.shape: tuple[int, ...] = (image_size, image_size, 3)
            self.dtype = np.dtype(np.uint8)
            self._run: Callable[[tf.Tensor], tf.Tensor] = tf.identity
            self._identity = "pixels"
        else:
            self.shape = tuple(prefix.output.shape[1:])
            self.dtype = np.dtype(tf.as_dtype(prefix.output.dtype).as_numpy_dtype)
            self._run = tf.function(lambda pixels: prefix(pixels, training=False), autograph=False)
            self._identity = identity(prefix.get_config(), *prefix.get_weights())

    def features(self, *splits: Split, styles: StyleBank | None = None) -> list[FrozenFeatures]:
        """Makes sure that all versions of all images are in the cache, together.

        Args:
            splits: All that one training needs: what is made for one split never makes room for
                another.
            styles: Whose styles versions may take.

        Returns:
            The features of each split's images.

        Raises:
            PipelineError: A split has no image, or the features would take more room than there may
                be or is.
        """
        rows = [_rows(images()) for images, _ in splits]
        folders = [
            [self._folder(version, config, styles) for version in range(config.versions)]
            for _, config in splits
        ]
        wanted: dict[Path, set[bytes]] = defaultdict(set)
        for of_split, paths in zip(rows, folders, strict=True):
            for path in paths:
                wanted[path].update(digest for digest, _ in of_split)
        stores = self._stores(wanted)
        if missing := _missing(stores, wanted):
            self._make_room(stores, wanted, missing)
            stores = self._stores(wanted)
            total, done = _missing(stores, wanted), 0
            pace = ImageRate(total)
            for (images, config), paths in zip(splits, folders, strict=True):
                into = [stores[path] for path in paths]
                for count in self._fill(images(), into, config, styles):
                    done += count
                    if told := pace.tell(done):
                        _LOG.info("frozen layers, %d%%, %s", 100 * done // total, told)
        return [
            FrozenFeatures(
                tuple(digest for digest, _ in of_split),
                np.array([label for _, label in of_split], np.int64),
                tuple(stores[path] for path in paths),
            )
            for of_split, paths in zip(rows, folders, strict=True)
        ]

    def _stores(self, folders: Iterable[Path]) -> dict[Path, FeatureStore]:
        return {folder: FeatureStore(folder, self.shape, self.dtype) for folder in folders}

    def _folder(self, version: int, config: AugmentConfig, styles: StyleBank | None = None) -> Path:
        """A store's folder is named by all that its content depends on."""
        original = version == 0 and config.keep_original
        drawn = config.model_dump(exclude={"versions", "keep_original"})
        code = source_digest("components.trainer.versions")
        chosen = None if original else [version, code, drawn, styles and styles.identity]
        return self._cache / identity(self._identity, chosen, self.shape, self.dtype.name)

    def _fill(
        self,
        images: Iterable[TransformedImage],
        stores: Sequence[FeatureStore],
        config: AugmentConfig,
        styles: StyleBank | None,
    ) -> Iterator[int]:
        """Computes what is missing; yields how many images went through, time and again."""
        stream = iter(images)
        while shard := list(islice(stream, _SHARD)):
            for version, store in enumerate(stores):
                todo = list({i.digest: i for i in shard if i.digest not in store}.values())
                if not todo:
                    continue
                activations = []
                for start in range(0, len(todo), _BATCH):
                    batch = todo[start : start + _BATCH]
                    subjects = [image.original for image in batch]
                    pixels = make_versions(decode_pixels(batch), subjects, version, config, styles)
                    activations.append(self._run(pixels).numpy())
                    yield len(batch)
                store.add([image.digest for image in todo], np.concatenate(activations))

    def _make_room(
        self,
        stores: Mapping[Path, FeatureStore],
        wanted: Mapping[Path, set[bytes]],
        missing: int,
    ) -> None:
        """Removes the stores that were not used for longest, as many as must go.

        If that is not enough, the wanted ones hold images that are gone: they are made anew, the
        largest first.
        """
        row_bytes = math.prod(self.shape) * self.dtype.itemsize
        needed = sum(map(len, wanted.values())) * row_bytes
        if needed > self._limit:
            raise PipelineError(
                f"The activations of the frozen layers would take {needed / 1e9:.1f} GB, "
                f"and train.cache_gigabytes allows {self._limit / 1e9:.1f}: raise it, or lower "
                "train.augment.versions."
            )
        sizes = {path: _size(path) for path in self._cache.iterdir()}
        others = sorted(sizes.keys() - wanted.keys(), key=lambda path: path.stat().st_mtime)
        own = sorted(wanted, key=sizes.__getitem__, reverse=True)
        used = sum(sizes.values()) + missing * row_bytes
        for path in (*others, *own):
            if used <= self._limit:
                break
            if path in wanted:
                again = sum(digest in stores[path] for digest in wanted[path])
                missing += again
                used += again * row_bytes
            used -= sizes[path]
            shutil.rmtree(path, ignore_errors=True)
            why = "hold images that are gone" if path in wanted else "were not used for longest"
            _LOG.info("removed cached features that %s: %s", why, path.name)
        free = shutil.disk_usage(self._cache).free
        if missing * row_bytes > free:
            raise PipelineError(
                f"The activations of the frozen layers take {missing * row_bytes / 1e9:.1f} GB "
                f"more, and {free / 1e9:.1f} are free on the disk of {self._cache}: free some "
                "space, or lower train.augment.versions."
            )


def _rows(images: Iterable[TransformedImage]) -> list[tuple[bytes, int]]:
    """Each image's digest and class, in their order."""
    rows = sorted((image.digest, image.label) for image in images)
    if not rows:
        raise PipelineError("There is no image to train on: one of the splits is empty.")
    labels: dict[bytes, set[int]] = defaultdict(set)
    for digest, label in rows:
        labels[digest].add(label)
    if contradictions := sum(len(several) > 1 for several in labels.values()):
        _LOG.warning(
            "%d images have the same pixels under two classes, and are trained on under each",
            contradictions,
        )
    return rows


def _missing(stores: Mapping[Path, FeatureStore], wanted: Mapping[Path, set[bytes]]) -> int:
    """How many activations must be computed."""
    return sum(digest not in stores[path] for path in wanted for digest in wanted[path])


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
