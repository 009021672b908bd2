"""Which DICOM objects are pictures of an examination, and of which modality.

An archive's folder holds more than pictures of patients: masks, doses, reports, planning lines,
screen shots. Many have pixels. What an object is, its SOP class says (PS3.4 B.5), and its modality
(PS3.3 C.7.3.1.1.1) where the class is missing or nobody's; whether a picture only served to plan
others, its image type (PS3.3 C.7.6.1.1.2).
"""

import re
from collections.abc import Collection, Mapping
from typing import Any

from imaging.dicom.elements import functional, value, whole, words
from imaging.picture import RejectedImageError

_SECONDARY = "OT"
_SEGMENTATION, _DOSE = "segmentation", "radiotherapy dose"
_ROOT = "1.2.840.10008.5.1.4.1.1"
"""What the storage classes begin with; in the tables below, a dot in front stands for it."""
_PICTURES = {
    "CFM": ".77.1.8 .77.1.9",
    "CR": ".1",
    "CT": ".2 .2.1 .2.2 .13.1.2",
    "DMS": ".77.1.7",
    "DX": ".1.1 .1.1.1",
    "ES": ".77.1.1 .77.1.1.1",
    "GM": ".77.1.2 .77.1.2.1",
    "IO": ".1.3 .1.3.1",
    "IVOCT": ".14.1 .14.2",
    "MG": ".1.2 .1.2.1 .13.1.3 .13.1.4 .13.1.5",
    "MR": ".4 .4.1 .4.3 .4.4",
    "NM": ".5 .20",
    "OP": ".77.1.5.1 .77.1.5.2 .77.1.5.5 .77.1.5.6",
    "OPT": ".77.1.5.4 .77.1.5.7",
    _SECONDARY: ".7 .7.1 .7.2 .7.3 .7.4",
    "PA": ".6.3",
    "PT": ".128 .128.1 .130",
    "RF": ".12.2 .12.2.1",
    "RTIMAGE": ".481.1 .481.23 .481.24",
    "SM": ".77.1.3 .77.1.6",
    "US": ".3 .3.1 .6 .6.1 .6.2",
    "XA": ".12.1 .12.1.1 .12.3 .13.1.1",
    "XC": ".77.1.4 .77.1.4.1",
}
"""Modalities, and the image storage classes that hold their pictures."""
_OBJECTS = {
    "annotation": (".91", "ANN"),
    "colour palette": ("1.2.840.10008.5.1.4.39", ""),
    "content assessment": (".90", "ASMT"),
    "curve": (".129", ""),
    "directory": ("1.2.840.10008.1.3.10", ""),
    "encapsulated document": (".104", "DOC M3D"),
    "hanging protocol": ("1.2.840.10008.5.1.4.38", ""),
    "implant template": (
        "1.2.840.10008.5.1.4.43 1.2.840.10008.5.1.4.44 1.2.840.10008.5.1.4.45",
        "",
    ),
    "industrial scan": (".601", ""),
    "inventory": (".201", ""),
    "key object selection": (".88.59", "KO"),
    "lookup table": (".10", ""),
    "ophthalmic measurement": (
        ".77.1.5.8 .78 .79 .80 .81 .82",
        "AR IOL KER LEN OAM OPM OPV SRF VA",
    ),
    "overlay": (".8", ""),
    "parametric map": (".30", ""),
    "presentation state": (".11", "PR"),
    "print": ("1.2.840.10008.5.1.1", "HC"),
    "protocol": (".200", "CTPROTOCOL XAPROTOCOL"),
    _DOSE: (".481.2", "RTDOSE"),
    "radiotherapy object": (".481", "RTINTENT RTRAD RTSEGANN"),
    "radiotherapy plan": (".481.5 .481.8 1.2.840.10008.5.1.4.34", "PLAN RTPLAN"),
    "radiotherapy record": (".481.4 .481.6 .481.7 .481.9", "RTRECORD"),
    "radiotherapy structure set": (".481.3", "RTSTRUCT"),
    "raw data": (".66 1.3.12.2.1107.5.9.1", ""),
    "real-world value map": (".67", "RWV"),
    "secondary capture": (".7", ""),
    "security scan": (".501", ""),
    _SEGMENTATION: (".66.4 .66.5 .66.7 .66.8", "SEG"),
    "spatial fiducials": (".66.2", "FID"),
    "spatial registration": (".66.1 .66.3", "REG"),
    "spectroscopy": (".4.2", "MS"),
    "stereometric relationship": (".77.1.5.3", "SMR"),
    "structured display": (".131", ""),
    "structured report": (".88", "SR"),
    "surface scan": (".68", "LS OSS"),
    "texture map": ("", "TEXTUREMAP"),
    "tractography": (".66.6", ""),
    "waveform": (".9", "AU ECG EEG EMG EOG EPS HD POS RESP"),
}
"""Other objects: their classes, what is below these included, and their modalities."""


def _by_word(table: Mapping[str, str]) -> dict[str, str]:
    """What each of the words of a table stands for."""
    return {
        _ROOT + word if word.startswith(".") else word: name
        for name, row in table.items()
        for word in row.split()
    }


_IMAGES = _by_word(_PICTURES)
_OTHERS = _by_word({name: classes for name, (classes, _) in _OBJECTS.items()})
_NO_PICTURES = _by_word({name: modalities for name, (_, modalities) in _OBJECTS.items()})
_NAMED = {*_PICTURES, "BI", "DG", "EC", "IVUS", "OCT", "PX", "RG", "TG"}
"""Modalities that a reason may name: they are DICOM's words, and no patient's."""
_CODE = re.compile("[A-Z0-9]{2,16}")
_MARKS = {"SegmentationType": _SEGMENTATION, "DoseGridScaling": _DOSE}
"""Elements that only objects of these kinds have, for those that say nothing else."""
_GROUPS = ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence")
_FRAME_TYPES = ("MRImageFrameTypeSequence", "CTImageFrameTypeSequence", "PETFrameTypeSequence")
_PLANNING = re.compile(r"\b(LOCALI[SZ]ER|SCOUT|TOPOGRAM|SCANOGRAM|SURVEY)S?\b")
_SCREEN = re.compile(r"\bSCREEN ?(SAVE|SHOT|CAPTURE)S?\b")
_LOCALIZER = "DICOM localizer, which only served to plan an examination"

ELEMENTS = (*_MARKS, *_GROUPS, "BitsAllocated", "ImageType", "Modality", "SOPClassUID")
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
    classes = _classes(dataset)
    modality = "".join(words(value(dataset, "Modality")))
    held = next((_IMAGES[one] for one in classes if one in _IMAGES), None)
    kinds = [*map(_other, classes), _NO_PICTURES.get(modality)]
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
    meta = getattr(dataset, "file_meta", None)
    said = (value(dataset, "SOPClassUID"), value(meta, "MediaStorageSOPClassUID"))
    return [str(one).strip() for one in said if one]


def _other(uid: str) -> str | None:
    """What a class is for, if it is known and not for pictures."""
    if uid in _IMAGES:
        return None
    while uid and uid not in _OTHERS:
        uid = uid.rpartition(".")[0]
    return _OTHERS.get(uid)


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
