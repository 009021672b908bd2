"""`mri monitor`: what the served model is asked, beside what it was trained on."""

import os
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from components.errors import PipelineError
from components.gate.verdict import PASSING, STATISTICS_ID
from components.properties import text_of
from components.push.pushed import PUSHED_DESTINATION, PUSHED_VERSION
from components.whole_file import whole_file
from mri.terminal import libraries_to
from pipeline.work import Work
from schema.statistics import STATISTICS_FILE

if TYPE_CHECKING:
    from components.gate.drift import Statistics
    from components.monitor.report import MonitorReport

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_STATISTICS = Path("Split-train") / STATISTICS_FILE


def monitor(
    log: Path,
    work: Work,
    *,
    statistics: Path | None,
    since: str | None,
    model: str | None,
    version: int | None,
    html: Path | None,
    textfile: Path | None,
    as_json: bool,
    metadata_url: str | None,
) -> bool:
    """Compares the log's window with the training images, and tells.

    Args:
        log: The folder of the server's request log.
        work: The work folder, for the training images' statistics.
        statistics: Those to compare with instead: StatisticsGen's artifact, or a FeatureStats.pb.
        since: How far the window reaches back, as in `24h`, or a point in time; None: all.
        model: The served model's name; None for the only one in the window.
        version: Its version; None for the newest in the window.
        html: Where a page goes, or None.
        textfile: Where metrics for Prometheus go, or None.
        as_json: Print JSON instead of a table.
        metadata_url: PostgreSQL for ML Metadata, or None.

    Returns:
        Whether a feature drifted.

    Raises:
        PipelineError: There is nothing to compare, or the results cannot be written.
    """
    begin = _begin(since, datetime.now(timezone.utc))
    with libraries_to(Path(os.devnull)) as console:
        with console.status("comparing requests with the training images"):
            from components.monitor.compare import compare, window_statistics
            from components.monitor.window import one_version, read_window

            logged = read_window(log, begin, None)
            window = one_version(logged, model, version)
            name, number = str(window["model"].iloc[0]), int(window["version"].iloc[0])
            path = statistics or _training(work, number, metadata_url, name)
            training = _read(path)
            report = compare(window, training, left_out=len(logged) - len(window))
        if html is not None:
            from components.monitor.page import render

            _write(html, render(report, window_statistics(window), training))
        if textfile is not None:
            from components.monitor.textfile import render_metrics

            _write(textfile, render_metrics(report))
        if as_json:
            console.print(report.model_dump_json(indent=2), markup=False, soft_wrap=True)
        else:
            _print(report, console)
    return report.outcome == "drift"


def _begin(since: str | None, now: datetime) -> datetime | None:
    if since is None:
        return None
    try:
        if match := re.fullmatch(r"(\d{1,6})([mhdw])", since.strip()):
            return now - timedelta(**{_UNITS[match[2]]: int(match[1])})
        point = datetime.fromisoformat(since)
    except (OverflowError, ValueError) as error:
        raise PipelineError(
            f"--since {since!r} is neither a span such as 90m, 24h, 7d or 2w nor a time such as "
            "2026-07-01T06:00."
        ) from error
    return point if point.tzinfo else point.replace(tzinfo=timezone.utc)


def _training(work: Work, version: int, metadata_url: str | None, model: str = "") -> Path:
    """Statistics of the data that the served version was trained on.

    Where that version was not pushed from here: of the last data that passed the gate.
    """
    from pipeline.metadata import connect, connection_config
    from pipeline.orchestration import PIPELINE_RUN_CONTEXT_TYPE_NAME, GateVerdict, PushedModel

    if metadata_url is None and not work.metadata.exists():
        raise PipelineError(
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
        raise PipelineError(
            f"No data have passed the gate in {work.root}: name the training images' statistics "
            "with --statistics."
        )
    return Path(found[0].uri)


def _read(path: Path) -> "Statistics":
    from google.protobuf.message import DecodeError
    from tensorflow_metadata.proto.v0 import statistics_pb2

    file = path / _STATISTICS if path.is_dir() else path
    try:
        read = statistics_pb2.DatasetFeatureStatisticsList.FromString(file.read_bytes())
    except (OSError, DecodeError) as error:
        raise PipelineError(f"The statistics {file} cannot be read: {error}.") from error
    if not read.datasets:
        raise PipelineError(f"The statistics {file} are empty.")
    return read


def _write(path: Path, text: str) -> None:
    try:
        with whole_file(path) as file:
            file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise PipelineError(f"{path} cannot be written: {error.strerror}.") from error


def _print(report: "MonitorReport", console: Console) -> None:
    first, last = (f"{moment:%Y-%m-%d %H:%M}" for moment in (report.first, report.last))
    console.print(
        f"{report.images:,} images from {first} to {last} UTC, beside "
        f"{report.training_images:,} training images"
    )
    if report.left_out:
        images = "image" if report.left_out == 1 else "images"
        are = "is" if report.left_out == 1 else "are"
        console.print(
            f"{report.left_out:,} {images} that other models or versions answered {are} left out"
        )
    table = Table()
    table.add_column("feature")
    for column in ("mean", "in training", "divergence", "allowed"):
        table.add_column(column, justify="right")
    for one in report.distances:
        over = one.value > one.allowed
        numbers = ("" if m is None else f"{m:.4g}" for m in (one.mean, one.previous_mean))
        table.add_row(
            one.feature, *numbers, f"{one.value:.3f}", f"{one.allowed:.3f}",
            style="red" if over else None,
        )  # fmt: skip
    console.print(table)
    from components.monitor.compare import LABEL

    if LABEL in report.drifted:
        console.print("the answers are spread otherwise than the training images' classes")
    if report.out_of_distribution is not None:
        console.print(f"{report.out_of_distribution:.1%} of the images are unknown to the model")
    if features := [name for name in report.drifted if name != LABEL]:
        console.print(f"[bold red]drift[/]: {', '.join(features)}")
    else:
        console.print("[bold green]no drift[/]")
