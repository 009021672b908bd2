"""`mri data`: make, fetch and look at image folders."""

import typer

from mri.lazy import LazyGroup


class DataCommands(LazyGroup):
    """Where images come from, and what is in them."""

    package = __name__
    table = {
        "sample": "Make a folder of [bold]synthetic[/] brain MRI images with planted tumours.",
        "inspect": "Say what is in a folder of images, and whether figures measured on it can be "
        "trusted.",
        "fetch": "Fetch the 7,023 public images from Kaggle; a download that was cut goes on.",
    }


app = typer.Typer(
    cls=DataCommands,
    add_completion=False,
    no_args_is_help=True,
    help="Make, fetch and inspect folders of images.",
)
