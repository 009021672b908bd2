"""`mri data fetch`: the public images from Kaggle."""

from pathlib import Path

from rich.console import Console
from rich.text import Text

from components.errors import PipelineError
from samples.kaggle import EXPECTED, PAGE, FetchError, fetch


def fetch_images(out: Path) -> None:
    """Fetches the images and says where they are.

    Args:
        out: The folder to make.

    Raises:
        PipelineError: They could not be fetched or are not the right ones; `out` holds something
            else or cannot be written.
    """
    try:
        fetched = fetch(out.absolute())
    except FetchError as error:
        raise PipelineError(str(error)) from error
    total = sum(sum(labels.values()) for labels in EXPECTED.values())
    console = Console(highlight=False, emoji=False)
    for line in (
        f"{total:,} images in {out}, {'fetched' if fetched else 'there already'}, counted and "
        "checked.",
        f"Source, licence and citation: {PAGE} and docs/fetch.md",
        f"Try: mri data inspect {out}, then mri run --data {out}",
    ):
        console.print(Text(line), soft_wrap=True)
