"""Secondary captures: key slices under their heat, with the answer written below."""

import io
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from highdicom.sc import SCImage
from PIL import Image, ImageDraw, ImageFont
from pydicom import Dataset
from pydicom.sequence import Sequence

from components.disclaimer import DISCLAIMER
from imaging.dicom.elements import functional, numbers, value
from serving.pacs.answer import SeriesAnswer, StudyAnswer
from serving.pacs.objects import CAPTURE_SERIES, MANUFACTURER, AnswerUids, stamp

_SIDE = 512
"""Pixels of the shorter side that a picture is enlarged to: what is written must be readable."""
_MOST = 2048
_LINE = 18
_DIRECTIONS = ("LR", "PA", "HF")
"""Letters of the patient's axes, along and against."""


def capture(
    answer: StudyAnswer, identity: AnswerUids, sources: Mapping[str, Dataset], folder: Path
) -> Iterator[SCImage]:
    """Makes the captures of a study.

    Args:
        answer: What the model said.
        identity: Where their UIDs are from.
        sources: The images that were read, by their SOPInstanceUID.
        folder: Where the pictures of the key slices are.

    Yields:
        A capture for each key slice.
    """
    number = 0
    for series in answer.series:
        for key in series.key_slices:
            number += 1
            header = sources[key.instance]
            picture = Image.open(io.BytesIO((folder / key.overlay).read_bytes())).convert("RGB")
            image = SCImage.from_ref_dataset(
                ref_dataset=header,
                pixel_array=np.asarray(_written(picture, _lines(answer, series, number))),
                photometric_interpretation="RGB",
                bits_allocated=8,
                coordinate_system="PATIENT",
                patient_orientation=_letters(header) or ("L", "P"),
                series_instance_uid=identity.uid("capture series"),
                series_number=CAPTURE_SERIES,
                sop_instance_uid=identity.uid("capture", key.instance, str(key.frame)),
                instance_number=number,
                manufacturer=MANUFACTURER,
                transfer_syntax_uid="1.2.840.10008.1.2.1",
            )
            image.copy_patient_and_study_information(header)
            stamp(image, answer, "Model key slices: decision support", header)
            if _letters(header) is None:
                image.PatientOrientation = ""  # highdicom takes none that is empty
            image.ImageType = ["DERIVED", "SECONDARY"]
            if part := value(header, "BodyPartExamined"):
                image.BodyPartExamined = part
            else:
                image.Laterality = ""  # not known, as the part is not
            # highdicom's would be the time at which it is made, another one after a kill.
            image.DateOfSecondaryCapture = image.ContentDate
            image.TimeOfSecondaryCapture = image.ContentTime
            image.BurnedInAnnotation = "NO"  # nothing that is written in names the patient
            image.DerivationDescription = f"Model heat over the slice. {DISCLAIMER}"
            reference = Dataset()
            reference.ReferencedSOPClassUID = header.SOPClassUID
            reference.ReferencedSOPInstanceUID = key.instance
            if key.frames > 1:
                reference.ReferencedFrameNumber = key.frame + 1
            image.SourceImageSequence = Sequence([reference])
            yield image


def _letters(header: Dataset) -> tuple[str, str] | None:
    """Where rows and columns of an image point to; None if it does not say."""
    cosines = numbers(functional(header, 0, "PlaneOrientationSequence", "ImageOrientationPatient"))
    if len(cosines) != 6:
        return None
    row, column = (
        _DIRECTIONS[int(np.abs(one).argmax())][0 if one[int(np.abs(one).argmax())] > 0 else 1]
        for one in (np.asarray(cosines[:3]), np.asarray(cosines[3:]))
    )
    return row, column


def _lines(answer: StudyAnswer, series: SeriesAnswer, number: int) -> list[str]:
    probability = series.probabilities[series.label]
    model = answer.model
    lines = [
        DISCLAIMER.upper(),
        f"series: {series.label} {probability:.0%} (mean over slices, not calibrated)",
        f"key slice {number}, heat of the model {model.name} {model.version}",
    ]
    if series.in_distribution is False:
        lines.insert(1, "does not look like a brain MRI of the training data")
    if series.refer:
        lines.insert(1, "REFER TO A READER")
    return lines


def _written(picture: Image.Image, lines: list[str]) -> Image.Image:
    """Enlarges a picture and writes lines below it, on black."""
    scale = max(1.0, _SIDE / min(picture.size))
    scale = min(scale, _MOST / max(picture.size))
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    page = Image.new("RGB", (max(size[0], _SIDE), size[1] + _LINE * len(lines) + 8))
    page.paste(picture.resize(size, Image.Resampling.BICUBIC), ((page.width - size[0]) // 2, 0))
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(13)
    for place, line in enumerate(lines):
        colour = (255, 210, 90) if place == 0 else (230, 230, 230)
        draw.text((6, size[1] + 4 + place * _LINE), line[:90], fill=colour, font=font)
    return page
