"""Looks at files: what each is, whether it can be used, and what it looks like."""

import hashlib
import logging
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.options.pipeline_options import PipelineOptions

from components.contents import is_digest, read_failed
from components.errors import PipelineError, through_beam
from components.ingest.config import IngestConfig
from components.ingest.folder import FoundFile, ImageFolder
from components.ingest.kept import KeptPictures, PictureWriter
from components.ingest.labels import Row
from components.ingest.records import ImageRecord
from imaging.identity import Key
from imaging.masks import is_label_picture
from imaging.picture import (
    MissingReaderError,
    ReadFailedError,
    RejectedImageError,
    UnreadableError,
)
from imaging.quality import measure
from imaging.reader import (
    DecodedImage,
    ImageFile,
    file_format,
    read_file,
)
from imaging.signature import SIGNATURE_SHAPE, signature

_LOG = logging.getLogger(__name__)
_SECONDS_BETWEEN_MESSAGES = 2.0
_SIGNATURES_AT_ONCE = 1024
_VOLUMES = ("DICOM", "NIFTI")
"""Formats whose readers tell masks from images by more than the picture."""
_START = 4096
"""Bytes that tell a file's format."""
_LOOK = pa.schema(
    [
        ("record", pa.string()),
        ("signature", pa.binary()),
        ("name", pa.string()),
        ("reason", pa.string()),
    ]
)

Signatures = np.ndarray[Any, np.dtype[np.int8]]


@dataclass(frozen=True)
class Rejection:
    """A file that cannot be used.

    Attributes:
        name: Its path below the data folder.
        reason: Why, in words.
    """

    name: str
    reason: str


@dataclass(frozen=True)
class Looks:
    """What the files of a folder are.

    Attributes:
        records: The accepted images, sorted by name and frame.
        signatures: int8 [records, 80, 80].
        rejections: The files that cannot be used, sorted by name.
        unnamed: How many files turned out to be none that a table of labels knows.
    """

    records: tuple[ImageRecord, ...]
    signatures: Signatures
    rejections: tuple[Rejection, ...]
    unnamed: int


def look_at(
    folder: ImageFolder,
    config: IngestConfig,
    beam_options: Sequence[str],
    scratch: Path,
    salt: bytes,
    kept: KeptPictures | None,
) -> Looks:
    """Looks at every file of a folder once.

    Args:
        folder: The listing.
        config: Classes and limits.
        beam_options: Options for Apache Beam.
        scratch: An existing folder for what Beam writes: no pixels leave a step.
        salt: Key of the hashes of patients' numbers.
        kept: Where to keep the accepted pictures, if anybody needs them again.

    Returns:
        What the files are.

    Raises:
        PipelineError: This machine could not read one, or one changed meanwhile.
    """
    named = folder.labels.hashed(salt) if folder.labels else {}
    look = _Look(config, salt, len(folder.files), named, kept)
    with through_beam(), beam.Pipeline(options=PipelineOptions(list(beam_options))) as pipeline:
        _ = (
            pipeline
            | "Files" >> beam.Create(folder.files)
            | "Spread" >> beam.Reshuffle()
            | "Batch" >> beam.BatchElements(min_batch_size=32, max_batch_size=32)
            | "Look" >> beam.ParDo(look)
            | "Write" >> beam.io.WriteToParquet(str(scratch / "looks"), _LOOK, codec="none")
        )
    return _read_looks(scratch)


def read_images(path: str, config: IngestConfig, salt: bytes = b"") -> ImageFile:
    """Reads the images of a file; see `imaging.reader.read_file`.

    Raises:
        RejectedImageError: The file cannot be used.
        PipelineError: This machine could not read it now, or has no library for it, which says
            nothing of the file.
    """
    try:
        return read_file(path, config, salt)
    except MissingReaderError as error:
        reason = str(error)
        raise PipelineError(
            f"{reason[:1].upper()}{reason[1:]}, or take such files out of the folder; one of them "
            f"is {path}."
        ) from error
    except ReadFailedError as error:
        raise read_failed(error, path) from error


def read_picture(record: ImageRecord, config: IngestConfig) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Reads one image again.

    Args:
        record: The image.
        config: As it was read before.

    Returns:
        uint8 RGB pixels, shape [height, width, 3].

    Raises:
        RejectedImageError: It cannot be read any longer.
    """
    file = read_images(record.path, config)
    for image in file.images:
        if image.frame == record.frame and file.sha256 == record.file_sha256:
            return image.pixels
    raise RejectedImageError("changed since it was looked at")


class _Look(beam.DoFn):
    """Looks at a batch of files, several at a time: decoding leaves Python free."""

    def __init__(
        self,
        config: IngestConfig,
        salt: bytes,
        total: int,
        named: dict[Key, Row],
        kept: KeptPictures | None,
    ) -> None:
        self._config = config
        self._salt = salt
        self._total = total
        self._named = named
        self._kept = kept
        self._writer: PictureWriter | None = None
        self._done = 0
        self._told = 0.0

    def setup(self) -> None:
        self._pool = ThreadPoolExecutor(os.cpu_count())

    def start_bundle(self) -> None:
        self._writer = self._kept.writer() if self._kept else None

    def finish_bundle(self) -> None:
        if self._writer:
            self._writer.close()

    def teardown(self) -> None:
        self._pool.shutdown()

    def process(self, files: list[FoundFile]) -> Iterator[dict[str, Any]]:
        for rows in self._pool.map(self._look, files):
            yield from rows
        self._done += len(files)
        if time.monotonic() - self._told > _SECONDS_BETWEEN_MESSAGES:
            self._told = time.monotonic()
            _LOG.info("looking at files, %d%%", 100 * self._done / self._total)

    def _look(self, file: FoundFile) -> list[dict[str, Any]]:
        try:
            if file.label and file.label not in self._config.classes:
                raise RejectedImageError(
                    f"class folder {file.label!r} is not one of the classes "
                    f"({', '.join(self._config.classes)})"
                )
            found = read_images(file.path, self._config, self._salt)
            if file.content and file.content != found.sha256:
                raise _changed(file)
            if found.images[0].source_format not in _VOLUMES:
                _check_no_mask(found.images[0])
            named = file if file.label else self._looked_up(file, found)
        except RejectedImageError as rejection:
            unreadable = isinstance(rejection, UnreadableError)
            if unreadable and file.content and is_digest(file.content):
                raise _changed(file) from rejection
            if not file.label and (unreadable or not _is_dicom(file.path)):
                return [_row()]  # nothing that a table could know by what is in it
            return [_row(name=os.fsencode(file.name).hex(), reason=str(rejection))]
        if named is None:
            return [_row()]
        return [self._accepted(named, found.sha256, image) for image in found.images]

    def _accepted(self, file: FoundFile, file_sha256: str, image: DecodedImage) -> dict[str, Any]:
        record = _record(file, file_sha256, image)
        if self._writer:
            record = replace(record, kept=self._writer.put(image.encoded))
        return _row(record=record.to_json(), signature=signature(image.pixels).tobytes())

    def _looked_up(self, file: FoundFile, found: ImageFile) -> FoundFile | None:
        """The file with what the table of labels says of its study or patient."""
        for key in found.images[0].identity.keys:
            if row := self._named.get(key):
                split = row.split or file.folder_split
                return replace(file, label=row.label, folder_split=split)
        return None


def _changed(file: FoundFile) -> PipelineError:
    return PipelineError(
        f"{file.name} changed while it was being ingested: run again when nothing writes to the "
        "data folder."
    )


def _check_no_mask(image: DecodedImage) -> None:
    if is_label_picture(image.pixels):
        raise RejectedImageError(
            "a mask: it holds labels, not grey levels, and gives its class away"
        )


def _is_dicom(path: str) -> bool:
    try:
        with Path(path).open("rb") as file:
            return file_format(file.read(_START), os.path.basename(path)) == "DICOM"  # noqa: PTH119 - millions
    except OSError as error:
        raise read_failed(ReadFailedError(error.strerror), path) from error


def _row(**values: Any) -> dict[str, Any]:
    return {**dict.fromkeys(_LOOK.names), **values}


def _record(file: FoundFile, file_sha256: str, image: DecodedImage) -> ImageRecord:
    pixels = image.pixels
    picture = hashlib.sha256(repr(pixels.shape).encode())
    picture.update(np.ascontiguousarray(pixels).data)
    return ImageRecord(
        path=file.path,
        name=file.name,
        frame=image.frame,
        label=file.label,
        folder_split=file.folder_split,
        span=file.span,
        file_sha256=file_sha256,
        sha256=hashlib.sha256(image.encoded).hexdigest(),
        picture=picture.hexdigest(),
        format=image.format,
        source_format=image.source_format,
        height=pixels.shape[0],
        width=pixels.shape[1],
        channels=image.channels,
        quality=measure(pixels),
        tags=image.tags,
        links=image.identity.links,
    )


def _read_looks(scratch: Path) -> Looks:
    shards = [pq.ParquetFile(shard) for shard in sorted(scratch.glob("looks-*"))]
    looks = pa.concat_tables([shard.read(["record", "name", "reason"]) for shard in shards])
    lines = looks["record"].to_pylist()
    accepted = [row for row, line in enumerate(lines) if line is not None]
    records = {row: ImageRecord.from_json(lines[row]) for row in accepted}
    accepted.sort(key=lambda row: (records[row].name, records[row].frame))
    refused = looks.filter(pa.compute.is_valid(looks["reason"]))
    rejections = [
        Rejection(os.fsdecode(bytes.fromhex(name)), reason)
        for name, reason in zip(
            refused["name"].to_pylist(), refused["reason"].to_pylist(), strict=True
        )
    ]
    return Looks(
        records=tuple(records[row] for row in accepted),
        signatures=_read_signatures(shards, accepted),
        rejections=tuple(sorted(rejections, key=lambda rejection: rejection.name)),
        unnamed=len(lines) - len(accepted) - len(rejections),
    )


def _read_signatures(shards: Sequence[pq.ParquetFile], rows: Sequence[int]) -> Signatures:
    """Reads the signatures of some rows, in that order, without holding them twice."""
    places = {row: place for place, row in enumerate(rows)}
    signatures = np.empty((len(rows), *SIGNATURE_SHAPE), np.int8)
    row = 0
    for shard in shards:
        for batch in shard.iter_batches(_SIGNATURES_AT_ONCE, columns=["signature"]):
            for content in batch["signature"].to_pylist():
                if row in places:
                    flat = np.frombuffer(content, np.int8)
                    signatures[places[row]] = flat.reshape(SIGNATURE_SHAPE)
                row += 1
    return signatures
