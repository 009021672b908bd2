"""Every number that the documentation quotes, as a command that prints it."""

import os
import random
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # for TensorFlow, which is imported later


def default_data() -> Path:
    """The folder of real MRI images: where MRI_TEST_DATA says, or beside the checkout."""
    beside = Path(__file__).parents[2] / "shared" / "data" / "brain-tumor-mri"
    return Path(os.environ.get("MRI_TEST_DATA") or beside)


def drawn(files: list[Path], limit: int | None) -> list[Path]:
    """Some of the files, the same every time: their first ones may be of one kind.

    Args:
        files: In any order that is always the same.
        limit: How many, at most; all if None.
    """
    count = len(files) if limit is None else min(limit, len(files))
    return sorted(random.Random(0).sample(files, count))
