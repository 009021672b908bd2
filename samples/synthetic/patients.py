"""Writes synthetic patients as DICOM: a study each, of a localizer and two axial series.

The first axial series is a T1 with contrast, the second a T2. The files are MR Image Storage with
everything that PS3.3 A.4 demands, and nothing in them is anybody's.
"""

import json
import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.random import Generator, Philox
from pydantic import Field as Bounds
from pydantic import validate_call
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

from imaging.dicom.uids import derived_uid
from samples.synthetic.anatomy import load_template
from samples.synthetic.errors import SampleError, TakenError
from samples.synthetic.head import SELLA, Contrast
from samples.synthetic.labels import CLASSES
from samples.synthetic.rendering import CONTRASTS
from samples.synthetic.sample import MANIFEST
from samples.synthetic.volume import Geometry, Patient, Vector, rotation, vary

PATIENTS_VERSION = 1
"""Raised whenever the same seed would give other patients."""
_NAMES = ("Sample^Ada", "Müller^Jörg", "Ångström^Åsa", "Núñez^Íñigo")
_FULL = 2600
"""The stored value of what is 1.0 bright."""
_SOFTWARE = "brain-mri-pipeline"

Progress = Callable[[int, int], None]
"""Called with how many slices are written and how many there will be."""


@dataclass(frozen=True)
class _Parameters:
    patients: int
    seed: int
    slices: int
    side: int

    def manifest(self) -> dict[str, object]:
        return {
            "kind": "synthetic patients",
            "notice": "Computer-generated heads (see docs/sample-data.md), not patients.",
            "generator_version": PATIENTS_VERSION,
            "parameters": asdict(self),
            "classes": {_name(i): CLASSES[i % len(CLASSES)] for i in range(self.patients)},
        }


@dataclass(frozen=True)
class _Series:
    """How a series is taken, in the words of DICOM."""

    number: int
    folder: str
    description: str
    contrast: Contrast
    geometry: tuple[Geometry, ...]
    image_type: tuple[str, ...]
    sequence: str
    echo: float
    repetition: float
    agent: str | None = None


@validate_call
def write_patients(
    out: Path,
    *,
    patients: Annotated[int, Bounds(strict=True, ge=1, le=1000)],
    seed: Annotated[int, Bounds(strict=True, ge=0)] = 0,
    slices: Annotated[int, Bounds(strict=True, ge=1, le=200)] = 24,
    side: Annotated[int, Bounds(strict=True, ge=64, le=1024)] = 256,
    progress: Progress | None = None,
) -> bool:
    """Writes synthetic patients, or keeps those that are there if they are the same.

    They are written into a temporary folder beside `out`, which is renamed: `out` is whole or not
    there. The classes take turns; `sample.json` says whose is which.

    Args:
        out: The folder to make. It may be missing, empty, or of the same parameters.
        patients: How many.
        seed: The same seed gives the same files.
        slices: Of each axial series.
        side: Pixels along each side of a slice.
        progress: Called after each slice with (written, total).

    Returns:
        Whether anything was made.

    Raises:
        ValueError: An argument is of the wrong type or outside its range.
        SampleError: `out` holds something else or cannot be written, or the MNI152 template is not
            installed.
    """
    parameters = _Parameters(patients, seed, slices, side)
    out = out.absolute()
    if _is_there(out, parameters):
        return False
    load_template()  # fail before anything is written
    total = patients * (3 + 2 * slices)
    draft = out.with_name(f".{out.name}.{secrets.token_hex(4)}")
    try:
        done = 0
        for index in range(patients):
            for name, dataset in _study(parameters, index):
                file = draft / name
                file.parent.mkdir(parents=True, exist_ok=True)
                dataset.save_as(file, enforce_file_format=True)
                done += 1
                if progress:
                    progress(done, total)
        text = json.dumps(parameters.manifest(), indent=2) + "\n"
        (draft / MANIFEST).write_text(text, encoding="utf-8")
        draft.replace(out)
    except OSError as error:
        raise SampleError(
            f"The patients could not be written to {error.filename or out} ({error.strerror}): "
            "make room or name a folder that you may write to; nothing unfinished was left behind."
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return True


def _is_there(out: Path, parameters: _Parameters) -> bool:
    try:
        if not out.exists() or (out.is_dir() and not any(out.iterdir())):
            return False
        found = json.loads((out / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    if found == parameters.manifest():
        return True
    raise TakenError(out, "is there already and is not these synthetic patients")


def _name(index: int) -> str:
    return f"patient-{index + 1:03d}"


def _study(parameters: _Parameters, index: int) -> Iterator[tuple[str, Dataset]]:
    label = CLASSES[index % len(CLASSES)]
    patient = Patient(label, parameters.seed, index)
    common = _of_study(parameters, index)
    for series in _series_of(patient, parameters, index):
        uid = derived_uid("series", common.StudyInstanceUID, str(series.number))
        number = 0
        for part, geometry in enumerate(series.geometry):
            noise = 10 * series.number + part
            for at, image in enumerate(patient.slices(geometry, series.contrast, noise)):
                number += 1
                dataset = _instance(common, series, geometry, at, image)
                dataset.SeriesInstanceUID = uid
                dataset.InstanceNumber = number
                dataset.SOPInstanceUID = derived_uid("instance", uid, str(number))
                dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
                yield f"{_name(index)}/{series.folder}/{number:04d}.dcm", dataset


def _series_of(patient: Patient, parameters: _Parameters, index: int) -> list[_Series]:
    rng = Generator(Philox(np.random.SeedSequence(parameters.seed, spawn_key=(72, index))))
    by_name = {one.name: vary(one, rng) for one in CONTRASTS}
    turn = rotation(0, patient.tilt[0]) @ rotation(1, patient.tilt[1])
    left, back, up = turn.T
    pitch = 240 / parameters.side
    thick = 144 / parameters.slices

    def axial() -> Geometry:
        return Geometry.around(
            np.array((0.0, 14.0, 12.0)),
            left,
            back,
            side=parameters.side,
            pitch=pitch,
            slices=parameters.slices,
            gap=thick,
        )

    def view(across: Vector, down: Vector) -> Geometry:
        centre = np.array((-SELLA[0], 8.0, -8.0))
        return Geometry.around(
            centre, across, down, side=parameters.side, pitch=pitch * 1.1, slices=1, gap=10.0
        )

    planes = (view(left, back), view(left, -up), view(back, -up))
    t1c = by_name["t1c"]
    kind = ("ORIGINAL", "PRIMARY")
    return [
        _Series(1, "1-localizer", "Localizer", by_name["t2"], planes, (*kind, "LOCALIZER"), "GR",
                4.0, 20.0),
        _Series(2, "2-t1-contrast", "T1 axial post contrast", t1c, (axial(),), (*kind, "M"), "SE",
                12.0, 550.0, agent="Synthetic agent"),
        _Series(3, "3-t2", "T2 axial", by_name["t2"], (axial(),), (*kind, "M"), "SE",
                98.0, 4500.0),
    ]  # fmt: skip


def _of_study(parameters: _Parameters, index: int) -> Dataset:
    """What all images of a patient share."""
    study = derived_uid("synthetic study", json.dumps(asdict(parameters)), str(index))
    born = date(1950, 1, 1) + timedelta(days=(parameters.seed * 97 + index * 1511) % 18_000)
    taken = date(2024, 1, 1) + timedelta(days=index % 360)
    common = Dataset()
    common.SpecificCharacterSet = "ISO_IR 192"
    common.PatientName = _NAMES[index % len(_NAMES)]
    common.PatientID = f"SYN{parameters.seed:04d}{index + 1:04d}"
    common.PatientBirthDate = born.strftime("%Y%m%d")
    common.PatientSex = "O"
    common.StudyInstanceUID = study
    common.StudyDate = common.SeriesDate = common.ContentDate = taken.strftime("%Y%m%d")
    common.StudyTime = common.SeriesTime = common.ContentTime = "120000"
    common.StudyID = str(index + 1)
    common.AccessionNumber = f"A{parameters.seed:04d}{index + 1:04d}"
    common.StudyDescription = "Synthetic brain MRI, no patient"
    common.ReferringPhysicianName = ""
    common.FrameOfReferenceUID = derived_uid("frame of reference", study)
    common.PositionReferenceIndicator = ""
    common.Modality = "MR"
    common.Manufacturer = _SOFTWARE
    common.ManufacturerModelName = "synthetic"
    common.SoftwareVersions = str(PATIENTS_VERSION)
    common.PatientPosition = "HFS"
    common.BodyPartExamined = "BRAIN"
    common.MagneticFieldStrength = "1.5"
    return common


def _instance(
    common: Dataset, series: _Series, geometry: Geometry, at: int, image: np.ndarray
) -> Dataset:
    dataset = Dataset()
    dataset.update(common)
    dataset.SOPClassUID = MRImageStorage
    dataset.SeriesNumber = series.number
    dataset.SeriesDescription = series.description
    dataset.ProtocolName = series.description
    dataset.ImageType = [*series.image_type]
    dataset.AcquisitionNumber = 1
    dataset.ScanningSequence = series.sequence
    dataset.SequenceVariant = "NONE"
    dataset.ScanOptions = ""
    dataset.MRAcquisitionType = "2D"
    dataset.RepetitionTime = str(series.repetition)
    dataset.EchoTime = str(series.echo)
    dataset.EchoTrainLength = 1
    if series.agent:
        dataset.ContrastBolusAgent = series.agent
    dataset.ImagePositionPatient = [f"{one:.5f}" for one in geometry.position(at)]
    cosines = (*geometry.across, *geometry.down)
    dataset.ImageOrientationPatient = [f"{one:.8f}" for one in cosines]
    dataset.PixelSpacing = [f"{geometry.pitch:.6f}"] * 2
    dataset.SliceThickness = dataset.SpacingBetweenSlices = f"{geometry.gap:.4f}"
    pixels = np.clip(np.rint(image * _FULL), 0, 4095).astype("<u2")
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    dataset.WindowCenter, dataset.WindowWidth = str(_FULL // 2), str(_FULL)
    dataset.PixelData = pixels.tobytes()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = MRImageStorage
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.ImplementationClassUID = derived_uid("implementation", _SOFTWARE)
    dataset.file_meta.ImplementationVersionName = "BRAIN_MRI"
    return dataset
