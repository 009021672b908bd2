"""What can be chosen about reading files."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DicomConfig(_Strict):
    """How DICOM files become images.

    Attributes:
        modalities: The modalities (0008,0060) whose images are examinations; files of any other
            are rejected.
        frames: Which frames of a multi-frame file are taken: `all`, or the `middle` one.
        patient_ids: Whether they `link` images, so that a patient's images stand on one side; or
            `ignore` them if one id was used for many patients.
    """

    modalities: tuple[str, ...] = Field(("MR",), min_length=1)
    frames: Literal["all", "middle"] = "all"
    patient_ids: Literal["link", "ignore"] = "link"


class NiftiConfig(_Strict):
    """How NIfTI volumes become images.

    Attributes:
        plane: The plane of the slices, after the volume is turned to the closest canonical
            orientation (right, anterior, superior).
        slices: How many slices are taken, evenly spread between `first` and `last`.
        first: Where the first slice lies, as a share of the volume's extent, 0 to 1.
        last: Where the last slice lies.
    """

    plane: Literal["axial", "coronal", "sagittal"] = "axial"
    slices: int = Field(5, ge=1, le=1000)
    first: float = Field(0.35, ge=0, le=1)
    last: float = Field(0.65, ge=0, le=1)


class ReadConfig(_Strict):
    """What is taken of a file, and how large it may be.

    Attributes:
        dicom: How DICOM files are read.
        nifti: How NIfTI files are read.
        outside: What becomes of all that lies outside the head, such as names, dates and scales
            that are burnt into a picture: `black`, or `keep`, which rejects DICOM files that say
            of themselves that text is burnt into them.
        max_pixels: Images with more pixels than this are rejected before they are decoded.
        max_file_bytes: Files larger than this are rejected before they are read.
    """

    dicom: DicomConfig = DicomConfig()
    nifti: NiftiConfig = NiftiConfig()
    outside: Literal["black", "keep"] = "black"
    max_pixels: int = Field(50_000_000, gt=0)
    max_file_bytes: int = Field(100_000_000, gt=0)


ONE_PICTURE = ReadConfig(
    dicom=DicomConfig(frames="middle"), nifti=NiftiConfig(slices=1, first=0.5, last=0.5)
)
"""For those who want one picture a file: the middle frame or slice."""

MOST_FRAMES = 1000
"""Of one file that are judged at once; the longest examinations of a head have some hundreds."""

EVERY_PICTURE = ReadConfig(nifti=NiftiConfig(slices=MOST_FRAMES, first=0, last=1))
"""For those who want all, up to `MOST_FRAMES`."""
