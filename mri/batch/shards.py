"""A batch in shards: fixed slices of the sorted listing, each of which is done whole or not at all.

What a killed run has finished, the next one skips, unless a file holds something else by now.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import apache_beam as beam
import pyarrow as pa
from apache_beam.ml.inference.base import ModelHandler, RunInference
from apache_beam.options.pipeline_options import PipelineOptions

from components.contents import read_digests
from components.errors import PipelineError, UsageError, path_error, through_beam
from components.plans import Parts, Place, read_part, write_plan
from components.servable import SAVED_MODEL_FILE
from components.source_digest import source_digest
from components.whole_file import whole_file
from imaging.config import EVERY_PICTURE
from mri.batch.inference import Numbered, SavedModelHandler
from mri.batch.inputs import digest
from mri.batch.rows import Format, classified_files, path_cell, write_rows
from pipeline.engines import LOCAL_BEAM
from pipeline.paths import printable

_MANIFEST = "_batch.json"
_CONTENTS = "_contents"
"""Readers of Parquet folders pass over names that begin with an underscore."""
_KNOWN = ".known"
_CODE = "mri.batch.inference"
_PLAN = pa.schema([("shard", pa.binary()), ("name", pa.binary()), ("place", pa.binary())])


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
    beam_options: Sequence[str] = LOCAL_BEAM,
) -> Iterator[Shard]:
    """Begins a batch in a folder, or continues it; classifies what is not done yet or has changed.

    Args:
        out: The folder of the results; made if it is not there.
        files: The sorted listing.
        model: The SavedModel's folder.
        shard_size: How many files make a shard.
        format: Of the results.
        batch_size: How many images go through the model at once.
        beam_options: Options for Apache Beam; its workers find the files, the model and the results
            where this process does.

    Yields:
        Each shard when it is done; on an engine, when all are.

    Raises:
        PipelineError: The folder holds something else or cannot be written, the model cannot be
            read or loaded, or this machine cannot read or classify files now.
    """
    batch = Batch(len(files), digest(files), _model_digest(model), shard_size, format)
    _open(out, batch)
    handler = SavedModelHandler(model, batch_size)
    handler.load_model()  # here, where it can be told in words that it cannot be
    # In this process a job a shard costs next to nothing, and tells when the shard is done.
    every = range(batch.shards)
    for shards in [[shard] for shard in every] if beam_options == LOCAL_BEAM else [every]:
        todo = []
        for shard in shards:
            slice_, path = files[shard * shard_size :][:shard_size], batch.path(shard, out)
            if path.exists() and _is_of(slice_, path):
                yield _shard(slice_, path, format, there=True)
            else:
                todo.append((slice_, path))
        if todo:
            _run_shards(handler, [_part(*one) for one in todo], out, format, beam_options)
        for slice_, path in todo:
            yield _shard(slice_, path, format, there=False)


def _shard(
    files: Sequence[str],
    path: Path,
    format: Format,  # noqa: A002 - as users call it
    *,
    there: bool,
) -> Shard:
    classified = classified_files(path)
    cells = [path_cell(printable(one), format) for one in files]
    return Shard(len(files), sum(one not in classified for one in cells), there)


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


class _ShardHandler(ModelHandler[Place, None, Any]):
    """Classifies the files of whole shards behind Beam's RunInference, which keeps the model."""

    def __init__(self, files: SavedModelHandler, format: Format) -> None:  # noqa: A002 - as above
        super().__init__()
        self._files = files
        self._format = format

    def load_model(self) -> Any:
        return self._files.load_model()

    def batch_elements_kwargs(self) -> Mapping[str, int]:
        return {"min_batch_size": 1, "max_batch_size": 1}

    def run_inference(
        self,
        batch: Sequence[Place],
        model: Any,
        inference_args: Mapping[str, Any] | None = None,  # noqa: ARG002 - Beam's
    ) -> Iterator[None]:
        at_once = self._files.batch_size
        for place in batch:
            path, files = _planned(read_part(place))
            places = [where for _, _, where in files]
            _record_of(path).unlink(missing_ok=True)  # its rows are about to go
            before = _contents(places)
            rows = [
                row
                for start in range(0, len(files), at_once)
                for _, of_file in self._files.run_inference(files[start : start + at_once], model)
                for row in of_file
            ]
            write_rows(rows, path, self._format)
            _record(places, before, path)
            yield None


def _run_shards(
    handler: SavedModelHandler,
    parts: Sequence[pa.Table],
    out: Path,
    format: Format,  # noqa: A002 - as users call it
    beam_options: Sequence[str],
) -> None:
    """Does some shards in one job: each is a part of its plan."""
    try:
        with tempfile.TemporaryDirectory(prefix="_plan-", dir=out.absolute()) as scratch:
            plan = write_plan(Path(scratch), "shards", parts)
            options = PipelineOptions(list(beam_options))
            with through_beam(), beam.Pipeline(options=options) as pipeline:
                inference = RunInference(_ShardHandler(handler, format))
                _ = pipeline | "Plan" >> Parts(plan) | "Classify" >> inference
    except (OSError, RuntimeError, PipelineError) as error:  # Beam's, whatever a worker raised
        what = _planned(parts[0])[0].name if len(parts) == 1 else f"{len(parts):,} shards"
        reason = str(error).strip().rsplit("\n", 1)[-1].rstrip(".")[:300]
        raise PipelineError(
            f"{out / what if len(parts) == 1 else what} was not finished: {reason}. The same "
            "command continues from what is complete."
        ) from error


def _part(files: Sequence[str], path: Path) -> pa.Table:
    """A shard of a plan."""
    rows = {
        "shard": [os.fsencode(path.absolute())] * len(files),
        "name": list(map(os.fsencode, files)),
        "place": list(map(os.fsencode, _places(files))),
    }
    return pa.table(rows, _PLAN)


def _places(files: Sequence[str]) -> list[str]:
    """Where files are for a worker, which need not be in this process's folder."""
    here = Path.cwd()
    return [os.path.join(here, file) for file in files]  # noqa: PTH118 - `..` stays as it is


def _planned(part: pa.Table) -> tuple[Path, list[Numbered]]:
    """Reads what `_part` made: where the results go, and the files."""
    names, places = (map(os.fsdecode, part[name].to_pylist()) for name in ("name", "place"))
    files = list(zip(range(len(part)), names, places, strict=True))
    return Path(os.fsdecode(part["shard"][0].as_py())), files


def _is_of(files: Sequence[str], path: Path) -> bool:
    """Whether results are of what is in these files now, and of this code."""
    record = _record_of(path)
    known = record.with_suffix(_KNOWN)
    if not record.is_file():
        return False
    return record.read_text(encoding="ascii") == _contents(_places(files), known)


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
