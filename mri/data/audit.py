"""`mri data audit`: which labels of a folder are probably wrong, as a page and a table to edit."""

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from components.audit.table import demand_replaceable, table
from components.counted import counted
from components.disclaimer import DISCLAIMER
from components.pages.names import shown
from mri.data.listing import Classes, list_folder
from mri.data.page_files import demand_writable, telling, write_page
from mri.options import Beam, WorkFolder
from mri.run_flags import Labels, Preset, Settings
from mri.terminal import PlainConsole, libraries_to
from pipeline.config import load_config, parse_setting
from pipeline.engine_check import ready_options
from pipeline.tables import print_table
from pipeline.work import Work

if TYPE_CHECKING:
    from components.audit.audit import Audit

_ROWS = 10

app = typer.Typer(add_completion=False)


@app.command(
    "audit",
    epilog="Examples:\n\n  mri data audit --data brain-tumor-mri\n\n"
    "  mri data audit --data scans --labels labels.csv --preset best\n\n"
    "Exit codes: 0 done, whatever was found; 1 failed; 2 usage.",
)
def audit_labels(
    data: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER",
            help="Folder with Training/CLASS and Testing/CLASS, or CLASS folders alone; the images "
            "of all splits are audited together.",
        ),
    ],
    html: Annotated[
        Path | None,
        typer.Option(
            help="Page to write, with a table of the same name beside it; default: NAME-audit.html "
            "in the current folder."
        ),
    ] = None,
    classes: Classes = None,
    labels: Labels = None,
    preset: Preset = "sample",
    settings: Settings = None,
    work: WorkFolder = Path("work"),
    beam: Beam = "local",
) -> None:
    """Rank the labels of a folder by how probably they are wrong."""
    html = html or Path(f"{data.resolve().name or 'images'}-audit.html")
    with os.fdopen(os.dup(2), "w") as terminal, libraries_to() as console:
        listing, reading = list_folder(data, classes, labels)
        config = load_config(preset, [parse_setting(text) for text in settings or ()])
        options = ready_options(beam)
        demand_writable(html)
        demand_replaceable(html.with_suffix(".csv"))
        folder = Work(work.absolute())
        with folder.exclusively(), telling(PlainConsole(terminal)):
            from components.audit.audit import audit
            from components.audit.page import render
            from components.trainer.config import Recipe

            folder.lend_patient_salt()
            reading = config.ingest.model_copy(
                update={"classes": reading.classes, "labels": None, "split_file": None}
            )
            recipe = Recipe(
                model=config.model,
                train=config.train,
                transform=config.transform,
                classes=reading.classes,
            )
            with tempfile.TemporaryDirectory(prefix="audit-") as scratch:
                found = audit(listing, reading, recipe, options, Path(scratch), folder.cache)
            page = render(found, reading, html.with_suffix(".csv").name)
        write_page(html, table(found), page)
        _print(found, html, console)


def _print(found: "Audit", html: Path, console: Console) -> None:
    def line(*parts: str | tuple[str, str]) -> None:
        console.print(Text.assemble(*parts), soft_wrap=True)

    suspects = found.suspects
    line(
        (shown(found.survey.folder.name), "bold"),
        f"  {counted(len(found.files), 'file')}, {counted(len(suspects), 'suspicious label')}, "
        f"{found.conflicts:,} of them of pictures that have several",
    )
    if suspects:
        text = (Column(name, overflow="fold") for name in ("label", "perhaps", "reason", "file"))
        rows = Table(Column("row", justify="right"), *text, Column("score", justify="right"))
        for row, one in enumerate(suspects[:_ROWS], start=1):
            suggested = "" if one.suggested is None else found.classes[one.suggested]
            name = found.survey.records[one.index].name
            words = (found.classes[one.label], suggested, one.reason, name)
            rows.add_row(f"{row}", *(Text(shown(word)) for word in words), f"{one.score:.3f}")
        print_table(console, rows)
    line(("page   ", "bold"), str(html))
    line(("table  ", "bold"), str(html.with_suffix(".csv")))
    line((f"{DISCLAIMER} A suspicion is not proof.", "dim"))
