"""`mri data inspect`: what is in a folder of images, in the terminal, as JSON, and as a page."""

import json
import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from components.counted import counted
from components.disclaimer import DISCLAIMER
from components.ingest.evidence.table import Evidence
from components.ingest.inspection.findings import Findings
from components.ingest.inspection.numbers import table_of_names
from components.ingest.inspection.page import render
from components.ingest.inspection.shortcuts import Shortcuts
from components.ingest.inspection.verdicts import judge
from mri.data.listing import Classes, list_folder
from mri.data.page_files import demand_writable, telling, write_page
from mri.options import Beam
from mri.run_flags import Labels
from mri.terminal import PlainConsole, libraries_to
from pipeline.engine_check import ready_options
from pipeline.exit_code import ExitCode
from pipeline.paths import demand_plain
from pipeline.tables import print_table

_ROWS = 8
_CLASSES = 32

app = typer.Typer(add_completion=False)


@app.command(
    "inspect",
    epilog="Examples:\n\n  mri data inspect brain-tumor-mri\n\n"
    "  mri data inspect brain-tumor-mri --json > findings.json\n\n"
    "  mri data inspect scans --labels labels.csv\n\n"
    "Exit codes: 0 done; 1 failed, or not one file can be used; 2 usage.",
)
def inspect_folder(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER",
            help="Folder with Training/CLASS and Testing/CLASS, or CLASS folders alone.",
        ),
    ],
    html: Annotated[
        Path | None,
        typer.Option(help="Page to write; default: NAME-inspection.html in the current folder."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON; a page is written only with --html.")
    ] = False,
    classes: Classes = None,
    labels: Labels = None,
    beam: Beam = "local",
) -> None:
    """Report what a folder of images holds, and whether figures measured on it can be trusted."""
    if html is None and not as_json:
        html = Path(f"{folder.resolve().name or 'images'}-inspection.html")
    with os.fdopen(os.dup(2), "w") as terminal, libraries_to() as console:
        if html is not None:
            demand_writable(html)
        with telling(PlainConsole(terminal)):
            findings, page, names = _inspect(
                folder, classes, labels, ready_options(beam), with_page=html is not None
            )
        if html is not None:
            write_page(html, names, page)
        if as_json:
            pictures = {"evidence": {"looks": {"__all__": {"examples"}}}}
            shown = {
                **findings.model_dump(mode="json", exclude=pictures),
                "page": str(html) if html else None,
            }
            console.file.write(json.dumps({**shown, "notice": DISCLAIMER}, indent=2) + "\n")
        else:
            _print(findings, html, console)
    if not findings.ingested:
        raise typer.Exit(ExitCode.FAILED)


def _inspect(
    folder: Path,
    classes: str | None,
    labels: Path | None,
    beam_options: Sequence[str],
    *,
    with_page: bool,
) -> tuple[Findings, str, str]:
    from components.ingest.evidence.find import find_evidence
    from components.ingest.survey import survey

    listing, config = list_folder(folder, classes, labels)
    demand_plain(Path(tempfile.gettempdir()).absolute(), "folder for temporary files (TMPDIR)")
    with tempfile.TemporaryDirectory(prefix="mri-inspect-") as scratch:
        found = survey(listing, config, beam_options, Path(scratch))
    training = [n for n, record in enumerate(found.records) if record.folder_split == "train"]
    evidence = find_evidence(found, config, training)
    findings = Findings.of(found, config.classes, evidence)
    page = render(findings, found, config) if with_page else ""
    return findings, page, table_of_names(found)


def _print(findings: Findings, html: Path | None, console: Console) -> None:
    def line(*parts: str | tuple[str, str]) -> None:
        console.print(Text.assemble(*parts), soft_wrap=True)

    line(
        (findings.folder, "bold"),
        f"  {counted(findings.found, 'file')}, {findings.ingested:,} usable, "
        f"{findings.rejected:,} rejected; {counted(findings.images, 'image')}{_aside(findings)}",
    )
    print_table(console, _classes(findings))
    for title, counts in (
        ("formats", findings.formats),
        ("sizes", findings.sizes),
        ("rejected", findings.reasons),
    ):
        if counts:
            line((f"{title:<11}", "bold"), _counts(counts))
    if findings.images:
        line(
            ("duplicates ", "bold"),
            f"{counted(findings.groups, 'group')} of {counted(findings.grouped, 'image')}, "
            f"the largest of {findings.largest_group:,}",
        )
    if findings.shortcuts.features:
        print_table(console, _shortcuts(findings.shortcuts))
    if findings.evidence.looks:
        print_table(console, _looks(findings.evidence))
    for verdict in judge(findings):
        mark = ("✓ ", "green") if verdict.good else ("! ", "bold red")
        line(mark, f"{verdict.title}.", (f" {verdict.advice}" if verdict.advice else "", "dim"))
    if html is not None:
        line(("page  ", "bold"), str(html))
        line(("names ", "bold"), str(html.with_suffix(".csv")))
    line((DISCLAIMER, "dim"))


def _aside(findings: Findings) -> str:
    """What is in the folder besides."""
    words = ""
    if findings.passed_over:
        words += f"; {findings.passed_over:,} left behind by systems and skipped"
    if findings.unnamed:
        words += f"; {findings.unnamed:,} not in the label table"
    return words


def _classes(findings: Findings) -> Table:
    seen = ["test seen in training"] if findings.test_images else []
    table = _table("class", [*findings.splits, "all", *seen])
    for label, images in list(findings.classes.items())[:_CLASSES]:
        numbers = [counts[label] for counts in findings.splits.values()] + [images]
        numbers += [findings.seen[label] for _ in seen]
        table.add_row(Text(label), *map("{:,}".format, numbers))
    if (more := len(findings.classes) - _CLASSES) > 0:
        table.add_row(Text(f"and {more:,} more", "dim"))
    return table


def _shortcuts(shortcuts: Shortcuts) -> Table:
    table = _table("feature", ["balanced accuracy", "accuracy"])
    table.title = (
        f"Does one trivial feature give the class away? By chance {shortcuts.chance:.1%}, "
        f"always the largest class {shortcuts.majority:.1%}"
    )
    table.title_justify, table.title_style = "left", ""
    table.add_column("gives away", overflow="fold")
    for one in shortcuts.features:
        told = f"{one.gives_away} ({one.found:.0%} found)" if one.worrying else ""
        numbers = f"{one.balanced_accuracy:.1%}", f"{one.accuracy:.1%}"
        style = "red" if one.worrying else None
        table.add_row(one.feature, *numbers, Text(told), style=style)
    return table


def _looks(evidence: Evidence) -> Table:
    labels = list(evidence.looks[0].groups)[:_ROWS]
    table = _table("look", [*labels, "groups"])
    table.title = "Looks of the training images, by class; copies count once"
    table.title_justify, table.title_style = "left", ""
    for look in evidence.looks:
        counts = (
            Text(f"{look.groups[name]:,}", "red" if evidence.too_few(look, name) else "")
            for name in labels
        )
        table.add_row(Text(look.words), *counts, f"{look.count:,}")
    if evidence.told:
        areas = (
            Text(f"{told.steady:.3f}", "red" if name in evidence.telling() else "")
            if (told := evidence.told.get(name))
            else Text()
            for name in labels
        )
        table.add_section()
        table.add_row(Text("area under ROC, levels a tumour hardly changes"), *areas, "")
    return table


def _table(first: str, numbers: Iterable[str]) -> Table:
    columns = (Column(name, justify="right") for name in numbers)
    return Table(Column(first, overflow="fold"), *columns)


def _counts(counts: dict[str, int]) -> str:
    shown = [f"{name} {count:,}" for name, count in list(counts.items())[:_ROWS]]
    if len(counts) > _ROWS:
        shown.append(f"and {len(counts) - _ROWS:,} more")
    return ", ".join(shown)
