"""Hospital formats, a fifth class and PostgreSQL's metadata: from files to a pushed model."""

import importlib.util
import json
import subprocess
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import postgres
import pytest
from dicom_files import file as dicom_file
from dicom_files import head
from drawing import draw, encode
from pydicom.data import get_testdata_file
from toy_run import RESOLVERS, assert_whole, mri, node_states, run, store

CLASSES = ["glioma", "meningioma", "metastasis", "notumor", "pituitary"]
_FIVE = ("--set", f"ingest.classes=[{', '.join(CLASSES)}]")


def _fill(root, label, files):
    folder = root / label
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


@pytest.fixture(scope="module")
def volume(tmp_path_factory):
    """The MNI152 template of nilearn's wheel, every fourth voxel, its levels changed by place."""
    # Not imported: nilearn.datasets could fetch, and another test makes sure that nothing does.
    [folder] = importlib.util.find_spec("nilearn").submodule_search_locations
    [file] = Path(folder, "datasets", "data").glob("mni_icbm152_t1*.nii.gz")
    template = nibabel.load(file).slicer[::4, ::4, ::4]
    values = np.asarray(template.dataobj)

    folder = tmp_path_factory.mktemp("volumes")

    def make(seed):
        random = np.random.default_rng(seed)
        blocks = random.uniform(0.3, 1.7, [extent // 4 + 1 for extent in values.shape])
        rough = np.kron(blocks, np.ones((4, 4, 4)))
        changed = values * rough[tuple(slice(extent) for extent in values.shape)]
        path = folder / f"{seed}.nii.gz"
        nibabel.save(nibabel.Nifti1Image(changed.astype(np.float32), template.affine), path)
        return path.read_bytes()

    return make


@dataclass(frozen=True)
class Ended:
    """A run that has ended.

    Attributes:
        data: Its images.
        work: Its work folder.
        url: Its metadata's PostgreSQL server, or None where none is installed.
        result: How it ended.
    """

    data: Path
    work: Path
    url: str | None
    result: subprocess.CompletedProcess[str]

    @property
    def pushed(self) -> Path:
        [version] = (self.work / "serving" / "brain_mri").iterdir()
        return version


@pytest.fixture(scope="module")
def ended(tmp_path_factory, volume) -> Iterator[Ended]:
    """A run on DICOM, NIfTI and PNG files of five classes, its metadata in PostgreSQL."""
    root = tmp_path_factory.mktemp("formats")
    data, work = root / "data", root / "work"
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
    for place, label in enumerate(("meningioma", "metastasis", "pituitary")):
        seeds = range(100 * place, 100 * place + 20)
        _fill(data, label, {f"{seed}.png": encode(draw(seed)) for seed in seeds})
    binaries = postgres.find_binaries()
    with postgres.server(binaries) if binaries else nullcontext() as url:
        result = run(data, work, *_FIVE, *(("--metadata", url) if url else ()))
        yield Ended(data, work, url, result)


def test_dicom_and_nifti_reach_a_pushed_model(ended):
    assert ended.result.returncode == 0, ended.result.stdout + ended.result.stderr
    assert (ended.pushed / "saved_model.pb").exists()
    # No name and no number of a patient, in any file of the run.
    for path in ended.work.rglob("*"):
        if path.is_file() and path.suffix != ".gz":
            assert b"XQZMARKER" not in path.read_bytes(), path
    metadata = store(ended.work, ended.url)
    for known in (*metadata.get_artifacts(), *metadata.get_executions()):
        assert "XQZMARKER" not in str(known)

    # What is the same slice, the same patient or the same volume is one group.
    [splits] = ended.work.glob("artifacts/Ingest/splits/*/splits.csv")
    rows = [line.split(",") for line in splits.read_text().splitlines()[1:]]
    for name, images in (("glioma/MR_small", 3), ("glioma/frames", 3), ("notumor/3.nii", 5)):
        groups = [row[4] for row in rows if row[0].startswith(name)]
        assert len(groups) == images
        assert len(set(groups)) == 1


def test_a_fifth_class_takes_one_setting(ended):
    metadata = json.loads((ended.pushed / "assets.extra" / "metadata.json").read_text())
    assert metadata["classes"] == CLASSES
    image = ended.data / "metastasis" / "110.png"
    answer = mri("predict", "--json", "--work", str(ended.work), str(image))
    assert answer.returncode == 0, answer.stderr


def test_a_run_and_its_repetition_on_postgresql(ended):
    if ended.url is None:
        pytest.skip("no PostgreSQL server (initdb) on this machine")
    assert set(node_states(ended.result.stdout).values()) == {"done"}
    assert not (ended.work / "metadata.sqlite").exists()
    assert_whole(store(ended.work, ended.url))

    result = run(ended.data, ended.work, *_FIVE, MRI_METADATA=ended.url)
    assert result.returncode == 0, result.stdout + result.stderr
    states = node_states(result.stdout)
    assert {states[name] for name in states if name not in RESOLVERS} == {"cached"}
    assert "mlmd:unused" not in result.stdout
    for file in ended.work.rglob("*"):
        if file.is_file():
            assert b"mlmd:unused" not in file.read_bytes(), f"{file} holds the password"
