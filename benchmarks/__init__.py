"""Every number that the documentation quotes, as a command that prints it."""

import argparse
import os
import random
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # for TensorFlow, which is imported later


FETCHED = Path("data/brain-tumor-mri")
"""Where the README has `mri data fetch` put the public images."""


def add_data(parser: argparse.ArgumentParser) -> None:
    """Adds `--data`, the folder of real MRI images that a benchmark reads.

    Args:
        parser: The benchmark's; where the flag, the variable MRI_TEST_DATA and the README's command
            name no folder that is there, it ends with a sentence that says so.
    """
    parser.add_argument(
        "--data",
        type=_folder,
        default=os.environ.get("MRI_TEST_DATA") or (str(FETCHED) if FETCHED.is_dir() else ""),
        help=f"folder of the public images; default: MRI_TEST_DATA, or {FETCHED}",
    )


def _folder(name: str) -> Path:
    if not name:
        raise argparse.ArgumentTypeError(
            "name a folder of MRI images, set MRI_TEST_DATA to one, or fetch the public ones: "
            f"bin/mri data fetch {FETCHED}"
        )
    if not Path(name).is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {name}")
    return Path(name)


def drawn(files: list[Path], limit: int | None) -> list[Path]:
    """Some of the files, the same every time: their first ones may be of one kind.

    Args:
        files: In any order that is always the same.
        limit: How many, at most; all if None.
    """
    count = len(files) if limit is None else min(limit, len(files))
    return sorted(random.Random(0).sample(files, count))
