"""`mri data`: make, fetch and inspect folders of images."""

import typer

from mri.lazy import LazyGroup


class DataCommands(LazyGroup):
    """Where images come from, and what is in them."""

    package = __name__
    table = {
        "sample": "Make a folder of [bold]synthetic[/] brain MRI images with painted tumours.",
        "inspect": "Report what a folder of images holds, and whether figures measured on it can "
        "be trusted.",
        "audit": "Rank the labels of a folder by how probably they are wrong.",
        "fetch": "Fetch the 7,023 public images from Kaggle; an interrupted download is resumed.",
    }


app = typer.Typer(
    cls=DataCommands,
    add_completion=False,
    no_args_is_help=True,
    help="Make, fetch, inspect and audit folders of images.",
)
