"""DICOM's patients: told apart by a salted hash, and nothing that identifies one gets out."""

import io
import logging
import traceback
import warnings

import numpy as np
import pydicom
import pytest
from dicom_files import MARKERS, PROFILE, compressed, encoded, file, head, jpeg, marked
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
)

from imaging.config import ReadConfig
from imaging.reader import RejectedImageError, read_file

pytestmark = pytest.mark.long

SALT = b"salt"


def test_patients_are_told_apart_by_a_salted_hash(read_dicom):
    def patient(salt=SALT, **elements):
        return read_dicom(file(**elements), salt=salt).images[0].tags.patient

    smith = patient(PatientID="4711")
    assert len(smith) == 32
    assert int(smith, 16)
    assert smith == patient(PatientID="4711 ", PatientName="other")
    others = [
        patient(PatientID="4712"),
        patient(PatientID="4711", IssuerOfPatientID="here"),
        patient(PatientID="4711", salt=b"another"),
    ]
    assert len({smith, *others}) == 4
    assert patient() is None
    assert patient(PatientID="") is None
    assert patient(PatientID="4711", salt=b"") is None  # could be undone by trying all numbers


def _variants() -> dict[str, bytes]:
    good = encoded(marked())

    def made() -> pydicom.Dataset:  # faster than marking it again
        return pydicom.dcmread(io.BytesIO(good))

    def changed(**elements: str | None) -> bytes:
        one = made()
        for keyword, value in elements.items():
            if value is None:
                del one[keyword]
            else:
                setattr(one, keyword, value)
        return encoded(one)

    variants = {
        "good": good,
        "frames": encoded(marked(np.stack([head(1), head(2)]))),
        "implicit": encoded(made(), ImplicitVRLittleEndian),
        "deflated": encoded(made(), DeflatedExplicitVRLittleEndian),
        "bare": good[132:],
        "no pixels": changed(PixelData=None),
        "photometric": changed(PhotometricInterpretation="XQZ"),
        "syntax": good.replace(b"1.2.840.10008.1.2.1\0", b"1.2.999.777.1.2.3.4\0"),
        "broken frame": compressed(made(), JPEG2000Lossless, [b"XQZ" * 30]),
        "broken jpeg": compressed(made(), JPEGBaseline8Bit, [jpeg(48, 40)[:-60] + b"XQZ\xff\xd9"]),
        "character set": changed(SpecificCharacterSet="XQZ"),
        "model": changed(ManufacturerModelName="<XQZ^Marker>", Modality="XQZ^MARKER"),
    }
    for share in (0.05, 0.5, 0.9, 0.99):
        variants[f"truncated at {share}"] = good[: int(len(good) * share)]
    bad = {
        "NumberOfFrames": ("IS", "XQZ"),
        "WindowCenter": ("DS", "XQZ"),
        "PixelSpacing": ("DS", "XQZ\\XQZ"),
        "ImageOrientationPatient": ("DS", "XQZ\\1\\1\\1\\1\\1"),
        "Rows": ("LO", "XQZ"),
        "BitsStored": ("UT", "XQZ"),
        "PatientID": ("FD", "XQZXQZXQ"),
        "StudyDate": ("DA", "XQZ not a date"),
        "StudyInstanceUID": ("UI", "XQZ not an UID"),
        "PatientAge": ("AS", "XQZ not an age, and far too long for one"),
    }
    for keyword, (kind, value) in bad.items():
        one = made()
        tag = pydicom.datadict.tag_for_keyword(keyword)
        one[tag] = pydicom.dataelem.RawDataElement(
            pydicom.tag.Tag(tag), kind, len(value), value.encode(), 0, False, True
        )
        variants[f"bad {keyword}"] = encoded(one)
    return variants


def test_nothing_that_identifies_a_patient_gets_out(tmp_path, caplog, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's, about writing bad values
        variants = _variants()
        present = marked()
    assert all(keyword in present for keyword in PROFILE.split())
    assert all(marker in variants["good"] for marker in MARKERS)
    capfd.readouterr()
    caplog.set_level(logging.DEBUG)
    said, images, rejections = [], 0, 0
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for name, content in variants.items():
            path = tmp_path / f"{len(said)}.dcm"
            path.write_bytes(content)
            try:
                found = read_file(str(path), ReadConfig(), SALT)
            except RejectedImageError as rejection:
                said.append((name, "".join(traceback.format_exception(rejection)).encode()))
                rejections += 1
            else:
                images += len(found.images)
                said.append((name, repr(found).encode()))
                said += [(name, image.encoded) for image in found.images]
                assert {image.tags.modality for image in found.images} <= {"MR", None}
    said.append(("log", "\n".join(record.getMessage() for record in caplog.records).encode()))
    said.append(("warnings", "\n".join(str(one.message) for one in warned).encode()))
    said.append(("terminal", "".join(capfd.readouterr()).encode()))
    assert images >= 10
    assert rejections >= 8
    leaks = [(name, marker) for name, text in said for marker in MARKERS if marker in text]
    assert not leaks
