"""`mri schedule` and `mri watch`: runs that nobody starts by hand."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import (
    AcceptAnomalies,
    AcceptReason,
    Data,
    Metadata,
    Preset,
    Settings,
    Span,
    Tune,
    Weights,
    Work,
    run_settings,
)
from pipeline.environment import METADATA_VARIABLE

app = typer.Typer()

OnFailure = Annotated[
    str | None,
    typer.Option(metavar="COMMAND", help="Told of a failure; see docs/schedule.md."),
]


@app.command(
    epilog="Example:\n\n  mri schedule --cron '0 3 * * *' --data incoming --preset notebook\n\n"
    "Times that were missed make one run when it starts again. SIGTERM ends it."
)
def schedule(
    cron: Annotated[
        str, typer.Option(metavar="FIELDS", help="Minute, hour, day, month, weekday, as in cron.")
    ],
    data: Data = None,
    span: Span = None,
    preset: Preset = "sample",
    settings: Settings = None,
    work: Work = Path("work"),
    weights: Weights = None,
    metadata: Metadata = None,
    accept_anomalies: AcceptAnomalies = None,
    reason: AcceptReason = "",
    tune: Tune = False,
    on_failure: OnFailure = None,
) -> None:
    """Run the pipeline whenever a cron time comes, one run at a time."""
    from rich.console import Console

    from pipeline.scheduling.timetable import schedule_runs
    from pipeline.work import Work

    chosen = run_settings(
        settings,
        data=data,
        span=span,
        weights=weights,
        tune=tune,
        accept_anomalies=accept_anomalies,
        reason=reason,
    )
    schedule_runs(
        Work(work.absolute()),
        cron,
        _command(preset, chosen, work, metadata),
        Console(highlight=False, emoji=False),
        on_failure=on_failure,
    )


@app.command(
    epilog="Example:\n\n"
    "  mri watch incoming --preset notebook --on-failure 'notify-team brain-mri'\n\n"
    "Exit codes: 0 done, or ended by SIGTERM; 1 failed; with --once those of mri run: 1 if the run "
    "for a span failed, 3 if one was stopped by the gate, 4 if a model was not blessed."
)
def watch(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where span-NNN folders arrive.")],
    preset: Preset = "sample",
    settings: Settings = None,
    work: Work = Path("work"),
    weights: Weights = None,
    metadata: Metadata = None,
    accept_anomalies: AcceptAnomalies = None,
    reason: AcceptReason = "",
    tune: Tune = False,
    on_failure: OnFailure = None,
    once: Annotated[
        bool, typer.Option("--once", help="End when every span that is there has been run.")
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try again the spans that have failed.")
    ] = False,
    settle: Annotated[
        float, typer.Option(min=0, help="Seconds for which a span must stay the same.")
    ] = 10.0,
) -> None:
    """Run the pipeline for every span that arrives in a folder, in order, one at a time."""
    from rich.console import Console

    from pipeline.scheduling.watch import Pace, watch_folder
    from pipeline.work import Work

    chosen = run_settings(
        settings,
        data=folder,
        weights=weights,
        tune=tune,
        accept_anomalies=accept_anomalies,
        reason=reason,
    )
    ended = watch_folder(
        Work(work.absolute()),
        folder.absolute(),
        _command(preset, chosen, work, metadata),
        Console(highlight=False, emoji=False),
        on_failure=on_failure,
        pace=Pace(poll=min(5.0, max(settle, 0.2)), settle=settle),
        once=once,
        retry_failed=retry_failed,
    )
    if ended:
        raise typer.Exit(ended)


def _command(preset: str, settings: list[str], work: Path, metadata: str | None) -> list[str]:
    """The run to start, its settings known to be right; a password stays in the environment."""
    from components.trainer.weights.vgg16 import resolve_weights
    from pipeline.config import Config, load_config

    config = load_config(preset, settings)
    if isinstance(config.model.weights, Path):
        resolve_weights(config.model.weights)
    if (
        config.beam != Config().beam
    ):  # those are known, and Beam is large for a command that only waits
        from pipeline.beam_options import checked_beam_options

        checked_beam_options(config.beam)
    if metadata is not None:
        os.environ[METADATA_VARIABLE] = metadata
    command = [sys.executable, "-m", "pipeline", "run", "--wait", "--preset", preset]
    command += ["--work", str(work.absolute())]
    for setting in settings:
        command += ["--set", setting]
    return command
