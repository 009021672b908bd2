"""Hospital formats and other classes, from files to a pushed model."""

import importlib.util
import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
from dicom_files import file as dicom_file
from dicom_files import head
from drawing import draw, encode
from pydicom.data import get_testdata_file
from toy_run import mri, run


def _pushed(work):
    [version] = (work / "serving" / "brain_mri").iterdir()
    return version


def _fill(root, label, files):
    folder = root / label
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


@pytest.fixture
def volume(tmp_path):
    """The MNI152 template of nilearn's wheel, every fourth voxel, its levels changed by place."""
    # Not imported: nilearn.datasets could fetch, and another test makes sure that nothing does.
    [folder] = importlib.util.find_spec("nilearn").submodule_search_locations
    [file] = Path(folder, "datasets", "data").glob("mni_icbm152_t1*.nii.gz")
    template = nibabel.load(file).slicer[::4, ::4, ::4]
    values = np.asarray(template.dataobj)

    def make(seed):
        random = np.random.default_rng(seed)
        blocks = random.uniform(0.3, 1.7, [extent // 4 + 1 for extent in values.shape])
        rough = np.kron(blocks, np.ones((4, 4, 4)))
        changed = values * rough[tuple(slice(extent) for extent in values.shape)]
        path = tmp_path / f"{seed}.nii.gz"
        nibabel.save(nibabel.Nifti1Image(changed.astype(np.float32), template.affine), path)
        return path.read_bytes()

    return make


def test_dicom_and_nifti_reach_a_pushed_model(tmp_path, volume):
    data, work = tmp_path / "data", tmp_path / "work"
    names = ("MR_small.dcm", "MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "MR_truncated.dcm")
    shipped = {name: Path(get_testdata_file(name)).read_bytes() for name in names}
    made = {
        f"{seed}.dcm": dicom_file(
            head(seed), PatientID=f"XQZMARKER {seed}", PatientName="XQZMARKER^Name"
        )
        for seed in range(40)
    }
    made["frames.dcm"] = dicom_file(head(41, (3, 48, 40)), PatientID="XQZMARKER 41")
    _fill(data, "glioma", {**shipped, **made})
    _fill(data, "notumor", {f"{seed}.nii.gz": volume(seed) for seed in range(24)})
    result = run(data, work)
    assert result.returncode == 0, result.stdout + result.stderr
    assert (_pushed(work) / "saved_model.pb").exists()
    # No name and no number of a patient, in any file of the run.
    for path in work.rglob("*"):
        if path.is_file() and path.suffix != ".gz":
            assert b"XQZMARKER" not in path.read_bytes(), path

    # What is the same slice, the same patient or the same volume is one group.
    [splits] = work.glob("artifacts/Ingest/splits/*/splits.csv")
    rows = [line.split(",") for line in splits.read_text().splitlines()[1:]]
    for name, images in (("glioma/MR_small", 3), ("glioma/frames", 3), ("notumor/3.nii", 5)):
        groups = [row[4] for row in rows if row[0].startswith(name)]
        assert len(groups) == images
        assert len(set(groups)) == 1


def test_a_fifth_class_takes_one_setting(tmp_path):
    data, work = tmp_path / "data", tmp_path / "work"
    classes = ["glioma", "meningioma", "metastasis", "notumor", "pituitary"]
    seed = 0
    for label in classes:
        for _ in range(20):
            seed += 1
            _fill(data, label, {f"{seed}.png": encode(draw(seed))})
    result = run(data, work, "--set", f"ingest.classes=[{', '.join(classes)}]")
    assert result.returncode == 0, result.stdout + result.stderr
    metadata = json.loads((_pushed(work) / "assets.extra" / "metadata.json").read_text())
    assert metadata["classes"] == classes
    answer = mri("predict", "--json", "--work", str(work), str(data / "metastasis" / "41.png"))
    assert answer.returncode == 0, answer.stderr
