"""`mri data inspect`: what is in a folder of images, in the terminal, as JSON, and as a page."""

import json
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from components.disclaimer import DISCLAIMER
from components.errors import PipelineError
from components.ingest.config import IngestConfig
from components.ingest.folder import ImageFolder, list_images
from components.ingest.inspection.findings import Findings
from components.ingest.inspection.numbers import table_of_names
from components.ingest.inspection.page import render
from components.ingest.inspection.verdicts import judge
from components.ingest.labels import read_labels
from mri.run_flags import Labels
from mri.terminal import libraries_to
from pipeline.config import LOCAL_BEAM
from pipeline.exit_code import ExitCode
from pipeline.paths import demand_plain

_ROWS = 8


app = typer.Typer(add_completion=False)


@app.command(
    "inspect",
    epilog="Examples:\n\n  mri data inspect brain-tumor-mri\n\n"
    "  mri data inspect brain-tumor-mri --json > findings.json\n\n"
    "  mri data inspect scans --labels labels.csv\n\n"
    "Exit codes: 0 done, 1 failed, or not one file can be used.",
)
def inspect_folder(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            help="Folder with Training/CLASS and Testing/CLASS, or CLASS folders alone.",
        ),
    ],
    html: Annotated[
        Path | None, typer.Option(help="Where the page goes; default: NAME-inspection.html here.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON; a page is written only with --html.")
    ] = False,
    classes: Annotated[
        str | None, typer.Option(metavar="NAME,...", help="Class folders to read; default: all.")
    ] = None,
    labels: Labels = None,
) -> None:
    """Say what is in a folder of images, and whether figures measured on it can be trusted."""
    if html is None and not as_json:
        html = Path(f"{folder.resolve().name or 'images'}-inspection.html")
    with (
        os.fdopen(os.dup(2), "w") as terminal,
        libraries_to() as console,
        _unfinished(html) as unfinished,
    ):
        with _status(Console(file=terminal, emoji=False)):
            findings, page, names = _inspect(folder, classes, labels, with_page=html is not None)
        if html is not None and unfinished is not None:
            _finish(unfinished, names, html.with_suffix(".csv"))
            _finish(unfinished, page, html)
        if as_json:
            shown = {**findings.as_json(), "page": str(html) if html else None}
            console.file.write(json.dumps({**shown, "notice": DISCLAIMER}, indent=2) + "\n")
        else:
            _print(findings, console)
            console.print(Text.assemble(("page  ", "bold"), str(html)), soft_wrap=True)
            if html is not None:
                names_file = html.with_suffix(".csv")
                console.print(Text.assemble(("names ", "bold"), str(names_file)), soft_wrap=True)
            console.print(Text(DISCLAIMER, "dim"))
    if not findings.ingested:
        raise typer.Exit(ExitCode.FAILED)


def _inspect(
    folder: Path, classes: str | None, labels: Path | None, *, with_page: bool
) -> tuple[Findings, str, str]:
    from components.ingest.survey import survey

    listing, config = _listing(folder, classes, labels)
    demand_plain(Path(tempfile.gettempdir()).absolute(), "folder for temporary files (TMPDIR)")
    with tempfile.TemporaryDirectory(prefix="mri-inspect-") as scratch:
        found = survey(listing, config, LOCAL_BEAM, Path(scratch))
    logging.getLogger(__name__).info("testing shortcuts")
    findings = Findings.of(found, config.classes)
    page = render(findings, found, config) if with_page else ""
    return findings, page, table_of_names(found)


def _listing(
    folder: Path, classes: str | None, labels: Path | None
) -> tuple[ImageFolder, IngestConfig]:
    """The files of all spans, and the configuration that reads them."""
    if not os.path.isdir(folder):  # noqa: PTH112 - False, too, for what no disk could hold
        raise PipelineError(f"There is no folder {folder}: name one that holds class folders.")
    given = None if classes is None else tuple(name.strip() for name in classes.split(","))
    listing = list_images(folder, window=sys.maxsize, labels=read_labels(labels, given))
    names = given or tuple(name for name in listing.classes if _is_class_name(name))
    try:
        return listing, IngestConfig(classes=names, split_policy="as_is")
    except ValidationError as error:
        raise PipelineError(
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


@contextmanager
def _unfinished(html: Path | None) -> Iterator[Path | None]:
    """An empty file beside the page: whether it can be written is known before the work is done."""
    if html is None:
        yield None
        return
    unfinished = html.with_name(f".{html.name}.{os.getpid()}")
    try:
        if html.is_dir():
            raise PipelineError(f"{html} is a folder: name a file for the page with --html.")
        unfinished.touch()
    except OSError as error:
        raise _unwritable(html, error) from error
    try:
        yield unfinished
    finally:
        unfinished.unlink(missing_ok=True)


def _finish(unfinished: Path, content: str, path: Path) -> None:
    try:
        unfinished.write_text(content, encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(html: Path, error: OSError) -> PipelineError:
    return PipelineError(
        f"The page {html} cannot be written ({error.strerror}): name another file with --html."
    )


@contextmanager
def _status(console: Console) -> Iterator[None]:
    """Shows the last line that a component logged, while it works, where there is a terminal."""
    with console.status("listing the files") as status:

        class Show(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                status.update(Text(record.getMessage()))

        handler = Show(logging.INFO)
        loggers = [logging.getLogger(name) for name in ("components", __name__)]
        for logger in loggers:
            logger.addHandler(handler)
        try:
            yield
        finally:
            for logger in loggers:
                logger.removeHandler(handler)


def _print(findings: Findings, console: Console) -> None:
    console.print(
        Text.assemble(
            (findings.folder, "bold"),
            f"  {findings.found:,} files, {findings.ingested:,} usable, "
            f"{findings.rejected:,} rejected; {findings.images:,} images{_aside(findings)}",
        ),
        soft_wrap=True,
    )
    console.print(_classes(findings))
    for title, counts in (
        ("formats", findings.formats),
        ("sizes", findings.sizes),
        ("rejected", findings.reasons),
    ):
        if counts:
            console.print(Text.assemble((f"{title:<11}", "bold"), _counts(counts)), soft_wrap=True)
    if findings.images:
        text = (
            f"{findings.groups:,} groups of {findings.grouped:,} images, "
            f"the largest of {findings.largest_group:,}"
        )
        console.print(Text.assemble((f"{'duplicates':<11}", "bold"), text), soft_wrap=True)
    if findings.shortcuts.features:
        console.print(_shortcuts(findings))
    for verdict in judge(findings):
        mark = ("✓ ", "green") if verdict.good else ("! ", "bold red")
        console.print(
            Text.assemble(mark, f"{verdict.title}. ", (verdict.advice, "dim")), soft_wrap=True
        )


def _aside(findings: Findings) -> str:
    """What is in the folder besides."""
    words = ""
    if findings.passed_over:
        words += f"; {findings.passed_over:,} left by systems passed over"
    if findings.unnamed:
        words += f"; {findings.unnamed:,} not in the label table"
    return words


def _classes(findings: Findings) -> Table:
    table = Table()
    table.add_column("class", overflow="fold")
    for column in (*findings.splits, "all"):
        table.add_column(column, justify="right")
    if findings.test_images:
        table.add_column("test seen in training", justify="right")
    for label, images in list(findings.classes.items())[: 4 * _ROWS]:
        numbers = [f"{counts[label]:,}" for counts in findings.splits.values()] + [f"{images:,}"]
        if findings.test_images:
            numbers.append(f"{findings.seen[label]:,}")
        table.add_row(Text(label), *numbers)
    if (more := len(findings.classes) - 4 * _ROWS) > 0:
        table.add_row(Text(f"and {more:,} more", "dim"))
    return table


def _shortcuts(findings: Findings) -> Table:
    shortcuts = findings.shortcuts
    table = Table(
        title=f"Does one trivial feature tell the class? Chance {shortcuts.chance:.1%}, "
        f"largest class {shortcuts.majority:.1%}",
        title_justify="left",
        title_style="",
    )
    table.add_column("feature")
    table.add_column("balanced accuracy", justify="right")
    table.add_column("accuracy", justify="right")
    table.add_column("gives away", overflow="fold")
    for shortcut in shortcuts.features:
        told = f"{shortcut.gives_away} ({shortcut.found:.0%} found)" if shortcut.worrying else ""
        table.add_row(
            shortcut.feature,
            f"{shortcut.balanced_accuracy:.1%}",
            f"{shortcut.accuracy:.1%}",
            Text(told),
            style="red" if shortcut.worrying else None,
        )
    return table


def _counts(counts: dict[str, int]) -> str:
    shown = [f"{name} {count:,}" for name, count in list(counts.items())[:_ROWS]]
    if len(counts) > _ROWS:
        shown.append(f"and {len(counts) - _ROWS:,} more")
    return ", ".join(shown)
