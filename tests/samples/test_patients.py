"""Synthetic patients as DICOM: whole series with one head in them."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest

from samples.synthetic import SampleError, write_patients

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("patients") / "out"
    assert write_patients(out, patients=2, slices=8, side=64)
    return out


def _series(folder: Path, name: str) -> list[pydicom.Dataset]:
    return [pydicom.dcmread(one) for one in sorted((folder / name).iterdir())]


def test_a_study_is_a_localizer_and_two_series_of_one_patient(folder):
    files = [pydicom.dcmread(one) for one in sorted(folder.rglob("patient-001/*/*.dcm"))]
    assert len(files) == 3 + 8 + 8
    assert len({one.SOPInstanceUID for one in files}) == 19
    assert len({one.SeriesInstanceUID for one in files}) == 3
    for keyword in ("StudyInstanceUID", "PatientID", "FrameOfReferenceUID"):
        assert len({one[keyword].value for one in files}) == 1
    other = pydicom.dcmread(next(folder.rglob("patient-002/*/*.dcm")))
    assert other.PatientID != files[0].PatientID
    assert [one.ImageType[-1] for one in files].count("LOCALIZER") == 3


def test_slices_lie_one_behind_the_other_along_their_normal(folder):
    series = _series(folder, "patient-001/2-t1-contrast")
    across, down = np.array(series[0].ImageOrientationPatient, float).reshape(2, 3)
    assert across @ down == pytest.approx(0, abs=1e-6)
    normal = np.cross(across, down)
    assert normal[2] > 0.9  # axial, from below to above
    places = np.array([one.ImagePositionPatient for one in series], float)
    gap = float(series[0].SpacingBetweenSlices)
    assert np.diff(places, axis=0) == pytest.approx(np.tile(gap * normal, (7, 1)), abs=1e-3)


def test_both_sequences_show_the_same_lesion_in_several_slices(folder):
    """patient-001 has a glioma: its bright rim is at the same places whatever the contrast."""
    bright = [
        np.stack([one.pixel_array for one in _series(folder, f"patient-001/{name}")])
        for name in ("2-t1-contrast", "3-t2")
    ]
    lesion = [stack > 0.8 * 2600 for stack in bright]
    common = lesion[0] & lesion[1]
    assert common.sum() > 20
    planes = np.flatnonzero(common.any((1, 2)))
    assert len(planes) >= 2
    assert np.diff(planes).max() == 1  # it hangs together


def test_the_same_arguments_give_the_same_files(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    for out in (one, other):
        assert write_patients(out, patients=1, slices=1, side=64)
    names = sorted(file.relative_to(one) for file in one.rglob("*.*"))
    assert len(names) == 3 + 1 + 1 + 1  # and sample.json
    assert all((one / name).read_bytes() == (other / name).read_bytes() for name in names)
    assert not write_patients(one, patients=1, slices=1, side=64)  # it is there


def test_what_is_something_else_is_left_alone(folder, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(SampleError, match="is not these synthetic patients"):
        write_patients(tmp_path, patients=1)
    with pytest.raises(SampleError, match="name another folder"):
        write_patients(folder, patients=2, slices=8, side=64, seed=1)
    assert (tmp_path / "mine.txt").read_text() == "mine"


@pytest.mark.skipif(not shutil.which("dciodvfy"), reason="dicom3tools is not installed")
def test_each_kind_of_file_is_valid(folder):
    for name in ("1-localizer", "2-t1-contrast", "3-t2"):
        file = folder / "patient-001" / name / "0001.dcm"
        done = subprocess.run(["dciodvfy", file], capture_output=True, text=True)
        assert "Error" not in done.stdout + done.stderr
