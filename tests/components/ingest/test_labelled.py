"""Ingestion by a table of labels, and of folders in which systems left things."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from dicom_files import dataset, head
from dicom_files import file as dicom_file
from drawing import draw, encode
from ingesting import ingest
from pydicom.uid import generate_uid

from components.errors import PipelineError
from imaging.dicom.patient import identify
from imaging.identity import PATIENT, STUDY, hashed

pytestmark = pytest.mark.long

_PATIENTS = 12


@pytest.fixture
def labelled(tmp_path):
    """Ingests a folder by the text of a table."""

    def labelled(table: str, **settings):
        path = tmp_path / "labels.csv"
        path.write_text(table)
        return ingest(tmp_path / "scans", tmp_path / "out", labels=path, **settings)

    return labelled


def test_a_flat_folder_and_a_sheet(labelled, tmp_path):
    (tmp_path / "scans").mkdir()
    for number in range(24):
        (tmp_path / "scans" / f"{number}.png").write_bytes(encode(draw(number)))
    (tmp_path / "scans" / "Thumbs.db").write_bytes(b"x")
    (tmp_path / "scans" / "20.png").write_bytes(b"not an image")
    rows = [
        f"{number}.png;{'glioma' if number % 2 else 'notumor'};{'test' if number < 6 else ''}"
        for number in range(21)
    ]
    found = labelled("\n".join(["path;label;split", *rows]))
    assert {split: len(examples) for split, examples in found.examples.items()} == {
        "train": 12,
        "eval": 2,
        "test": 6,
    }
    assert [name for name, _ in found.rejected] == ["20.png"]
    assert (found.report.found, found.report.ingested, found.report.rejected) == (21, 20, 1)
    assert (found.report.unnamed, found.report.passed_over) == (3, 1)
    assert all(row["label"] == ("glioma" if int(row["name"][:-4]) % 2 else "notumor")
               for row in found.splits)  # fmt: skip
    assert {row["name"] for row in found.splits if row["split"] == "test"} == {
        f"{number}.png" for number in range(6)
    }


def test_pictures_of_a_patient_whom_the_sheet_names_stand_on_one_side(labelled, tmp_path):
    (tmp_path / "scans" / "9").mkdir(parents=True)
    for number in range(40):
        folder = tmp_path / "scans" / ("9" if number >= 36 else "")
        (folder / f"{number}.png").write_bytes(encode(draw(number)))
    rows = [
        f"{number}.png,{name}{number // 4},{'ab'[number // 4 % 2]}"
        for number, name in enumerate([" somebody", *3 * ["SOMEBODY"]] * 9)
    ]
    found = labelled("\n".join(["path,patient,label", *rows, "9,SOMEBODY9,b"]), classes=("a", "b"))
    sides = {int(row["name"].split("/")[-1][:-4]): row["split"] for row in found.splits}
    for patient in range(10):
        assert len({sides[4 * patient + image] for image in range(4)}) == 1
    assert found.report.groups <= 10
    for content in _contents(tmp_path / "out"):
        assert b"SOMEBODY" not in content.upper()


def _contents(folder: Path) -> Iterator[bytes]:
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            yield gzip.decompress(content) if path.suffix == ".gz" else content


@pytest.fixture
def scanned(tmp_path):
    """Writes two images of each patient, and gives the patients' numbers and their studies'."""
    (tmp_path / "scans").mkdir()
    numbers = {}
    for patient in range(_PATIENTS):
        study = generate_uid()
        numbers[f"SOMEBODY{patient}"] = study
        for image in range(2):
            content = dicom_file(
                head(7 * patient + image), PatientID=f"SOMEBODY{patient}", StudyInstanceUID=study
            )
            (tmp_path / "scans" / f"{patient}-{image}").write_bytes(content)
    (tmp_path / "scans" / "cut").write_bytes(content[:900])
    (tmp_path / "scans" / "README.txt").write_bytes(b"not an image")
    (tmp_path / "scans" / "drawn.png").write_bytes(encode(draw(3)))
    return numbers


@pytest.mark.parametrize("kind", [PATIENT, STUDY])
@pytest.mark.parametrize("patient_ids", ["link", "ignore"])
def test_patients_and_studies_are_known_and_never_written(
    labelled, scanned, tmp_path, kind, patient_ids
):
    rows = [
        f"{number if kind == PATIENT else study},{'glioma' if index % 2 else 'notumor'},"
        f"{('test', 'eval', '')[min(index // 2, 2)]}"
        for index, (number, study) in enumerate(list(scanned.items())[:-1])
    ]
    table = "\n".join([f"{kind},label,split", *rows])
    found = labelled(table, dicom={"patient_ids": patient_ids}, split_policy="as_is")
    assert len(found.splits) == 2 * (_PATIENTS - 1)
    for row in found.splits:
        patient = int(row["name"].split("-")[0])
        assert row["label"] == ("glioma" if patient % 2 else "notumor")
        assert row["split"] == ("test", "eval", "train")[min(patient // 2, 2)]
    assert [name for name, _ in found.rejected] == ["cut"]  # it may have been one that is named
    assert found.report.unnamed == 4
    assert found.report.found == 2 * (_PATIENTS - 1) + 1
    for content in _contents(tmp_path / "out"):
        assert b"SOMEBODY" not in content
        assert not [study for study in scanned.values() if study.encode() in content]


def test_a_table_that_names_nobody_in_the_folder_is_refused(labelled, scanned):
    with pytest.raises(
        PipelineError, match=r"27 files .*26 x not named in the label table"
    ) as error:
        labelled("patient,label\nP1,glioma\nP2,notumor\n")
    assert scanned
    assert "P1" not in str(error.value)


def test_keys_tell_numbers_apart_and_hide_them():
    made = dataset(np.zeros((8, 8), np.uint16), PatientID=" 47 ", StudyInstanceUID="1.2")
    keys = identify(made, b"salt").keys
    assert keys == (hashed(STUDY, "1.2", b"salt"), hashed(PATIENT, "47", b"salt"))
    assert identify(made, b"salt", linked=False).keys == keys
    assert hashed(PATIENT, "1.2", b"salt") != hashed(STUDY, "1.2", b"salt")
    assert not set(keys) & set(identify(made, b"other").keys)
    assert identify(made, b"").keys == identify(dataset(head()), b"salt").keys == ()
