"""Looks at files: what each is, whether it can be used, and what it looks like."""

import hashlib
import logging
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.contents import is_digest, read_failed
from components.errors import PipelineError
from components.ingest.config import IngestConfig
from components.ingest.duplicates import Signatures
from components.ingest.folder import FoundFile, ImageFolder
from components.ingest.history import joined
from components.ingest.kept import PictureWriter
from components.ingest.labels import Row
from components.ingest.planned import files_to_look_at, looked_at
from components.ingest.records import ImageRecord
from components.ingest.workers import on_workers
from components.plans import write_plan
from components.whole_file import whole_file
from imaging.appearance import NAMES, Vectors, appearance
from imaging.head import find_head
from imaging.identity import Key
from imaging.masks import is_label_picture
from imaging.picture import MissingReaderError, ReadFailedError, RejectedImageError, UnreadableError
from imaging.quality import measure
from imaging.reader import DecodedImage, ImageFile, file_format, read_file
from imaging.signature import signature

_LOG = logging.getLogger(__name__)
_SECONDS_BETWEEN_MESSAGES = 2.0
_AT_ONCE = 64
"""Files of which one worker writes what they are."""
_VOLUMES = ("DICOM", "NIFTI")
"""Formats whose readers tell masks from images by more than the picture."""
_START = 4096
"""Bytes that tell a file's format."""
_LOOK = pa.schema(
    [
        ("file", pa.int64()),
        ("record", pa.string()),
        ("signature", pa.binary()),
        ("appearance", pa.binary()),
        ("reason", pa.string()),
    ]
)
"""A row an image; one with a reason where the file was rejected, or with neither if it is unnamed.
"""


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
        appearances: float32 [records, numbers], see `imaging.appearance`.
        rejections: The files that cannot be used, sorted by name.
        unnamed: How many files turned out to be none that a table of labels knows.
    """

    records: tuple[ImageRecord, ...]
    signatures: Signatures
    appearances: Vectors
    rejections: tuple[Rejection, ...]
    unnamed: int


def look_at(
    folder: ImageFolder,
    config: IngestConfig,
    beam_options: Sequence[str],
    scratch: Path,
    salt: bytes,
    *,
    keep: bool,
) -> Looks:
    """Looks at every file of a folder once.

    Args:
        folder: The listing.
        config: Classes and limits.
        beam_options: Options for Apache Beam.
        scratch: An existing folder that every worker reaches, for what is passed on.
        salt: Key of the hashes of patients' numbers.
        keep: Whether the accepted pictures are kept in `scratch`.

    Returns:
        What the files are.

    Raises:
        PipelineError: This machine could not read one, or one changed meanwhile.
    """
    named = folder.labels.hashed(salt) if folder.labels else {}
    look = _Look(config, salt, named, len(folder.files), scratch, keep)
    parts = (
        files_to_look_at(start, folder.files[start : start + _AT_ONCE])
        for start in range(0, len(folder.files), _AT_ONCE)
    )
    on_workers(look.at_files, write_plan(scratch, "files", parts), beam_options)
    return _read_looks(sorted(scratch.glob("looks-*")), folder.files)


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
    raise RejectedImageError("changed since it was read")


@dataclass
class _Look:
    """Looks at some files, several at a time: decoding leaves Python free."""

    config: IngestConfig
    salt: bytes
    named: dict[Key, Row]
    total: int
    scratch: Path
    keep: bool
    done: int = 0
    told: float = 0.0

    def at_files(self, part: pa.Table) -> None:
        """Writes what files are, in their order; the number of the first names the file."""
        start, files = looked_at(part)
        rows = []
        with (
            closing(PictureWriter(self.scratch)) if self.keep else nullcontext() as pictures,
            ThreadPoolExecutor(os.cpu_count()) as pool,
        ):
            found = pool.map(lambda file: self._look(file, pictures), files)
            for number, looks in enumerate(found, start):
                rows += [{"file": number, **look} for look in looks]
        with whole_file(self.scratch / f"looks-{start:012}") as unfinished:
            pq.write_table(pa.Table.from_pylist(rows, _LOOK), unfinished, compression="none")
        self.done += len(files)
        if time.monotonic() - self.told > _SECONDS_BETWEEN_MESSAGES:
            self.told = time.monotonic()
            _LOG.info("looking at files, %d%%", 100 * self.done / self.total)

    def _look(self, file: FoundFile, pictures: PictureWriter | None) -> list[dict[str, Any]]:
        try:
            if file.label and file.label not in self.config.classes:
                raise RejectedImageError(
                    f"class folder {file.label!r} is not one of the classes "
                    f"({', '.join(self.config.classes)})"
                )
            found = read_images(file.path, self.config, self.salt)
            if file.content and file.content != found.sha256:
                raise _changed(file)
            first = found.images[0]
            if first.source_format not in _VOLUMES and is_label_picture(first.pixels):
                raise RejectedImageError(
                    "a mask: it holds labels, not grey levels, and gives its class away"
                )
            named = file if file.label else self._looked_up(file, found)
        except RejectedImageError as rejection:
            unreadable = isinstance(rejection, UnreadableError)
            if unreadable and file.content and is_digest(file.content):
                raise _changed(file) from rejection
            if not file.label and (unreadable or not _is_dicom(file.path)):
                return [{}]  # nothing that a table could know by what is in it
            return [{"reason": str(rejection)}]
        if named is None:
            return [{}]
        return [_accepted(named, found.sha256, image, pictures) for image in found.images]

    def _looked_up(self, file: FoundFile, found: ImageFile) -> FoundFile | None:
        """The file with what the table of labels says of its study or patient."""
        for key in found.images[0].identity.keys:
            if row := self.named.get(key):
                split = row.split or file.folder_split
                return replace(file, label=row.label, folder_split=split)
        return None


def _changed(file: FoundFile) -> PipelineError:
    return PipelineError(
        f"{file.name} changed while it was being ingested: run again when nothing writes to the "
        "data folder."
    )


def _is_dicom(path: str) -> bool:
    try:
        with Path(path).open("rb") as file:
            return file_format(file.read(_START), os.path.basename(path)) == "DICOM"  # noqa: PTH119 - millions
    except OSError as error:
        raise read_failed(ReadFailedError(error.strerror), path) from error


def _accepted(
    file: FoundFile, file_sha256: str, image: DecodedImage, pictures: PictureWriter | None
) -> dict[str, Any]:
    pixels = image.pixels
    picture = hashlib.sha256(repr(pixels.shape).encode())
    picture.update(np.ascontiguousarray(pixels).data)
    record = ImageRecord(
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
        blackened=image.blackened,
        burnt_in=image.burnt_in,
        kept=pictures.put(image.encoded) if pictures else None,
    )
    return {
        "record": record.to_json(),
        "signature": signature(pixels).tobytes(),
        "appearance": appearance(pixels, image.head or find_head(pixels)).tobytes(),
    }


def _read_looks(parts: Sequence[Path], files: Sequence[FoundFile]) -> Looks:
    records: list[ImageRecord] = []
    rejections: list[Rejection] = []
    unnamed = 0
    for part in parts:
        looks = pq.read_table(part, columns=["file", "record", "reason"])
        for file, record, reason in zip(*looks.to_pydict().values(), strict=True):
            if record is not None:
                records.append(ImageRecord.from_json(record))
            elif reason is not None:
                rejections.append(Rejection(files[file].name, reason))
            else:
                unnamed += 1
    columns = (pq.read_table(part, columns=["signature"])["signature"] for part in parts)
    signatures = joined(columns, len(records))
    vectors = b"".join(
        content
        for part in parts
        for content in pq.read_table(part, columns=["appearance"])["appearance"]
        .drop_null()
        .to_pylist()
    )
    appearances = np.frombuffer(vectors, np.float32).reshape(-1, len(NAMES))
    return Looks(tuple(records), signatures, appearances, tuple(rejections), unnamed)
