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


@dataclass(frozen=True)
class ImageHeader:
    """An image without its pixels.

    Attributes:
        study: StudyInstanceUID.
        series: SeriesInstanceUID.
        instance: SOPInstanceUID.
        patient: Whose it is: number, issuer and name, as they stand.
        dataset: All its elements but the pixels.
    """

    study: str
    series: str
    instance: str
    patient: tuple[str, str, str]
    dataset: Any

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
        dataset = pydicom.dcmread(stream, stop_before_pixels=True)
        uids = [str(value(dataset, f"{of}InstanceUID") or "") for of in ("Study", "Series", "SOP")]
        issuer = str(value(dataset, "IssuerOfPatientID") or "").strip()
        who = tuple(str(value(dataset, one) or "").strip() for one in ("PatientID", "PatientName"))
    except OSError:
        raise
    except Exception:  # noqa: BLE001 - hostile bytes raise anything, with a text that quotes them
        raise UnreadableHeaderError("it cannot be read as DICOM") from None
    for name, uid in zip(("Study", "Series", "SOP"), uids, strict=True):
        if not UID(uid).is_valid:
            raise UnreadableHeaderError(f"its {name}InstanceUID is missing or not a UID")
    return ImageHeader(uids[0], uids[1], uids[2], (who[0], issuer, who[1]), dataset)
