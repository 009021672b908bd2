"""`mri data fetch`: the public images from Kaggle, with a progress bar."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn
from rich.progress import Progress as Bars
from rich.text import Text

from mri.options import spread
from pipeline.datasets.kaggle import EXPECTED, PAGE, Progress, fetch

app = typer.Typer(add_completion=False)


@app.command("fetch", epilog="Example:\n\n  mri data fetch data/brain-tumor-mri")
@spread
def fetch_images(
    console: Console,
    out: Annotated[Path, typer.Argument(help="Folder to make.")] = Path("data/brain-tumor-mri"),
) -> None:
    """Fetch the 7,023 public images from Kaggle; a download that was cut goes on."""
    total = sum(sum(labels.values()) for labels in EXPECTED.values())
    with _bar(console) as report:
        fetched = fetch(out.absolute(), report)
    for line in (
        f"{total:,} images in {out}, {'fetched' if fetched else 'there already'}, counted and "
        "checked.",
        f"Source, licence and citation: {PAGE} and docs/fetch.md",
        f"Try: mri data inspect {out}, then mri run --data {out}",
    ):
        console.print(Text(line), soft_wrap=True)


@contextmanager
def _bar(console: Console) -> Iterator[Progress]:
    """Shows what is being done; nothing where the output is no terminal."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn())
    amount = TextColumn("{task.fields[amount]}")
    hidden = not console.is_terminal
    with Bars(*columns, amount, console=console, transient=True, disable=hidden) as bars:
        task = bars.add_task("", total=None, amount="")

        def show(step: str, done: int, total: int | None) -> None:
            amount = ""
            if total:
                in_bytes = step == "downloading"
                amount = (
                    f"{done / 1e6:.1f} of {total / 1e6:.1f} MB"
                    if in_bytes
                    else f"{done:,} of {total:,}"
                )
            bars.update(task, description=step, completed=done, total=total, amount=amount)

        yield show
