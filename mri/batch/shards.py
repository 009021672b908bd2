"""A batch in shards: fixed slices of the sorted listing, each of which is done whole or not at all.

What a killed run has finished, the next one skips, unless a file holds something else by now.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import apache_beam as beam
from apache_beam.ml.inference.base import RunInference
from apache_beam.options.pipeline_options import PipelineOptions

from components.contents import read_digests
from components.errors import PipelineError, UsageError, path_error, through_beam
from components.servable import SAVED_MODEL_FILE
from components.source_digest import source_digest
from components.whole_file import whole_file
from imaging.config import EVERY_PICTURE
from mri.batch.inference import SavedModelHandler
from mri.batch.inputs import digest
from mri.batch.rows import Format, classified_files, path_cell, write_rows
from mri.classified import Classified
from pipeline.config import LOCAL_BEAM
from pipeline.paths import printable

_MANIFEST = "_batch.json"
_CONTENTS = "_contents"
"""Readers of Parquet folders pass over names that begin with an underscore."""
_KNOWN = ".known"
_CODE = "mri.batch.inference"


@dataclass(frozen=True)
class Batch:
    """What is to be done; given again, it continues where it was interrupted.

    Attributes:
        files: How many files.
        listing: Digest of their names.
        model: Digest of the model.
        shard_size: How many files make a shard.
        format: Of the results.
    """

    files: int
    listing: str
    model: str
    shard_size: int
    format: Format

    @property
    def shards(self) -> int:
        """How many shards there are."""
        return -(-self.files // self.shard_size)

    def path(self, shard: int, out: Path) -> Path:
        """Where the results of a shard are."""
        return out / f"shard-{shard:05}-of-{self.shards:05}.{self.format}"


class Shard(NamedTuple):
    """A shard that is done.

    Attributes:
        files: How many files it is of.
        errors: How many of them could not be classified.
        there: Whether it was done before.
    """

    files: int
    errors: int
    there: bool


def run_batch(
    out: Path,
    files: Sequence[str],
    model: Path,
    *,
    shard_size: int,
    format: Format,  # noqa: A002 - as users call it
    batch_size: int,
) -> Iterator[Shard]:
    """Begins a batch in a folder, or continues it; classifies what is not done yet or has changed.

    Args:
        out: The folder of the results; made if it is not there.
        files: The sorted listing.
        model: The SavedModel's folder.
        shard_size: How many files make a shard.
        format: Of the results.
        batch_size: How many images go through the model at once.

    Yields:
        Each shard when it is done.

    Raises:
        PipelineError: The folder holds something else or cannot be written, the model cannot be
            read or loaded, or this machine cannot read or classify files now.
    """
    batch = Batch(len(files), digest(files), _model_digest(model), shard_size, format)
    _open(out, batch)
    handler = SavedModelHandler(model, batch_size)
    handler.load_model()  # here, where it can be told in words that it cannot be
    for shard in range(batch.shards):
        first = shard * shard_size
        slice_ = files[first : first + shard_size]
        path = batch.path(shard, out)
        there = path.exists() and _is_of(slice_, path)
        if not there:
            _run_shard(handler, slice_, path, format)
        classified = classified_files(path)
        cells = [path_cell(printable(one), format) for one in slice_]
        yield Shard(len(slice_), sum(one not in classified for one in cells), there)


def _open(out: Path, batch: Batch) -> None:
    manifest = out / _MANIFEST
    try:
        out.mkdir(parents=True, exist_ok=True)
        if manifest.exists():
            _check_same(json.loads(manifest.read_bytes()), batch, out)
        elif next(out.iterdir(), None):
            raise UsageError(f"{out} holds other files: name a new folder for the results.")
        else:
            with whole_file(manifest) as file:
                file.write_text(json.dumps(asdict(batch), indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise path_error(error)(f"The results cannot be written to {out}: {error}.") from error
    except ValueError as error:
        raise UsageError(
            f"{manifest} is damaged ({error}): name another folder for the results."
        ) from error


def _run_shard(
    handler: SavedModelHandler,
    files: Sequence[str],
    path: Path,
    format: Format,  # noqa: A002 - as users call it
) -> None:
    try:
        _record_of(path).unlink(missing_ok=True)  # its rows are about to go
        before = _contents(files)
        with through_beam(), beam.Pipeline(options=PipelineOptions(list(LOCAL_BEAM))) as pipeline:
            _ = (
                pipeline
                | "Files" >> beam.Create(list(enumerate(map(os.fsencode, files))), reshuffle=False)
                | "Classify" >> RunInference(handler)
                | "Gather" >> beam.combiners.ToList()
                | "Write" >> beam.Map(_write, path, format)
            )
        _record(files, before, path)
    except (OSError, RuntimeError, PipelineError) as error:  # Beam's, whatever a worker raised
        reason = str(error).strip().rsplit("\n", 1)[-1].rstrip(".")[:300]
        raise PipelineError(
            f"{path} was not finished: {reason}. The same command continues from what is complete."
        ) from error


def _is_of(files: Sequence[str], path: Path) -> bool:
    """Whether results are of what is in these files now, and of this code."""
    record = _record_of(path)
    known = record.with_suffix(_KNOWN)
    return record.is_file() and record.read_text(encoding="ascii") == _contents(files, known)


def _record(files: Sequence[str], before: str, path: Path) -> None:
    """Notes what was in the files, from before they were read until now."""
    record = _record_of(path)
    record.parent.mkdir(exist_ok=True)
    if _contents(files, record.with_suffix(_KNOWN)) != before:
        raise PipelineError("files changed while they were read")
    with whole_file(record) as unfinished:
        unfinished.write_text(before, encoding="ascii")


def _record_of(path: Path) -> Path:
    return path.parent / _CONTENTS / f"{path.name}.sha256"


def _contents(files: Sequence[str], known: Path | None = None) -> str:
    total = hashlib.sha256(source_digest(_CODE).encode())
    for found in read_digests(files, EVERY_PICTURE.max_file_bytes, known):
        total.update(f"\0{found}".encode(errors="backslashreplace"))
    return total.hexdigest()


def _write(
    files: Sequence[tuple[int, Sequence[Classified]]],
    path: Path,
    format: Format,  # noqa: A002 - as users call it
) -> None:
    in_order = [row for _, rows in sorted(files, key=lambda numbered: numbered[0]) for row in rows]
    write_rows(in_order, path, format)


def _check_same(before: dict[str, object], batch: Batch, out: Path) -> None:
    words = {
        "listing": "another listing",
        "model": "another model",
        "shard_size": "shards of another size",
        "format": "another format",
    }
    now = asdict(batch)
    if other := sorted({words[name] for name in words if before.get(name) != now[name]}):
        raise UsageError(
            f"{out} holds the results of {' and '.join(other)}: name another folder, or delete it."
        )


def _model_digest(model: Path) -> str:
    total = hashlib.sha256()
    try:
        for file in [model / SAVED_MODEL_FILE, *sorted((model / "variables").glob("*"))]:
            total.update(file.read_bytes())
    except OSError as error:
        raise PipelineError(f"The model {model} cannot be read: {error}.") from error
    return total.hexdigest()
