"""What can be chosen about ingestion."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator

from components.strict_config import GivenPath, StrictConfig
from imaging.config import ReadConfig

SALT_VARIABLE = "MRI_PATIENT_SALT"
"""Environment variable with the secret that patient ids are hashed with."""
SALT_FILE_VARIABLE = "MRI_WORK_PATIENT_SALT"
"""Environment variable that a run sets for ingest: the file that holds it where there is no other.
"""
DATA_COPY_VARIABLE = "MRI_DATA_COPY"
"""Environment variable that a run sets for ingest: the folder that has what lies in a bucket."""


class DuplicatesConfig(StrictConfig):
    """When two images count as the same picture.

    Attributes:
        threshold: Lowest correlation of two signatures, over flips and 90-degree rotations, at
            which their images are near duplicates.
        exact_up_to: Up to this many images every pair is compared; beyond it, an approximate
            nearest-neighbour index proposes the pairs that are compared.
        max_group_share: A group that holds a larger share of all images than this was chained
            together by lookalikes and is taken apart at higher thresholds.
    """

    threshold: float = Field(0.9, gt=0.5, lt=1)
    exact_up_to: int = Field(50_000, ge=0)
    max_group_share: float = Field(0.05, gt=0, le=1)


class IngestConfig(ReadConfig):
    """How a folder of images becomes splits.

    Attributes:
        classes: The class folders that are read; files in any other are rejected. An image's class
            is its label's index in the sorted names.
        labels: A table, CSV with the columns `path`, `patient` or `study`, and `label`, and perhaps
            `split`, that says what files show instead of class folders.
        split_policy: `leak_free` keeps the test folder and sets aside training images that match a
            test image; `group` splits all images again, by group; `as_is` keeps every image in the
            split of its folder and only reports leaks.
        split_file: A `splits.csv` of an earlier run, edited or not, that decides instead.
        eval_share: Share of the training images that becomes the `eval` split, drawn by class, if
            the folder has no such split.
        test_share: Share of all images that becomes the `test` split, if the split is drawn.
        unlinked_history: What to do if the patients of images from earlier runs cannot be matched
            with those of new ones, because their ids were hashed with another salt: `refuse`, or
            `accept` and report how many images this concerns.
        span: Which `span-NNN` folder is the newest to read; None is the newest there is.
        window: How many spans are read, up to the newest.
        duplicates: When two images count as the same picture.
        dicom: How DICOM files are read.
        nifti: How NIfTI files are read.
        outside: What happens to everything outside the head, such as names, dates and scales that
            are burnt into a picture: `black`, or `keep`, which rejects DICOM files that declare
            burnt-in text.
        max_pixels: Images with more pixels than this are rejected before they are decoded.
        max_file_bytes: Files larger than this are rejected before they are read.
    """

    classes: tuple[str, ...] = Field(("glioma", "meningioma", "notumor", "pituitary"), min_length=2)
    labels: Annotated[GivenPath, AfterValidator(Path.absolute)] | None = None
    split_policy: Literal["leak_free", "group", "as_is"] = "leak_free"
    split_file: Annotated[GivenPath, AfterValidator(Path.absolute)] | None = None
    eval_share: float = Field(0.1, gt=0, lt=0.5)
    test_share: float = Field(0.2, gt=0, lt=0.5)
    unlinked_history: Literal["refuse", "accept"] = "refuse"
    span: int | None = Field(None, ge=0)
    window: int = Field(1, ge=1)
    duplicates: DuplicatesConfig = DuplicatesConfig()

    @field_validator("classes")
    @classmethod
    def _sorted(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(classes)) < len(classes) or not all(name.strip() for name in classes):
            raise ValueError("class names must be different and not empty")
        return tuple(sorted(classes))


def deciding_settings(config: str) -> str:
    """What of a configuration decides: not where files lie, of which there are digests.

    Args:
        config: JSON of an `IngestConfig`.

    Returns:
        JSON of the rest. The spans are not in it either, as what they hold has a digest.
    """
    return IngestConfig.model_validate_json(config).model_dump_json(
        exclude={"labels", "split_file", "span", "window"}
    )


def settings_digest(properties: Mapping[str, str]) -> str:
    """Of all that an ingestion depends on but the data folder and what is remembered.

    Args:
        properties: Ingest's execution properties.

    Returns:
        A hexadecimal sha256.
    """
    settings = [properties.get(name, "") for name in ("split_file", "labels", "code")]
    settings.append(deciding_settings(properties["config"]))
    return hashlib.sha256(json.dumps(settings).encode()).hexdigest()
