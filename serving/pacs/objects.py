"""What all answers have in common: where they belong, and UIDs that are derived."""

import io
import re
from dataclasses import dataclass
from datetime import datetime, timezone, tzinfo
from typing import Any

import highdicom
from pydicom import Dataset
from pydicom.datadict import dictionary_VR
from pydicom.valuerep import DA, TM

from components.code_version import RELEASE
from imaging.dicom.elements import value
from imaging.dicom.uids import derived_uid
from serving.pacs.answer import StudyAnswer
from serving.pacs.headers import COPIED, ImageHeader

MANUFACTURER = "brain-mri-pipeline"
REPORT_SERIES, CAPTURE_SERIES = 9901, 9902
_MUST = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime",
    "StudyID", "AccessionNumber", "ReferringPhysicianName",
)  # fmt: skip
"""What DICOM wants to be there, if only empty (type 2)."""
_OFFSET = r"[+-](0\d|1[0-4])[0-5]\d"


@dataclass(frozen=True)
class AnswerUids:
    """The UIDs of a study's answers: the same images read by the same model give the same.

    Attributes:
        seed: What stands for both.
    """

    seed: str

    @staticmethod
    def of(answer: StudyAnswer) -> "AnswerUids":
        """Takes in which slices were read, in which series, by which version with which card."""
        read = [(one.uid, *(s.instance for s in one.slices)) for one in answer.series]
        model = answer.model
        texts = [text for one in read for text in one]
        return AnswerUids(derived_uid("answer", model.name, model.version, model.card, *texts))

    def uid(self, *what: str) -> str:
        """The UID of a series or an instance of the answers."""
        return derived_uid(self.seed, *what)


def source(header: ImageHeader) -> Dataset:
    """A source image's elements that the answers copy; what is missing stays empty.

    Args:
        header: The image.
    """
    found = Dataset()
    found.SpecificCharacterSet = "ISO_IR 192"  # whatever the source's is: UTF-8 has all names
    for keyword in COPIED:
        copied = value(header.dataset, keyword)
        if copied is not None and not _may_stand(keyword, copied):
            copied = None  # an object that cannot be written would tell nobody anything
        if copied is not None:
            name = dictionary_VR(keyword) == "PN"  # which knows how it was encoded
            setattr(found, keyword, str(copied) if name else copied)
        elif keyword in _MUST:
            setattr(found, keyword, "")
    found.file_meta = header.dataset.file_meta
    return found


def _may_stand(keyword: str, copied: Any) -> bool:
    """Whether an element's value is one that the standard, and so an object's writer, knows."""
    kind = {"DA": DA, "TM": TM}.get(dictionary_VR(keyword))
    try:
        if kind is not None:
            kind(str(copied))
    except ValueError:
        return False
    if keyword == "TimezoneOffsetFromUTC":
        return re.fullmatch(_OFFSET, str(copied)) is not None
    return keyword != "PatientSex" or str(copied) in ("", "M", "F", "O")


def _zone(source: Dataset) -> tzinfo | None:
    """Where the times of a study are told; None: where this machine is."""
    offset = value(source, "TimezoneOffsetFromUTC")
    return datetime.strptime(offset, "%z").tzinfo if offset else None


def stamp(dataset: Any, answer: StudyAnswer, description: str, source: Dataset) -> None:
    """Says when the answer was given and by what.

    The time is that of the model's answer, so that an object made again after a kill is the same.
    It is told in the time zone of the study, as an object has one zone for all of its times.

    Args:
        dataset: The object.
        answer: What was said of the study.
        description: SeriesDescription.
        source: An image that was read, as `source` gives it.
    """
    said = datetime.strptime(answer.time, "%Y%m%d%H%M%S").replace(tzinfo=timezone.utc)
    there = said.astimezone(_zone(source))
    day, time = f"{there:%Y%m%d}", f"{there:%H%M%S}"
    if offset := value(source, "TimezoneOffsetFromUTC"):
        dataset.TimezoneOffsetFromUTC = offset
    dataset.ContentDate = dataset.InstanceCreationDate = dataset.SeriesDate = day
    dataset.ContentTime = dataset.InstanceCreationTime = dataset.SeriesTime = time
    dataset.SeriesDescription = description
    dataset.ManufacturerModelName = answer.model.name[:64]
    dataset.SoftwareVersions = [RELEASE, f"model {answer.model.version}"[:64]]
    if "ContributingEquipmentSequence" in dataset:
        del dataset.ContributingEquipmentSequence
    dataset.file_meta.ImplementationVersionName = "BRAIN_MRI"
    dataset.file_meta.ImplementationClassUID = highdicom.UID(derived_uid("node"))


def encoded(dataset: Any) -> bytes:
    """An answer as a DICOM file."""
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()
