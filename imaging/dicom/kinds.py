"""Which DICOM objects are pictures of an examination, and of which modality.

An archive's folder holds more than pictures of patients: masks, doses, reports, planning lines,
screen shots. Many have pixels. What an object is, its SOP class says (PS3.4 B.5), and its modality
(PS3.3 C.7.3.1.1.1) where the class is missing or nobody's; whether a picture only served to plan
others, its image type (PS3.3 C.7.6.1.1.2).
"""

import re
from collections.abc import Collection
from typing import Any

from imaging.dicom.elements import functional, value, whole, words
from imaging.picture import RejectedImageError

_SECONDARY = "OT"
_ROOT = "1.2.840.10008.5.1.4.1.1."
_IMAGES = {
    "1": "CR",
    "1.1": "DX",
    "1.1.1": "DX",
    "1.2": "MG",
    "1.2.1": "MG",
    "1.3": "IO",
    "1.3.1": "IO",
    "2": "CT",
    "2.1": "CT",
    "2.2": "CT",
    "3": "US",
    "3.1": "US",
    "4": "MR",
    "4.1": "MR",
    "4.3": "MR",
    "4.4": "MR",
    "5": "NM",
    "6": "US",
    "6.1": "US",
    "6.2": "US",
    "6.3": "PA",
    "7": _SECONDARY,
    "7.1": _SECONDARY,
    "7.2": _SECONDARY,
    "7.3": _SECONDARY,
    "7.4": _SECONDARY,
    "12.1": "XA",
    "12.1.1": "XA",
    "12.2": "RF",
    "12.2.1": "RF",
    "12.3": "XA",
    "13.1.1": "XA",
    "13.1.2": "CT",
    "13.1.3": "MG",
    "13.1.4": "MG",
    "13.1.5": "MG",
    "14.1": "IVOCT",
    "14.2": "IVOCT",
    "20": "NM",
    "77.1.1": "ES",
    "77.1.1.1": "ES",
    "77.1.2": "GM",
    "77.1.2.1": "GM",
    "77.1.3": "SM",
    "77.1.4": "XC",
    "77.1.4.1": "XC",
    "77.1.5.1": "OP",
    "77.1.5.2": "OP",
    "77.1.5.4": "OPT",
    "77.1.5.5": "OP",
    "77.1.5.6": "OP",
    "77.1.5.7": "OPT",
    "77.1.6": "SM",
    "77.1.7": "DMS",
    "77.1.8": "CFM",
    "77.1.9": "CFM",
    "128": "PT",
    "128.1": "PT",
    "130": "PT",
    "481.1": "RTIMAGE",
    "481.23": "RTIMAGE",
    "481.24": "RTIMAGE",
}
"""Image storage classes, behind `_ROOT`, and the modality whose pictures they hold."""
_SEGMENTATION, _DOSE = "segmentation", "radiotherapy dose"
_OTHERS = {
    "4.2": "spectroscopy",
    "7": "secondary capture",
    "8": "overlay",
    "9": "waveform",
    "10": "lookup table",
    "11": "presentation state",
    "30": "parametric map",
    "66": "raw data",
    "66.1": "spatial registration",
    "66.2": "spatial fiducials",
    "66.3": "spatial registration",
    "66.4": _SEGMENTATION,
    "66.5": _SEGMENTATION,
    "66.6": "tractography",
    "66.7": _SEGMENTATION,
    "66.8": _SEGMENTATION,
    "67": "real-world value map",
    "68": "surface scan",
    "77.1.5.3": "stereometric relationship",
    "77.1.5.8": "ophthalmic measurement",
    "78": "ophthalmic measurement",
    "79": "ophthalmic measurement",
    "80": "ophthalmic measurement",
    "81": "ophthalmic measurement",
    "82": "ophthalmic measurement",
    "88": "structured report",
    "88.59": "key object selection",
    "90": "content assessment",
    "91": "annotation",
    "104": "encapsulated document",
    "129": "curve",
    "131": "structured display",
    "200": "protocol",
    "201": "inventory",
    "481": "radiotherapy object",
    "481.2": _DOSE,
    "481.3": "radiotherapy structure set",
    "481.4": "radiotherapy record",
    "481.5": "radiotherapy plan",
    "481.6": "radiotherapy record",
    "481.7": "radiotherapy record",
    "481.8": "radiotherapy plan",
    "481.9": "radiotherapy record",
    "501": "security scan",
    "601": "industrial scan",
}
"""What other classes hold, by the beginning of what stands behind `_ROOT`; the longest counts."""
_ELSEWHERE = {
    "1.2.840.10008.1.3.10": "directory",
    "1.2.840.10008.5.1.1": "print",
    "1.2.840.10008.5.1.4.34": "radiotherapy plan",
    "1.2.840.10008.5.1.4.38": "hanging protocol",
    "1.2.840.10008.5.1.4.39": "colour palette",
    "1.2.840.10008.5.1.4.43": "implant template",
    "1.2.840.10008.5.1.4.44": "implant template",
    "1.2.840.10008.5.1.4.45": "implant template",
    "1.3.12.2.1107.5.9.1": "raw data",
}
"""The same of classes outside `_ROOT`; the last one is a scanner maker's own."""
_NO_PICTURES = {
    "ANN": "annotation",
    "AR": "ophthalmic measurement",
    "ASMT": "content assessment",
    "AU": "waveform",
    "CTPROTOCOL": "protocol",
    "DOC": "encapsulated document",
    "ECG": "waveform",
    "EEG": "waveform",
    "EMG": "waveform",
    "EOG": "waveform",
    "EPS": "waveform",
    "FID": "spatial fiducials",
    "HC": "print",
    "HD": "waveform",
    "IOL": "ophthalmic measurement",
    "KER": "ophthalmic measurement",
    "KO": "key object selection",
    "LEN": "ophthalmic measurement",
    "LS": "surface scan",
    "M3D": "encapsulated document",
    "MS": "spectroscopy",
    "OAM": "ophthalmic measurement",
    "OPM": "ophthalmic measurement",
    "OPV": "ophthalmic measurement",
    "OSS": "surface scan",
    "PLAN": "radiotherapy plan",
    "POS": "waveform",
    "PR": "presentation state",
    "REG": "spatial registration",
    "RESP": "waveform",
    "RTDOSE": _DOSE,
    "RTINTENT": "radiotherapy object",
    "RTPLAN": "radiotherapy plan",
    "RTRAD": "radiotherapy object",
    "RTRECORD": "radiotherapy record",
    "RTSEGANN": "radiotherapy object",
    "RTSTRUCT": "radiotherapy structure set",
    "RWV": "real-world value map",
    "SEG": _SEGMENTATION,
    "SMR": "stereometric relationship",
    "SR": "structured report",
    "SRF": "ophthalmic measurement",
    "TEXTUREMAP": "texture map",
    "VA": "ophthalmic measurement",
    "XAPROTOCOL": "protocol",
}
"""Modalities of objects that are not pictures."""
_NAMED = {*_IMAGES.values(), "BI", "CFM", "DG", "DMS", "EC", "IVUS", "OCT", "PX", "RG", "TG"}
"""Modalities that a reason may name: they are DICOM's words, and no patient's."""
_CODE = re.compile("[A-Z0-9]{2,16}")
_MARKS = {"SegmentationType": _SEGMENTATION, "DoseGridScaling": _DOSE}
"""Elements that only objects of these kinds have, for those that say nothing else."""
_GROUPS = ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence")
_FRAME_TYPES = ("MRImageFrameTypeSequence", "CTImageFrameTypeSequence", "PETFrameTypeSequence")
_PLANNING = re.compile(r"\b(LOCALI[SZ]ER|SCOUT|TOPOGRAM|SCANOGRAM|SURVEY)S?\b")
_SCREEN = re.compile(r"\bSCREEN ?(SAVE|SHOT|CAPTURE)S?\b")
_LOCALIZER = "DICOM localizer, which only served to plan an examination"

ELEMENTS = (
    *_MARKS,
    *_GROUPS,
    "BitsAllocated",
    "ImageType",
    "Modality",
    "SOPClassUID",
)
"""The elements that are looked at here."""


def check_examination(dataset: Any, modalities: Collection[str]) -> None:
    """Accepts pictures of examinations of the allowed modalities.

    What an object's class says and what its modality says must both be allowed; an object that says
    neither is a picture, if nothing else speaks against that. The class of a secondary capture says
    `OT`: a screen shot that was taken at an MR console is not an MR image.

    Args:
        dataset: The data set.
        modalities: Those allowed.

    Raises:
        RejectedImageError: It is another object, which is named, or of another modality.
    """
    classes = [_understood(one) for one in _classes(dataset)]
    modality = "".join(words(value(dataset, "Modality")))
    held = next((one for _, one in classes if one), None)
    kinds = [*(kind for kind, _ in classes), _NO_PICTURES.get(modality)]
    if not held and not modality:
        kinds += [kind for mark, kind in _MARKS.items() if mark in dataset]
    kind = next((one for one in kinds if one), None)
    if not kind and whole(dataset, "BitsAllocated") == 1:
        kind = "picture of one bit a pixel, as masks are"
    image_type = " ".join(words(value(dataset, "ImageType"))[2:])
    if not kind and _SCREEN.search(image_type):
        kind = "screen shot"
    if kind:
        raise RejectedImageError(f"DICOM {kind}, which is not an examination")
    if _PLANNING.search(image_type):
        raise RejectedImageError(_LOCALIZER)
    _check_modality(modality, held, {one.strip().upper() for one in modalities})


def examined(dataset: Any, frames: list[int]) -> list[int]:
    """Leaves out the frames that are localizers.

    Args:
        dataset: The data set.
        frames: The numbers of frames.

    Returns:
        Those of the examination.

    Raises:
        RejectedImageError: All are localizers.
    """
    if not any(group in dataset for group in _GROUPS):
        return frames
    kept = [frame for frame in frames if not _is_localizer(dataset, frame)]
    if not kept:
        raise RejectedImageError(_LOCALIZER)
    return kept


def _is_localizer(dataset: Any, frame: int) -> bool:
    types = (functional(dataset, frame, sequence, "FrameType") for sequence in _FRAME_TYPES)
    return any(_PLANNING.search(" ".join(words(one)[2:])) for one in types)


def _classes(dataset: Any) -> list[str]:
    said = (
        value(dataset, "SOPClassUID"),
        value(getattr(dataset, "file_meta", None), "MediaStorageSOPClassUID"),
    )
    return [str(one).strip() for one in said if one]


def _understood(uid: str) -> tuple[str | None, str | None]:
    """What kind of object a class is for, if not for pictures; else of which modality they are."""
    if uid.startswith(_ROOT):
        rest = uid.removeprefix(_ROOT)
        if rest in _IMAGES:
            return None, _IMAGES[rest]
        while rest:
            if rest in _OTHERS:
                return _OTHERS[rest], None
            rest = rest.rpartition(".")[0]
        return None, None
    starts = (known for known in _ELSEWHERE if uid == known or uid.startswith(f"{known}."))
    return _ELSEWHERE.get(next(starts, "")), None


def _check_modality(modality: str, held: str | None, allowed: set[str]) -> None:
    """Checks what an object's modality and its class's say; a class may not say any."""
    is_known = modality in allowed or modality in _NAMED
    if not is_known and (held or not _CODE.fullmatch(modality)):
        modality = ""  # no code at all, or one that says less than the class
    if held == _SECONDARY and _SECONDARY not in allowed:
        what = "secondary capture, such as a screen shot or a scanned film"
    elif modality and modality not in allowed:
        what = f"of modality {modality}" if is_known else "of another modality"
    elif held and held not in allowed:
        what = f"of modality {held}"
    else:
        return
    raise RejectedImageError(
        f"DICOM {what}: ingest.dicom.modalities allows {', '.join(sorted(allowed))}"
    )
