"""A batch in shards: fixed slices of the sorted listing, each of which is done whole or not at all.

What a killed run has finished, the next one skips, unless a file holds something else by now.
"""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import apache_beam as beam
from apache_beam.ml.inference.base import RunInference
from apache_beam.options.pipeline_options import PipelineOptions

from components.contents import read_digests
from components.errors import PipelineError, through_beam
from components.servable import SAVED_MODEL_FILE
from components.source_digest import source_digest
from components.whole_file import whole_file
from imaging.config import ONE_PICTURE
from pipeline.batch.inference import SavedModelHandler
from pipeline.batch.inputs import digest
from pipeline.batch.rows import BatchRow, Format, count_errors, write_rows

_MANIFEST = "_batch.json"
_CONTENTS = "_contents"
"""Readers of Parquet folders pass over names that begin with an underscore."""
_KNOWN = ".known"
_CODE = "pipeline.batch.inference"


@dataclass(frozen=True)
class Batch:
    """What is to be done; the same again goes on where it was cut off.

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


def open_batch(
    out: Path,
    files: Sequence[str],
    model: Path,
    shard_size: int,
    format: Format,  # noqa: A002 - as users call it
) -> Batch:
    """Begins a batch in a folder, or finds the same batch there.

    Args:
        out: The folder of the results; made where it is not there.
        files: The sorted listing.
        model: The SavedModel's folder.
        shard_size: How many files make a shard.
        format: Of the results.

    Returns:
        The batch.

    Raises:
        PipelineError: The folder holds something else or cannot be written, or the model cannot be
            read.
    """
    batch = Batch(len(files), digest(files), _model_digest(model), shard_size, format)
    manifest = out / _MANIFEST
    try:
        out.mkdir(parents=True, exist_ok=True)
        if manifest.exists():
            _check_same(json.loads(manifest.read_bytes()), batch, out)
        elif next(out.iterdir(), None):
            raise PipelineError(f"{out} holds other files: name a new folder for the results.")
        else:
            with whole_file(manifest) as file:
                file.write_text(json.dumps(asdict(batch), indent=2) + "\n", encoding="utf-8")
    except (OSError, ValueError) as error:
        raise PipelineError(f"The results cannot be written to {out}: {error}.") from error
    return batch


def run_batch(
    batch: Batch,
    files: Sequence[str],
    model: Path,
    out: Path,
    *,
    batch_size: int,
    beam_options: Sequence[str],
    done: Callable[[int, bool], None],
) -> tuple[int, int]:
    """Classifies every file whose shard is not done yet, or of other contents.

    Args:
        batch: What `open_batch` gave.
        files: The sorted listing.
        model: The SavedModel's folder.
        out: The folder of the results.
        batch_size: How many images go through the model at once.
        beam_options: Options for Apache Beam.
        done: Called after each shard with its number of files, and whether it was there before.

    Returns:
        How many rows there are in all shards, and how many of them have an error.

    Raises:
        PipelineError: The model cannot be loaded, this machine cannot read or classify files now,
            or the results cannot be written.
    """
    handler = SavedModelHandler(model, batch_size)
    handler.load_model()  # here, where it can be told in words that it cannot be
    rows = errors = 0
    for shard in range(batch.shards):
        first = shard * batch.shard_size
        slice_ = files[first : first + batch.shard_size]
        path = batch.path(shard, out)
        there = path.exists() and _is_of(slice_, path)
        if not there:
            _run_shard(handler, slice_, path, batch.format, beam_options)
        counted, failed = count_errors(path)
        rows, errors = rows + counted, errors + failed
        done(len(slice_), there)
    return rows, errors


def _run_shard(
    handler: SavedModelHandler,
    files: Sequence[str],
    path: Path,
    format: Format,  # noqa: A002
    beam_options: Sequence[str],
) -> None:
    try:
        _record_of(path).unlink(missing_ok=True)  # its rows are about to go
        before = _contents(files)
        with through_beam(), beam.Pipeline(options=PipelineOptions(list(beam_options))) as pipeline:
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
            f"{path} was not finished: {reason}. The same command goes on from what is whole."
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
    for found in read_digests(files, ONE_PICTURE.max_file_bytes, known):
        total.update(f"\0{found}".encode(errors="backslashreplace"))
    return total.hexdigest()


def _write(rows: Sequence[tuple[int, BatchRow]], path: Path, format: Format) -> None:  # noqa: A002
    in_order = [row for _, row in sorted(rows, key=lambda numbered: numbered[0])]
    write_rows(in_order, path, format)


def _check_same(before: dict[str, object], batch: Batch, out: Path) -> None:
    words = {
        "files": "another listing",
        "listing": "another listing",
        "model": "another model",
        "shard_size": "shards of another size",
        "format": "another format",
    }
    now = asdict(batch)
    if other := sorted({words[name] for name in words if before.get(name) != now[name]}):
        raise PipelineError(
            f"{out} holds the results of {' and '.join(other)}: name another folder, or delete it."
        )


def _model_digest(model: Path) -> str:
    total = hashlib.sha256()
    try:
        for file in [model / SAVED_MODEL_FILE, *sorted((model / "variables").glob("*"))]:
            with file.open("rb") as opened:
                while piece := opened.read(1 << 20):
                    total.update(piece)
    except OSError as error:
        raise PipelineError(f"The model {model} cannot be read: {error}.") from error
    return total.hexdigest()
