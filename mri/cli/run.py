"""`mri run`."""

from pathlib import Path
from typing import Annotated

import typer

from mri.options import (
    AcceptAnomalies,
    AcceptReason,
    Data,
    Labels,
    Metadata,
    Preset,
    Settings,
    Span,
    Tune,
    Weights,
    Work,
    run_settings,
)
from pipeline.exit_code import ExitCode

app = typer.Typer()


@app.command(
    epilog="Examples:\n\n"
    "  mri run\n\n"
    "  mri run --data brain-tumor-mri --preset notebook --set train.epochs=8\n\n"
    "  mri run --data incoming --span 7\n\n"
    "  mri run --data scans --labels labels.csv\n\n"
    "  mri run --from Trainer\n\n"
    "  mri run --data brain-tumor-mri --tune --set tune.trials=12\n\n"
    "  mri run --accept-anomalies drift:image/mean --reason 'new scanner, checked by hand'\n\n"
    "Exit codes: 0 done, 1 failed, 2 usage, 3 stopped by the data gate, 4 not blessed."
)
def run(
    data: Data = None,
    preset: Preset = "sample",
    settings: Settings = None,
    work: Work = Path("work"),
    weights: Weights = None,
    metadata: Metadata = None,
    from_nodes: Annotated[
        list[str] | None, typer.Option("--from", metavar="NODE", help="Start at this node.")
    ] = None,
    to_nodes: Annotated[
        list[str] | None, typer.Option("--to", metavar="NODE", help="Stop after this node.")
    ] = None,
    span: Span = None,
    labels: Labels = None,
    accept_anomalies: AcceptAnomalies = None,
    reason: AcceptReason = "",
    tune: Tune = False,
    hyperparameters: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="What an earlier --tune found, for this run."),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait while another run is using the work folder.")
    ] = False,
) -> None:
    """Run the pipeline: ingest, validate, train, evaluate and push.

    Without --data it makes and uses a [bold]synthetic[/] sample. What has run before on the same
    inputs is answered from cache.
    """
    from mri.run import run_pipeline
    from pipeline.config import load_config, tuned_settings

    chosen = run_settings(
        [*(tuned_settings(hyperparameters) if hyperparameters else ()), *(settings or ())],
        data=data,
        span=span,
        labels=labels,
        weights=weights,
        tune=tune,
        accept_anomalies=accept_anomalies,
        reason=reason,
    )
    blessed = run_pipeline(
        load_config(preset, chosen),
        work.absolute(),
        metadata_url=metadata,
        from_nodes=tuple(from_nodes or ()),
        to_nodes=tuple(to_nodes or ()),
        wait=wait,
    )
    if blessed is False:
        raise typer.Exit(ExitCode.NOT_BLESSED)
