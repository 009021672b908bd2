"""A patient is a patient: however ids are written, and from run to run."""

import itertools
from pathlib import Path

import nibabel
import numpy as np
import pytest
from dicom_files import dataset, encoded, head
from dicom_files import file as dicom_file
from drawing import draw, encode
from ingesting import ingest
from pydicom.dataset import Dataset

from components.errors import PipelineError
from components.ingest.config import SALT_VARIABLE
from components.ingest.patients import link_patients, patient_salt
from imaging.dicom.patient import identify

pytestmark = pytest.mark.long

SALT = b"salt"


def other(number: str, issuer: str = "") -> Dataset:
    """An item of OtherPatientIDsSequence."""
    made = Dataset()
    made.PatientID = number
    if issuer:
        made.IssuerOfPatientID = issuer
    return made


def parts(*images: dict[str, object]) -> set[frozenset[int]]:
    """Which of the images are linked, given what their data sets say."""
    made = [dataset(head(), **elements) for elements in images]
    groups: dict[str, set[int]] = {}
    for index, patient in enumerate(link_patients([identify(one, SALT).links for one in made])):
        if patient:
            groups.setdefault(patient, set()).add(index)
    return {frozenset(group) for group in groups.values()}


ALL = {frozenset({0, 1})}


@pytest.mark.parametrize(
    ("one", "another"),
    [
        ({"PatientID": "4711"}, {"PatientID": " 4711 "}),
        ({"PatientID": "4711"}, {"PatientID": "004711"}),
        ({"PatientID": "ab-1"}, {"PatientID": "AB-1"}),
        ({"PatientID": "ab 1"}, {"PatientID": "ab  1"}),
        ({"PatientID": "4711"}, {"PatientID": "\uff14711"}),
        ({"PatientID": "7", "IssuerOfPatientID": "A"}, {"PatientID": "7"}),
        ({"PatientID": "7", "IssuerOfPatientID": "A"},
         {"PatientID": "7", "IssuerOfPatientID": " a"}),
        ({"PatientID": "7", "IssuerOfPatientID": "A"},
         {"PatientID": "7", "IssuerOfPatientID": ""}),
        ({"PatientID": "1"}, {"PatientID": "2", "OtherPatientIDs": "1"}),
        ({"PatientID": "1"}, {"PatientID": "2", "OtherPatientIDs": ["3", "1"]}),
        ({"PatientID": "1"}, {"PatientID": "2", "OtherPatientIDsSequence": [other("1")]}),
        ({"PatientID": "1", "IssuerOfPatientID": "A"},
         {"PatientID": "2", "OtherPatientIDsSequence": [other("3"), other("1", "a")]}),
        ({"PatientID": "1", "StudyInstanceUID": "1.2.3"}, {"StudyInstanceUID": "1.2.3"}),
        ({"PatientID": "ANON", "StudyInstanceUID": "1.2.3"}, {"StudyInstanceUID": "1.2.3"}),
    ],
)  # fmt: skip
def test_one_patient_however_the_id_is_written(one, another):
    assert parts(one, another) == ALL
    assert parts(another, one) == ALL


@pytest.mark.parametrize(
    ("one", "another"),
    [
        ({"PatientID": "4711"}, {"PatientID": "4712"}),
        ({"PatientID": "4711"}, {"PatientID": "47110"}),
        ({"PatientID": "1", "IssuerOfPatientID": "A"},
         {"PatientID": "1", "IssuerOfPatientID": "B"}),
        ({"PatientID": "1", "IssuerOfPatientID": "A"},
         {"PatientID": "2", "OtherPatientIDsSequence": [other("1", "B")]}),
        ({"PatientID": "1", "StudyInstanceUID": "1.2"},
         {"PatientID": "2", "StudyInstanceUID": "1.2"}),
        ({}, {}),
        ({"PatientID": ""}, {"PatientID": ""}),
        *(({"PatientID": name},) * 2 for name in (
            "0", "000", "ANON", "Anonymous", "ANONYMIZED", "unknown", "Unknown^Patient", "N/A",
            "none", "XXXX", "-", "***", "PATIENT ID", "no name")),
    ],
)  # fmt: skip
def test_two_patients_or_nobody_knows(one, another):
    assert not parts(one, another)


def test_an_image_without_an_issuer_links_the_number_of_all_issuers():
    issued = [{"PatientID": "7", "IssuerOfPatientID": issuer} for issuer in "AAB"]
    assert parts(*issued) == {frozenset({0, 1})}
    for images in itertools.permutations([*issued[1:], {"PatientID": "7"}]):
        assert parts(*images) == {frozenset({0, 1, 2})}


def test_hostile_numbers_are_hashed_or_passed_over():
    made = dataset(head(), PatientID="1")
    for keyword, kind, value in (
        ("OtherPatientIDs", "US", 5),
        ("OtherPatientIDsSequence", "LO", ["x", "y"]),
        ("IssuerOfPatientID", "FD", 1.5),
    ):
        made.add_new(keyword, kind, value)
    assert all(link.split()[0] == "patient" for link in identify(made, SALT).links)


# From run to run


class Spans:
    """A data folder to which spans come, each with patients in its Training and Testing folders."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.history: Path | None = None
        self._seeds = itertools.count(1)
        self._runs = 0

    def add(self, *images: tuple[str, dict[str, object]]) -> None:
        """A span of some nameless drawings, and of DICOM images in the given split folders."""
        span = self.root / f"span-{self._runs + 1:03}"
        for split, label in itertools.product(("Training", "Testing"), ("glioma", "notumor")):
            folder = span / split / label
            folder.mkdir(parents=True)
            for index in range(6 if split == "Training" else 2):
                (folder / f"{index}.png").write_bytes(encode(draw(1000 + next(self._seeds))))
        for index, (split, elements) in enumerate(images):
            pixels = head(next(self._seeds))
            content = encoded(dataset(pixels, **elements))
            (span / split / "glioma" / f"patient-{index}.dcm").write_bytes(content)

    def ingest(self, **settings):
        """The sides of the newest span's images but the drawings, and the report."""
        self._runs += 1
        out = self.root.parent / f"out-{self._runs}"
        found = ingest(self.root, out, history=self.history, **settings)
        self.history = out / "splits"
        sides = [row["split"] for row in found.splits if not row["name"].endswith(".png")]
        return sides, found.report


@pytest.fixture
def spans(tmp_path, monkeypatch):
    monkeypatch.setenv(SALT_VARIABLE, "one salt")
    return Spans(tmp_path / "data")


SMITH = {"PatientID": "4711"}


def test_a_patient_who_was_tested_is_not_trained_on_later(spans):
    spans.add(("Testing", SMITH))
    spans.ingest()
    spans.add(("Training", {**SMITH, "IssuerOfPatientID": "A"}), ("Training", {"PatientID": "1"}))
    assert spans.ingest()[0][0] == "excluded"


@pytest.mark.parametrize("salt", ["another salt", None])
def test_another_salt_is_refused_where_it_would_unlink_patients(spans, monkeypatch, salt):
    spans.add(("Testing", SMITH), ("Testing", {"PatientID": "2"}))
    spans.ingest()
    spans.add(("Training", SMITH))
    if salt:
        monkeypatch.setenv(SALT_VARIABLE, salt)
    else:
        monkeypatch.delenv(SALT_VARIABLE)
    history = spans.history
    with pytest.raises(
        PipelineError, match=r"The patients of 2 images .*another salt.*MRI_PATIENT_SALT"
    ):
        spans.ingest()
    sides, report = spans.ingest(unlinked_history="accept")
    assert sides[0] in ("train", "eval")
    assert report.unlinked == 2

    # The first salt again, and what it had hashed is known as before.
    spans.history = history
    monkeypatch.setenv(SALT_VARIABLE, "one salt\n")
    sides, report = spans.ingest()
    assert (sides, report.unlinked) == (["excluded"], 0)


def test_another_salt_is_no_matter_where_no_patient_is_named(spans, monkeypatch):
    spans.add()
    spans.ingest()
    spans.add(("Training", SMITH))
    monkeypatch.setenv(SALT_VARIABLE, "another salt")
    assert spans.ingest()[1].unlinked == 0
    spans.add()
    monkeypatch.setenv(SALT_VARIABLE, "a third salt")
    assert spans.ingest()[1].unlinked == 0


def test_an_image_that_is_still_there_says_whose_the_others_were(spans, monkeypatch):
    spans.add(("Testing", SMITH), ("Testing", SMITH))
    spans.ingest()
    first = spans.root / "span-001" / "Testing" / "glioma"
    spans.add(("Training", SMITH))
    again = spans.root / "span-002" / "Testing" / "glioma" / "patient-again.dcm"
    again.write_bytes((first / "patient-1.dcm").read_bytes())
    monkeypatch.setenv(SALT_VARIABLE, "another salt")
    sides, report = spans.ingest()
    assert (sides, report.unlinked) == (["test", "excluded"], 0)
    # And it is remembered without it.
    spans.add(("Training", SMITH))
    assert spans.ingest()[0] == ["excluded"]


def test_ids_that_were_not_read_before_are_not_known_now(spans):
    spans.add(("Testing", SMITH))
    spans.ingest(dicom={"patient_ids": "ignore"})
    spans.add(("Training", SMITH))
    with pytest.raises(PipelineError, match=r"The patients of 1 image.*patient_ids=ignore"):
        spans.ingest()
    assert spans.ingest(dicom={"patient_ids": "ignore"})[0][0] != "excluded"


def test_a_picture_of_two_patients_links_both_for_good(spans):
    spans.add(("Testing", SMITH))
    spans.ingest()
    [tested] = spans.root.glob("span-001/Testing/glioma/*.dcm")
    pixels = head(1 + 16)  # what the first span drew for the patient
    spans.add()
    jones = dicom_file(pixels, PatientID="1")
    assert jones != tested.read_bytes()
    (spans.root / "span-002" / "Testing" / "glioma" / "jones.dcm").write_bytes(jones)
    spans.ingest()
    spans.add(("Training", SMITH), ("Training", {"PatientID": "1"}))
    assert spans.ingest()[0] == ["excluded", "excluded"]


def test_a_picture_that_two_patients_share_in_one_span_links_both_for_good(spans):
    jones = dicom_file(head(1 + 16), PatientID="1")  # the pixels that the span draws for Smith
    spans.add(("Testing", SMITH))
    (spans.root / "span-001" / "Testing" / "glioma" / "the other.dcm").write_bytes(jones)
    spans.ingest()
    spans.add()
    (spans.root / "span-002" / "Testing" / "glioma" / "again.dcm").write_bytes(jones)
    spans.ingest()
    spans.add(("Training", SMITH), ("Training", {"PatientID": "1"}))
    assert spans.ingest()[0] == ["excluded", "excluded"]


def test_ids_that_are_no_longer_read_would_unlink_those_that_were(spans):
    spans.add(("Testing", SMITH))
    spans.ingest()
    spans.add(("Training", SMITH))
    ignored = {"dicom": {"patient_ids": "ignore"}}
    with pytest.raises(PipelineError, match=r"The patients of 1 image.*patient_ids=ignore"):
        spans.ingest(**ignored)
    assert spans.ingest(**ignored, unlinked_history="accept")[1].unlinked == 1


def test_slices_of_one_volume_stay_together_whichever_a_run_reads(spans):
    volume = np.random.default_rng(0).normal(500, 100, (40, 48, 20)).astype(np.float32)
    content = nibabel.Nifti1Image(volume, np.eye(4)).to_bytes()
    middle = {"slices": 1, "first": 0.5, "last": 0.5}
    for number, split, slices in ((1, "Testing", middle), (2, "Training", {"slices": 2})):
        spans.add()
        folder = spans.root / f"span-{number:03}" / split / "glioma"
        (folder / "volume.nii").write_bytes(content)
        sides, _ = spans.ingest(nifti=slices)
    assert sides == ["excluded"] * 2


def test_images_without_a_usable_id_are_counted(spans):
    spans.add(("Training", {"PatientID": "ANON"}), ("Training", {}), ("Training", SMITH))
    assert spans.ingest()[1].nameless == 2


def test_nothing_of_the_salt_is_written(spans, tmp_path):
    spans.add(("Testing", SMITH))
    spans.ingest()
    assert patient_salt() == b"one salt"
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.suffix != ".dcm":
            assert b"one salt" not in path.read_bytes()
            assert b"4711" not in path.read_bytes()
