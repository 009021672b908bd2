"""`mri monitor`: what the served model is asked, beside what it was trained on."""

import re
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from components.counted import counted
from components.errors import UsageError, path_error
from components.gate.verdict import PASSING, STATISTICS_ID
from components.monitor.report import LABEL, MonitorReport
from components.monitor.textfile import render_metrics
from components.monitor.window import one_version, read_window
from components.properties import text_of
from components.push.pushed import PUSHED_DESTINATION, PUSHED_VERSION
from components.whole_file import whole_file
from mri.options import AsJson, Metadata, WorkFolder, spread
from pipeline.database import connect, connection_config
from pipeline.exit_code import ExitCode
from pipeline.orchestration import PIPELINE_RUN_CONTEXT_TYPE_NAME, GateVerdict, PushedModel
from pipeline.tables import print_table
from pipeline.work import Work

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


app = typer.Typer(add_completion=False)


@app.command(
    epilog="Examples:\n\n  mri monitor --since 24h\n\n"
    "  mri monitor --since 7d --html monitor.html --textfile /var/lib/node_exporter/mri.prom\n\n"
    "Exit codes: 0 no drift, 1 failed, 2 usage, 5 drift."
)
@spread
def monitor(
    console: Console,
    log: Annotated[
        Path | None,
        typer.Option(help="Folder of the server's request log; default: requests in --work."),
    ] = None,
    work: WorkFolder = Path("work"),
    statistics: Annotated[
        Path | None,
        typer.Option(help="The training images' statistics; default: those of the served version."),
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="90m, 24h, 7d, 2w or a time; default: all that is logged.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="The served model's name; default: the only one logged.")
    ] = None,
    version: Annotated[
        int | None, typer.Option(help="The model's version; default: the newest that was logged.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page.")] = None,
    textfile: Annotated[
        Path | None, typer.Option(help="Write metrics for Prometheus' node exporter.")
    ] = None,
    as_json: AsJson = False,
    metadata: Metadata = None,
) -> None:
    """Compare the images that the served model is asked about with those that it was trained on."""
    folder = Work(work.absolute())
    begin = _begin(since, datetime.now(timezone.utc))
    with console.status("comparing requests with the training images"):
        from components.monitor.compare import compare, window_statistics
        from components.monitor.page import render
        from components.monitor.training import read_statistics

        logged = read_window(log or folder.requests, begin)
        window = one_version(logged, model, version)
        name, number = str(window["model"].iloc[0]), int(window["version"].iloc[0])
        path = statistics or _training(folder, number, metadata, name)
        training = read_statistics(path)
        report = compare(window, training, left_out=len(logged) - len(window))
    if html is not None:
        _write(html, render(report, window_statistics(window), training))
    if textfile is not None:
        _write(textfile, render_metrics(report))
    if as_json:
        console.print(report.model_dump_json(indent=2), markup=False, soft_wrap=True)
    else:
        _print(report, console)
    if report.outcome == "drift":
        raise typer.Exit(ExitCode.DRIFT)


def _begin(since: str | None, now: datetime) -> datetime | None:
    if since is None:
        return None
    try:
        if match := re.fullmatch(r"(\d{1,6})([mhdw])", since.strip()):
            return now - timedelta(**{_UNITS[match[2]]: int(match[1])})
        point = datetime.fromisoformat(since)
    except (OverflowError, ValueError) as error:
        raise UsageError(
            f"--since {since!r} is neither a span such as 90m, 24h, 7d or 2w nor a time such as "
            "2026-07-01T06:00."
        ) from error
    return point if point.tzinfo else point.replace(tzinfo=timezone.utc)


def _training(work: Work, version: int, metadata_url: str | None, model: str = "") -> Path:
    """Statistics of the data that the served version was trained on.

    Where that version was not pushed from here: of the last data that passed the gate.
    """
    if metadata_url is None and not work.metadata.exists():
        raise UsageError(
            f"There is no run in {work.root}: name its work folder with --work, or the training "
            "images' statistics with --statistics."
        )
    store = connect(connection_config(metadata_url, work))
    passed = {
        verdict.id: verdict.custom_properties[STATISTICS_ID].int_value
        for verdict in store.get_artifacts_by_type(GateVerdict.TYPE_NAME)
        if verdict.custom_properties["outcome"].string_value in PASSING
    }
    of_version = {
        verdict.id
        for pushed in store.get_artifacts_by_type(PushedModel.TYPE_NAME)
        if text_of(pushed, PUSHED_VERSION) == str(version)
        and (not model or Path(text_of(pushed, PUSHED_DESTINATION)).parent.name in ("", model))
        for context in store.get_contexts_by_artifact(pushed.id)
        if context.type == PIPELINE_RUN_CONTEXT_TYPE_NAME
        for verdict in store.get_artifacts_by_context(context.id)
        if verdict.id in passed
    }
    chosen = max(of_version or passed, default=None)
    found = store.get_artifacts_by_id([passed[chosen]]) if chosen is not None else []
    if not found:
        raise UsageError(
            f"No data has passed the gate in {work.root}: name the training images' statistics "
            "with --statistics."
        )
    return Path(found[0].uri)


def _write(path: Path, text: str) -> None:
    try:
        with whole_file(path) as file:
            file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise path_error(error)(f"{path} cannot be written: {error.strerror}.") from error


def _print(report: MonitorReport, console: Console) -> None:
    first, last = (f"{moment:%Y-%m-%d %H:%M}" for moment in (report.first, report.last))
    console.print(
        f"{report.model} version {report.version}: {counted(report.images, 'image')} from {first} "
        f"to {last} UTC, compared with {counted(report.training_images, 'training image')}",
        markup=False,
        soft_wrap=True,
    )
    if report.left_out:
        images = counted(report.left_out, "image")
        console.print(f"left out: {images} that other models or versions answered")
    numbers = ("mean", "in training", "divergence", "allowed")
    table = Table("feature", *(Column(name, justify="right") for name in numbers))
    for one in report.distances:
        means = ("" if mean is None else f"{mean:.4g}" for mean in (one.mean, one.previous_mean))
        style = "red" if one.value > one.allowed else None
        table.add_row(one.feature, *means, f"{one.value:.3f}", f"{one.allowed:.3f}", style=style)
    print_table(console, table)
    if LABEL in report.drifted:
        console.print(
            "the answers are distributed differently from the classes of the training images"
        )
    if report.out_of_distribution is not None:
        console.print(
            f"{report.out_of_distribution:.1%} of the images are unlike the training images"
        )
    for reason, share in report.reasons.items():
        console.print(f"{share:.1%} of the images: {reason}", markup=False)
    if features := [name for name in report.drifted if name != LABEL]:
        console.print(f"[bold red]drift[/]: {', '.join(features)}")
    else:
        console.print("[bold green]no drift[/]")
