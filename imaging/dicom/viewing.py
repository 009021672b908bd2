"""A DICOM file's frames for a person who looks at them."""

import hmac
import re
import secrets
from collections.abc import Callable
from typing import Any

from imaging.dicom.elements import functional, item, number, numbers, several, value, words
from imaging.dicom.grey import GreyFrames, is_inverted, scaling
from imaging.dicom.layout import Layout
from imaging.dicom.patient import identify
from imaging.dicom.place import along_normal
from imaging.picture import Levels, Values
from imaging.viewing import OPPOSITES, FileView, FrameView, Scale, between, letters, orientation

ELEMENTS = (
    "AcquisitionContrast",
    "ImageLaterality",
    "ImageOrientationPatient",
    "ImagePositionPatient",
    "Laterality",
    "PatientOrientation",
    "ScanningSequence",
    "SeriesDescription",
    "SeriesInstanceUID",
    "StudyInstanceUID",
)
"""What must have been parsed of a data set besides its pixels and its tags."""

_WEIGHTINGS = re.compile(r"(?<![A-Z0-9])(T1|T2|FLAIR|STIR|PD|DWI|ADC|SWI|TOF)(?![0-9])", re.I)
"""Words that say how an image is weighted: of a description that a person typed, nothing else."""
_CONTRASTS = {
    "T1": "T1",
    "T2": "T2",
    "T2_STAR": "T2*",
    "FLUID_ATTENUATED": "FLAIR",
    "PROTON_DENSITY": "PD",
    "DIFFUSION": "DWI",
    "STIR": "STIR",
    "TOF": "TOF",
}
"""Of PS3.3 C.8.13.3.1.1."""
_SEQUENCES = {
    "SE": "spin echo",
    "IR": "inversion recovery",
    "GR": "gradient echo",
    "EP": "echo planar",
}
"""Of PS3.3 C.8.3.1."""
_SHORT_BITS = 16
_SALT = secrets.token_bytes(32)
"""Of this process: nobody can find a series by what stands for it, nor again after a restart."""


class DicomViewer:
    """The frames of a data set."""

    def __init__(
        self,
        dataset: Any,
        layout: Layout,
        grey: GreyFrames | None,
        show: Callable[[int], Levels],
        *,
        plane: str | None,
        modality: str | None,
    ) -> None:
        """Decodes nothing yet.

        Args:
            dataset: It, with `ELEMENTS` parsed.
            layout: How it stores pixels.
            grey: Its frames; None if they are in colours.
            show: Gives the levels of a frame.
            plane: The plane nearest to theirs.
            modality: Of the examination.
        """
        self._dataset, self._layout, self._grey, self._show = dataset, layout, grey, show
        self._plane, self._modality = plane, modality
        self._is_exact = scaling(dataset, 0) is not None and layout.bits <= _SHORT_BITS
        if "FloatPixelData" in dataset or "DoubleFloatPixelData" in dataset:
            self._is_exact = False

    @property
    def file(self) -> FileView:
        """What holds for all frames; by the first where they differ."""
        data, layout = self._dataset, self._layout
        wide = self._grey is not None and not (self._is_exact and layout.bits <= 8)
        spacing = numbers(functional(data, 0, "PixelMeasuresSequence", "PixelSpacing"))
        known = len(spacing) == 2 and all(1e-3 < one < 1e3 for one in spacing)
        thickness = number(functional(data, 0, "PixelMeasuresSequence", "SliceThickness"))
        along = along_normal(data)
        side = "".join(words(value(data, "ImageLaterality")) or words(value(data, "Laterality")))
        return FileView(
            width=layout.columns,
            height=layout.rows,
            channels=3 if self._grey is None else 1,
            bits=16 if wide else 8,
            inverted=self._grey is not None and is_inverted(data, layout),
            spacing_mm=(round(spacing[0], 4), round(spacing[1], 4)) if known else None,
            thickness_mm=round(thickness, 4) if thickness and 1e-3 < thickness < 1e3 else None,
            plane=self._plane,
            modality=self._modality,
            sequence=_sequence(data),
            side=side if side in ("L", "R") else None,
            series=_stand_in(data, "SeriesInstanceUID"),
            study=_stand_in(data, "StudyInstanceUID"),
            patient=identify(data, _SALT).patient,
            position_mm=None if along is None else round(along, 4),
        )

    def frame(self, number: int) -> FrameView:
        """What holds for one frame."""
        lies = _orientation(self._dataset, number)
        if self._grey is None:
            return FrameView(orientation=lies)
        shown = self._grey.shown(number)
        return FrameView(
            scale=self._scale(number),
            window=between(*shown),
            said_window=self._grey.said_window(number),
            orientation=lies,
        )

    def samples(self, number: int) -> Values:
        """A frame's samples; what is padding is black."""
        if self._grey is None:
            return self._show(number)
        scale = self._scale(number)
        return self._grey.mapped(
            number, lambda values: scale.samples(values, self.file.bits), self.black(number)
        )

    def black(self, number: int) -> int:
        """The sample that is black: the least, or where low values are white the greatest."""
        if self._grey is None:
            return 0
        turned = is_inverted(self._dataset, self._layout) != (self._scale(number).slope < 0)
        return 2**self.file.bits - 1 if turned else 0

    def _scale(self, number: int) -> Scale:
        pair = scaling(self._dataset, number)
        if pair is None or not self._is_exact or self._grey is None:
            assert self._grey is not None  # colours have no scale
            return Scale.spanning(self._grey.meanings(number))
        slope, intercept = pair
        least = -(2 ** (self._layout.bits - 1)) if self._layout.is_signed else 0
        return Scale(slope, intercept + slope * least)


def _sequence(dataset: Any) -> str | None:
    said = " ".join(str(one) for one in several(value(dataset, "SeriesDescription") or ""))
    found = dict.fromkeys(match.group(1).upper() for match in _WEIGHTINGS.finditer(said))
    if found:
        return " ".join(found)
    types = item(dataset, "SharedFunctionalGroupsSequence")
    owner = item(types, "MRImageFrameTypeSequence") or dataset
    for word in words(value(owner, "AcquisitionContrast")):
        if word in _CONTRASTS:
            return _CONTRASTS[word]
    said_so = words(value(dataset, "ScanningSequence"))
    return ", ".join(_SEQUENCES[one] for one in said_so if one in _SEQUENCES) or None


def _stand_in(dataset: Any, keyword: str) -> str | None:
    text = str(value(dataset, keyword) or "").strip(" \0")
    return (
        hmac.new(_SALT, f"{keyword} {text}".encode(), "sha256").hexdigest()[:16] if text else None
    )


def _orientation(dataset: Any, frame: int) -> Any:
    cosines = numbers(
        functional(dataset, frame, "PlaneOrientationSequence", "ImageOrientationPatient")
    )
    if len(cosines) == 6:
        return orientation(letters(*cosines[:3]), letters(*cosines[3:]))
    said = words(value(dataset, "PatientOrientation"))
    known = len(said) == 2 and all(set(one) <= set(OPPOSITES) and len(one) <= 3 for one in said)
    return orientation(*said) if known else None
