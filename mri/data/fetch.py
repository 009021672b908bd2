"""`mri data fetch`: the public images from Kaggle."""

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from components.errors import PipelineError, UsageError, path_error
from mri.terminal import PlainConsole
from samples.kaggle import EXPECTED, PAGE, FetchError, FolderTakenError, fetch

app = typer.Typer(add_completion=False)


@app.command("fetch", epilog="Example:\n\n  mri data fetch data/brain-tumor-mri")
def fetch_images(
    out: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder to make.")] = Path(
        "data/brain-tumor-mri"
    ),
) -> None:
    """Fetch the 7,023 public images from Kaggle; an interrupted download is resumed."""
    console = PlainConsole()
    total = sum(sum(labels.values()) for labels in EXPECTED.values())
    try:
        fetched = fetch(out.absolute())
    except FolderTakenError as error:
        raise UsageError(str(error)) from error
    except FetchError as error:
        cause = error.__cause__
        kind = path_error(cause) if isinstance(cause, OSError) else PipelineError
        raise kind(str(error)) from error
    for line in (
        f"{total:,} images in {out}, {'fetched' if fetched else 'there already'}, counted and "
        "checked.",
        f"Source, licence and citation: {PAGE} and docs/fetch.md",
        f"Try: mri data inspect {out}, then mri run --data {out}",
    ):
        console.print(Text(line), soft_wrap=True)
