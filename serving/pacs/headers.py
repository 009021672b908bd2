"""What the node reads of an image's elements, without its pixels."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pydicom
from pydicom.uid import UID

from imaging.dicom.elements import number, value, words
from imaging.dicom.place import along_normal, plane
from imaging.quiet import hush

COPIED = (
    # Whose it is, and of which study (PS3.3 C.7.1.1, C.7.2.1).
    "PatientID", "IssuerOfPatientID", "PatientName", "PatientBirthDate", "PatientSex",
    "StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "StudyDescription",
    "AccessionNumber", "ReferringPhysicianName", "TimezoneOffsetFromUTC",
    # What the answers refer to.
    "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "Modality",
    "Manufacturer", "NumberOfFrames", "Rows", "Columns", "BodyPartExamined",
    "ImageOrientationPatient", "SharedFunctionalGroupsSequence",
)  # fmt: skip
"""Elements of an image that its answers have, too, if they are there."""
ELEMENTS = (
    *COPIED,
    # What a series is chosen by, and its images are put in order by.
    "ContrastBolusAgent", "ImageType", "SeriesDescription",
    "ImagePositionPatient", "PerFrameFunctionalGroupsSequence",
)  # fmt: skip
"""Those that are read at all: what else is in a file may be large, or odd."""


@dataclass(frozen=True)
class ImageHeader:
    """An image without its pixels.

    Attributes:
        study: StudyInstanceUID.
        series: SeriesInstanceUID.
        instance: SOPInstanceUID.
        patient: Whose it is: number and issuer, as they stand, and the name in lower case.
        dataset: Its elements, as far as the node uses them.
    """

    study: str
    series: str
    instance: str
    patient: tuple[str, str, str]
    dataset: Any

    @property
    def syntax(self) -> str:
        """TransferSyntaxUID of its file; empty if that does not say."""
        return str(value(self.dataset.file_meta, "TransferSyntaxUID") or "")

    @property
    def frames(self) -> int:
        """How many pictures it holds."""
        return max(1, int(number(value(self.dataset, "NumberOfFrames")) or 1))

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        both = (number(value(self.dataset, one)) or 0 for one in ("Rows", "Columns"))
        rows, columns = (int(one) for one in both)
        return rows, columns

    @property
    def image_type(self) -> list[str]:
        """Where its pixels are from, in DICOM's words."""
        return words(value(self.dataset, "ImageType"))

    @property
    def plane(self) -> str | None:
        """The plane nearest to its own; None if it says none."""
        return plane(self.dataset, 0)

    @property
    def along(self) -> float:
        """Where it lies along the normal of its plane, mm; 0 if it does not say."""
        return along_normal(self.dataset) or 0.0


class UnreadableHeaderError(ValueError):
    """Bytes that are no image that can be kept; the message quotes none of them."""


def read_header(file: bytes | Path) -> ImageHeader:
    """Reads a DICOM file up to its pixels.

    Args:
        file: Its bytes or its path.

    Raises:
        UnreadableHeaderError: It is damaged, or lacks the UIDs that it is filed by.
        OSError: It cannot be read.
    """
    if isinstance(file, Path):
        with file.open("rb") as stream:
            return _read(stream)
    return _read(io.BytesIO(file))


def _read(stream: BinaryIO) -> ImageHeader:
    hush()
    try:
        dataset = pydicom.dcmread(stream, stop_before_pixels=True, specific_tags=[*ELEMENTS])
        uids = [str(value(dataset, f"{of}InstanceUID") or "") for of in ("Study", "Series", "SOP")]
        issuer = str(value(dataset, "IssuerOfPatientID") or "").strip()
        number, name = (
            str(value(dataset, one) or "").strip() for one in ("PatientID", "PatientName")
        )
    except OSError:
        raise
    except Exception:  # noqa: BLE001 - hostile bytes raise anything, with a text that quotes them
        raise UnreadableHeaderError("it cannot be read as DICOM") from None
    for name, uid in zip(("Study", "Series", "SOP"), uids, strict=True):
        if not UID(uid).is_valid:
            raise UnreadableHeaderError(f"its {name}InstanceUID is missing or not a UID")
    return ImageHeader(uids[0], uids[1], uids[2], (number, issuer, _plain(name)), dataset)


def _plain(name: str) -> str:
    """A name, so that those which differ in capitals or in empty parts at the end are the same."""
    return name.rstrip("^= ").casefold()
