"""DICOM objects that are pictures of an examination, and those that are not: named, not shown."""

import io

import numpy as np
import pytest
from dicom_files import ALL, dataset, encoded, head, pydicom_file
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset
from pydicom.uid import UID_dictionary

from imaging.config import ReadConfig
from imaging.reader import RejectedImageError, read_file

ROOT = "1.2.840.10008.5.1.4.1.1."
MR, CT, SECONDARY = f"{ROOT}4", f"{ROOT}2", f"{ROOT}7"


def _object(uid: str | None = MR, **elements) -> bytes:
    """An object with pixels whose file's meta information says the same class, or none."""
    made = dataset(head(), **elements)
    if uid is None:
        del made.SOPClassUID
        stream = io.BytesIO()
        dcmwrite(stream, made, implicit_vr=False, little_endian=True)
        return bytes(128) + b"DICM" + stream.getvalue()
    made.SOPClassUID = uid
    return encoded(made)


@pytest.mark.parametrize(
    ("uid", "kind"),
    [
        (f"{ROOT}66.4", "segmentation"),
        (f"{ROOT}66.5", "segmentation"),
        (f"{ROOT}66.7", "segmentation"),
        (f"{ROOT}481.2", "radiotherapy dose"),
        (f"{ROOT}481.3", "radiotherapy structure set"),
        (f"{ROOT}481.5", "radiotherapy plan"),
        (f"{ROOT}481.8", "radiotherapy plan"),
        (f"{ROOT}481.9", "radiotherapy record"),
        (f"{ROOT}481.12", "radiotherapy object"),
        (f"{ROOT}88.11", "structured report"),
        (f"{ROOT}88.67", "structured report"),
        (f"{ROOT}88.59", "key object selection"),
        (f"{ROOT}11.1", "presentation state"),
        (f"{ROOT}11.10", "presentation state"),
        (f"{ROOT}30", "parametric map"),
        (f"{ROOT}67", "real-world value map"),
        (f"{ROOT}104.1", "encapsulated document"),
        (f"{ROOT}9.1.1", "waveform"),
        (f"{ROOT}4.2", "spectroscopy"),
        (f"{ROOT}66", "raw data"),
        (f"{ROOT}66.1", "spatial registration"),
        (f"{ROOT}66.2", "spatial fiducials"),
        (f"{ROOT}66.6", "tractography"),
        ("1.2.840.10008.1.3.10", "directory"),
        ("1.2.840.10008.5.1.4.38.1", "hanging protocol"),
        ("1.3.12.2.1107.5.9.1", "raw data"),
    ],
)
@pytest.mark.parametrize("pixels", [True, False])
def test_other_objects_are_rejected_by_their_name(read_dicom, uid, kind, pixels):
    content = _object(uid) if pixels else _object(uid, PixelData=None)
    with pytest.raises(RejectedImageError, match=f"^DICOM {kind}, which is not an examination$"):
        read_dicom(content)
    with pytest.raises(RejectedImageError, match=kind):  # whatever the configuration allows
        read_dicom(content, ReadConfig(dicom={"modalities": ("MR", "SEG", "RTDOSE", "SR", "OT")}))


def _reason(read_dicom, content: bytes) -> str:
    """Why a file is rejected; nothing where it is not."""
    try:
        read_dicom(content)
    except RejectedImageError as rejected:
        return str(rejected)
    return ""


@pytest.mark.parametrize(
    ("modality", "kind"),
    [
        ("SEG", "segmentation"),
        ("RTDOSE", "radiotherapy dose"),
        ("RTSTRUCT", "radiotherapy structure set"),
        ("SR", "structured report"),
        ("PR", "presentation state"),
        ("KO", "key object selection"),
        ("DOC", "encapsulated document"),
        ("ECG", "waveform"),
    ],
)
@pytest.mark.parametrize("uid", [None, "1.2.999.1", MR])
def test_the_modality_tells_where_the_class_does_not(read_dicom, uid, modality, kind):
    with pytest.raises(RejectedImageError, match=kind):
        read_dicom(_object(uid, Modality=modality))


def test_every_class_of_the_standard_is_a_picture_or_has_a_name(read_dicom):
    storage = [
        uid
        for uid, (name, kind, *_) in UID_dictionary.items()
        if kind == "SOP Class" and "Storage" in name and uid.startswith(ROOT)
    ]
    assert len(storage) > 150
    reasons = {UID_dictionary[uid][0]: _reason(read_dicom, _object(uid)) for uid in storage}
    for name, reason in reasons.items():
        is_image = "Image Storage" in name or name == "Enhanced US Volume Storage"
        is_medical = not name.startswith(("DICOS", "Eddy Current"))
        assert (is_image and is_medical) != ("not an examination" in reason), name
    assert {name for name, reason in reasons.items() if not reason} == {
        "MR Image Storage",
        "Enhanced MR Image Storage",
        "Enhanced MR Color Image Storage",
        "Legacy Converted Enhanced MR Image Storage",
        "VL Image Storage - Trial",  # retired, and of any modality
        "VL Multi-frame Image Storage - Trial",
    }


def test_the_meta_information_tells_the_class_too(read_dicom):
    made = dataset(head())
    made.SOPClassUID = f"{ROOT}66.4"
    content = encoded(made)
    at = content.index(b"\x08\0\x16\0UI")
    length = int.from_bytes(content[at + 6 : at + 8], "little")
    with pytest.raises(RejectedImageError, match="segmentation"):
        read_dicom(content[:at] + content[at + 8 + length :])


@pytest.mark.parametrize(
    ("uid", "elements", "reason"),
    [
        (CT, {"Modality": "CT"}, "of modality CT: ingest.dicom.modalities allows MR"),
        (CT, {"Modality": None}, "of modality CT:"),
        (CT, {}, "of modality CT:"),
        (MR, {"Modality": "CT"}, "of modality CT:"),
        (None, {"Modality": "US"}, "of modality US:"),
        ("1.2.999.1", {"Modality": "PT"}, "of modality PT:"),
        (None, {"Modality": "SMITH"}, "of another modality:"),
        (f"{ROOT}128", {"Modality": "PT"}, "of modality PT:"),
        (f"{ROOT}481.1", {"Modality": "RTIMAGE"}, "of modality RTIMAGE:"),
        (SECONDARY, {"Modality": "MR"}, "secondary capture"),
        (SECONDARY, {"Modality": "OT"}, "secondary capture"),
        (f"{ROOT}7.4", {"Modality": "MR"}, "secondary capture"),
    ],
)
def test_other_modalities_are_rejected(read_dicom, uid, elements, reason):
    with pytest.raises(RejectedImageError, match=f"DICOM {reason}"):
        read_dicom(_object(uid, **elements))


@pytest.mark.parametrize(
    ("uid", "elements"),
    [
        (MR, {}),
        (MR, {"Modality": None}),
        (MR, {"Modality": ""}),
        (MR, {"Modality": "mr"}),
        (MR, {"Modality": "m r"}),
        (MR, {"Modality": "MRI"}),
        (None, {}),
        (None, {"Modality": None}),
        (None, {"Modality": "x^y"}),
        ("1.2.999.1", {}),
        (f"{ROOT}4.1", {"ImageType": ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]}),
        (MR, {"ImageType": ["DERIVED", "SECONDARY", "PROJECTION IMAGE"]}),
        (MR, {"ImageType": ["LOCALIZER"]}),  # the first value is another thing
    ],
)
def test_pictures_of_allowed_modalities_are_read(read_dicom, uid, elements):
    assert read_dicom(_object(uid, **elements)).images


def test_modalities_are_a_choice(read_dicom):
    both = ReadConfig(dicom={"modalities": ("mr", "CT")})
    assert read_dicom(_object(CT, Modality="CT"), both).images
    with pytest.raises(RejectedImageError, match="allows CT, MR$"):
        read_dicom(_object(Modality="US"), both)
    assert read_dicom(_object(SECONDARY), ALL).images
    with pytest.raises(RejectedImageError, match="of modality MR"):
        read_dicom(_object(SECONDARY), ReadConfig(dicom={"modalities": ("OT",)}))


@pytest.mark.parametrize(
    "image_type",
    [
        ["ORIGINAL", "PRIMARY", "LOCALIZER"],
        ["ORIGINAL", "PRIMARY", "localizer "],
        ["ORIGINAL", "PRIMARY", "SCOUT"],
        ["ORIGINAL", "PRIMARY", "M", "ND", "LOCALISER"],
        ["DERIVED", "PRIMARY", "3-PLANE LOCALIZER"],
    ],
)
@pytest.mark.parametrize("uid", [MR, f"{ROOT}4.1", None])
def test_localizers_are_rejected(read_dicom, uid, image_type):
    with pytest.raises(RejectedImageError, match="DICOM localizer"):
        read_dicom(_object(uid, ImageType=image_type))


def test_screen_shots_are_rejected(read_dicom):
    with pytest.raises(RejectedImageError, match="DICOM screen shot"):
        read_dicom(_object(ImageType=["DERIVED", "SECONDARY", "SCREEN SAVE"]))


def _group(flavour: str) -> Dataset:
    kind, group = Dataset(), Dataset()
    kind.FrameType = ["ORIGINAL", "PRIMARY", flavour, "NONE"]
    group.MRImageFrameTypeSequence = [kind]
    return group


def test_frames_that_are_localizers_are_left_out(read_dicom):
    def read(**elements):
        pixels = np.stack([head(1), head(2)])
        made = dataset(pixels, SOPClassUID=f"{ROOT}4.1", **elements)
        return [image.frame for image in read_dicom(encoded(made)).images]

    plan, volume = _group("LOCALIZER"), _group("VOLUME")
    assert read(PerFrameFunctionalGroupsSequence=[plan, volume]) == [1]
    assert read(SharedFunctionalGroupsSequence=[volume]) == [0, 1]
    for groups in (
        {"SharedFunctionalGroupsSequence": [plan]},
        {"PerFrameFunctionalGroupsSequence": [plan, plan]},
    ):
        with pytest.raises(RejectedImageError, match="DICOM localizer"):
            read(**groups)


@pytest.mark.parametrize(
    ("elements", "kind"),
    [
        ({"SegmentationType": "BINARY"}, "segmentation"),
        ({"DoseGridScaling": 0.001}, "radiotherapy dose"),
        ({"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0}, "one bit"),
    ],
)
def test_objects_that_say_nothing_are_known_by_what_only_they_have(read_dicom, elements, kind):
    with pytest.raises(RejectedImageError, match=kind):
        read_dicom(_object(None, Modality=None, **elements))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("liver_1frame.dcm", "segmentation"),
        ("rtdose.dcm", "radiotherapy dose"),
        ("rtplan.dcm", "radiotherapy plan"),
        ("test-SR.dcm", "structured report"),
        ("waveform_ecg.dcm", "waveform"),
        ("6293", "localizer"),
    ],
)
def test_names_what_others_wrote(name, kind):
    assert dcmread(pydicom_file(name))
    with pytest.raises(RejectedImageError, match=f"DICOM {kind}"):
        read_file(pydicom_file(name), ALL)


def test_a_file_of_no_class_and_no_modality_without_pixels_has_no_picture(read_dicom):
    with pytest.raises(RejectedImageError, match="without pixel data"):
        read_dicom(_object(None, Modality=None, PixelData=None))


def test_reasons_say_nothing_of_a_hostile_modality(read_dicom):
    for said in ("SMITH^JOHN", "SMITH", "J0HN"):
        with pytest.raises(RejectedImageError) as rejected:
            read_dicom(_object(CT, Modality=said))
        assert said not in str(rejected.value)
