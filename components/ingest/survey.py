"""Looks at every image of a folder once: can it be used, what is it, and what does it resemble."""

import hashlib
import logging
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.options.pipeline_options import PipelineOptions

from components.contents import is_digest, read_failed
from components.errors import PipelineError, through_beam
from components.ingest.compared import Compared, compare
from components.ingest.config import IngestConfig
from components.ingest.duplicates import Grouping, Pairs, group_images
from components.ingest.folder import FoundFile, ImageFolder
from components.ingest.history import History
from components.ingest.kept import KeptPictures
from components.ingest.labels import Row
from components.ingest.patients import (
    Links,
    count_unlinked,
    link_patients,
    patient_salt,
)
from components.ingest.records import ImageRecord
from components.ingest.remembered import links_of, looks_as_before, unlinked_error
from imaging.identity import Key, salt_check
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

Indices = np.ndarray[Any, np.dtype[np.int64]]
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
class Survey:
    """What was found in a folder.

    Where an earlier ingestion is remembered, `grouping` and `pictures` go on behind the records
    with its images, in the order of `history`.

    Attributes:
        folder: The listing, `unnamed` files included that turned out so when they were read.
        records: The accepted images, sorted by name and frame.
        rejections: The other files, sorted by name.
        signatures: int8 [records, 80, 80].
        history: Images of earlier ingestions that are not in the folder now.
        patients: For each record, what links it to others beyond its looks, or None.
        grouping: Which images show the same picture or the same patient.
        pictures: int64 [records + history]: equal numbers mean identical pixels.
        seen_exactly: For each record, whether it is a test image whose pixels are those of an image
            in the original training folder.
        seen: The same, for any match: exact, near, or an image of the same patient or file.
        links: For each record, what its file says of whose it is, in this ingestion or before.
        unlinked: Images of `history` whose patients cannot be told from those of the records.
        compared: What the next ingestion need not compare again.
    """

    folder: ImageFolder
    records: tuple[ImageRecord, ...]
    rejections: tuple[Rejection, ...]
    signatures: Signatures
    history: History
    patients: tuple[str | None, ...]
    grouping: Grouping
    pictures: Indices
    seen_exactly: tuple[bool, ...]
    seen: tuple[bool, ...]
    links: tuple[Links, ...] = ()
    unlinked: int = 0
    compared: Compared = field(default_factory=Compared.nothing)


def survey(
    folder: ImageFolder,
    config: IngestConfig,
    beam_options: Sequence[str],
    scratch: Path,
    history: History | None = None,
    kept: KeptPictures | None = None,
) -> Survey:
    """Looks at every file of a folder.

    Args:
        folder: The listing.
        config: Classes, limits, and when two images count as the same picture.
        beam_options: Options for Apache Beam.
        scratch: An existing folder for what Beam writes in between.
        history: Images of earlier ingestions to compare with, too.
        kept: Where to keep the accepted pictures, for whoever needs them again.

    Returns:
        What was found.

    Raises:
        PipelineError: Patients cannot be told from those of earlier ingestions.
    """
    salt = patient_salt()
    _look(folder, config, beam_options, scratch, kept, salt)
    records, signatures, rejections, unnamed = _read_looks(scratch)
    known = history or History.empty()
    history = known.without({record.picture for record in records})
    links = tuple(links_of(records, known, folder.labels, salt))
    everyone = link_patients([*links, *history.links])
    unlinked = count_unlinked([*links, *history.links], everyone, len(records), salt_check(salt))
    if unlinked and config.unlinked_history == "refuse":
        raise unlinked_error(unlinked)
    patients = tuple(everyone[: len(records)])
    digests = [*(record.picture for record in records), *history.pictures]
    # A signature an image is all that has to fit into memory, so none is copied for nothing.
    everything = (
        np.concatenate([signatures, history.signatures]) if len(history.pictures) else signatures
    )
    before = known.compared
    if not looks_as_before(records, signatures, known):
        before = Compared.nothing()
    pairs, pictures, compared = compare(digests, everything, before, config.duplicates)
    exactly, near = _seen(records, patients, pictures, pairs)
    return Survey(
        folder=replace(folder, unnamed=folder.unnamed + unnamed),
        records=tuple(records),
        rejections=tuple(rejections),
        signatures=signatures,
        history=history,
        patients=patients,
        grouping=group_images(digests, everyone, pairs, config.duplicates),
        pictures=pictures,
        seen_exactly=exactly,
        seen=near,
        links=links,
        unlinked=unlinked,
        compared=compared,
    )


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


def _look(
    folder: ImageFolder,
    config: IngestConfig,
    beam_options: Sequence[str],
    scratch: Path,
    kept: KeptPictures | None,
    salt: bytes,
) -> None:
    """Writes what each file is to `scratch`; only listings, records and signatures leave a step."""
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
        self._done = 0
        self._told = 0.0

    def setup(self) -> None:
        self._pool = ThreadPoolExecutor(os.cpu_count())

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
        if self._kept:
            self._kept.put(record.sha256, image.encoded)
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
    return ImageRecord(
        path=file.path,
        name=file.name,
        frame=image.frame,
        label=file.label,
        folder_split=file.folder_split,
        span=file.span,
        file_sha256=file_sha256,
        sha256=hashlib.sha256(image.encoded).hexdigest(),
        picture=hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest(),
        format=image.format,
        source_format=image.source_format,
        height=pixels.shape[0],
        width=pixels.shape[1],
        channels=image.channels,
        quality=measure(pixels),
        tags=image.tags,
        links=image.identity.links,
    )


def _read_looks(
    scratch: Path,
) -> tuple[list[ImageRecord], Signatures, list[Rejection], int]:
    """Reads what each file is: records, signatures, rejections, and how many are none of these."""
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
    return (
        [records[row] for row in accepted],
        _read_signatures(shards, accepted),
        sorted(rejections, key=lambda rejection: rejection.name),
        len(lines) - len(accepted) - len(rejections),
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


def _seen(
    records: Sequence[ImageRecord],
    patients: Sequence[str | None],
    pictures: Indices,
    pairs: Pairs,
) -> tuple[tuple[bool, ...], tuple[bool, ...]]:
    """Which records are test images with an exact, and with any, match in the training folder."""
    trained = {
        patient
        for record, patient in zip(records, patients, strict=True)
        if patient and record.folder_split != "test"
    }
    patient_seen = np.array([patient in trained for patient in patients], bool)
    is_test = np.array([record.folder_split == "test" for record in records], bool)
    own = pictures[: len(records)]
    in_training = np.zeros(len(pictures), bool)
    in_training[own[~is_test]] = True
    matched = in_training.copy()
    for one, other in ((pairs.first, pairs.second), (pairs.second, pairs.first)):
        matched[pictures[one[in_training[pictures[other]]]]] = True
    exactly = is_test & in_training[own]
    near = is_test & (matched[own] | patient_seen)
    return tuple(exactly.tolist()), tuple(near.tolist())
