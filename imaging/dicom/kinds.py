"""Which DICOM objects are pictures of an examination, and of which modality.

An archive's folder holds more than pictures of patients: masks, doses, reports, planning lines,
screen shots. Many have pixels. What an object is, its SOP class says (PS3.4 B.5), and its modality
(PS3.3 C.7.3.1.1.1) where the class is missing or nobody's; whether a picture only served to plan
others, its image type (PS3.3 C.7.6.1.1.2).
"""

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import yaml

from imaging.dicom.elements import functional, value, whole, words
from imaging.picture import RejectedImageError

_SECONDARY = "OT"
_ROOT = "1.2.840.10008.5.1.4.1.1"
_TABLES = yaml.safe_load(Path(__file__).with_name("kinds.yaml").read_text(encoding="utf-8"))


def _by_word(table: Mapping[str, str]) -> dict[str, str]:
    """What each of the words of a table stands for."""
    return {
        _ROOT + word if word.startswith(".") else word: name
        for name, row in table.items()
        for word in row.split()
    }


_IMAGES = _by_word(_TABLES["pictures"])
_OTHERS, _NO_PICTURES = (
    _by_word({name: row[column] for name, row in _TABLES["objects"].items()})
    for column in ("classes", "modalities")
)
_NAMED = {*_TABLES["pictures"], *_TABLES["modalities"].split()}
"""Modalities that a reason may name: they are DICOM's words, and no patient's."""
_CODE = re.compile("[A-Z0-9]{2,16}")
_MARKS = {"SegmentationType": "segmentation", "DoseGridScaling": "radiotherapy dose"}
"""Elements that only objects of these kinds have, for those that say nothing else."""
_GROUPS = ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence")
_FRAME_TYPES = ("MRImageFrameTypeSequence", "CTImageFrameTypeSequence", "PETFrameTypeSequence")
_PLANNING = re.compile(r"\b(LOCALI[SZ]ER|SCOUT|TOPOGRAM|SCANOGRAM|SURVEY)S?\b")
_SCREEN = re.compile(r"\bSCREEN ?(SAVE|SHOT|CAPTURE)S?\b")
_LOCALIZER = "DICOM localizer, which only serves to plan an examination"

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
        kind = "picture of one bit per pixel, as in a mask"
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
