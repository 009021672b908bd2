"""`mri evaluate`: a model on images from elsewhere, beside its own test."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from components.counted import counted
from components.disclaimer import DISCLAIMER
from components.evaluate.report.figures import TITLES, Figure
from components.external.report import PAGE_FILE, ExternalReport
from mri.options import AsJson, Metadata, WorkFolder, spread
from mri.run_flags import Labels
from pipeline.metadata import open_records
from pipeline.paths import shorter
from pipeline.registry import find_model, read_models
from pipeline.tables import print_table
from pipeline.work import Work

app = typer.Typer(add_completion=False)


@app.command(
    epilog="Examples:\n\n  mri evaluate --data other-hospital\n\n"
    "  mri evaluate 1795450816 --data scans --labels labels.csv --json\n\n"
    "Exit codes: 0 evaluated, whatever the figures; 1 failed; 2 usage."
)
@spread
def evaluate(
    console: Console,
    data: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER",
            help="Folder with CLASS folders, in any layout that `mri run` reads; all its images "
            "count, whatever split they are in.",
        ),
    ],
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL",
            help="A run's id, the beginning of one, or a version; default: the newest model.",
        ),
    ] = None,
    work: WorkFolder = Path("work"),
    labels: Labels = None,
    metadata: Metadata = None,
    as_json: AsJson = False,
) -> None:
    """Evaluate a model on images from elsewhere, such as another hospital's."""
    folder = Work(work.absolute())
    store = open_records(metadata, folder)
    with folder.exclusively(), console.status("starting TensorFlow"):
        model = find_model(read_models(store), name)
        from pipeline.external import validate_model

        found, made = validate_model(store, folder, model, data, labels and labels.absolute())
    if as_json:
        console.file.write(found.model_dump_json(indent=2) + "\n")
        return
    _print(found, console)
    console.file.write(f"{shorter(made / PAGE_FILE)}\n")
    console.print(DISCLAIMER, style="dim")


def _print(found: ExternalReport, console: Console) -> None:
    def say(words: str, style: str = "") -> None:
        console.print(Text(words, style), soft_wrap=True)

    images = counted(found.images, "image")
    say(f"{found.source}: {images}, {found.figures.images:,} evaluated", "bold")
    if found.training_unknown:
        say(
            "It is not known which of them the model was trained on, because "
            f"{found.training_unknown}: the figures may flatter it.",
            "yellow",
        )
    elif found.set_aside:
        say(f"{found.set_aside:,} set aside: the model was trained on images that match them")
    for label, count in found.unknown_classes.items():
        files = counted(count, "file")
        say(f"the model does not know the class {label}: {files} left out", "yellow")
    for reason, count in found.rejected.items():
        say(f"rejected: {count:,} x {reason}")
    for words in found.figures.missing:
        say(words, "yellow")
    table = Table("", "here (95% interval)", "own test (95% interval)")
    for name, figure in found.figures.headline.items():
        table.add_row(TITLES[name], _words(figure), _words(found.own.get(name)))
    if found.figures.headline:
        print_table(console, table)
    if found.drifted:
        say(f"drift from the training images: {', '.join(found.drifted)}", "yellow")
    elif found.drift_missing:
        say(f"drift is not known: {found.drift_missing}")
    else:
        say("no drift from the training images")


def _words(figure: Figure | None) -> str:
    return "" if figure is None else figure.words.replace("95% interval ", "")
