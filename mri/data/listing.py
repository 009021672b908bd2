"""The folder of images that a command looks at, whatever is in it."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from components.errors import UsageError
from components.ingest.config import IngestConfig
from components.ingest.folder import ImageFolder, list_images
from components.ingest.labels import read_labels

Classes = Annotated[
    str | None, typer.Option(metavar="NAME,...", help="Class folders to read; default: all.")
]


def list_folder(
    folder: Path, classes: str | None, labels: Path | None
) -> tuple[ImageFolder, IngestConfig]:
    """Lists a folder.

    Args:
        folder: The folder.
        classes: Names of the class folders to read, with commas between them; None for all.
        labels: A table of labels, or None.

    Returns:
        The files of all spans, and the configuration that reads them.

    Raises:
        UsageError: The folder, the table or the names cannot be used.
    """
    if not os.path.isdir(folder):  # noqa: PTH112 - False, too, for what no disk could hold
        raise UsageError(f"There is no folder {folder}: name one that holds class folders.")
    given = None if classes is None else tuple(name.strip() for name in classes.split(","))
    listing = list_images(
        folder,
        window=sys.maxsize,
        labels=read_labels(labels, given),
        classes=given or IngestConfig().classes,
    )
    names = given or tuple(name for name in listing.classes if _is_class_name(name))
    try:
        return listing, IngestConfig(classes=names, split_policy="as_is")
    except ValidationError as error:
        raise UsageError(
            f"{len(names)} class names ({', '.join(names)!r}) cannot be used: give at least two "
            "different ones, as in --classes glioma,notumor."
        ) from error


def _is_class_name(name: str) -> bool:
    """Whether a class can have this folder's name: visible, and text in UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return bool(name.strip())
