"""`mri run`."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import Metadata, Work
from pipeline.exit_code import ExitCode

app = typer.Typer()


@app.command(
    epilog="Examples:\n\n"
    "  mri run\n\n"
    "  mri run --data brain-tumor-mri --preset notebook --set train.epochs=8\n\n"
    "  mri run --data incoming --span 7\n\n"
    "  mri run --from Trainer\n\n"
    "  mri run --data brain-tumor-mri --tune --set tune.trials=12\n\n"
    "  mri run --accept-anomalies drift:image/mean --reason 'new scanner, checked by hand'\n\n"
    "Exit codes: 0 done, 1 failed, 2 usage, 3 stopped by the data gate, 4 not blessed."
)
def run(
    data: Annotated[
        Path | None,
        typer.Option(help="Folder with Training/CLASS and Testing/CLASS, or CLASS folders alone."),
    ] = None,
    preset: Annotated[
        str, typer.Option(help="sample, notebook, ci, or the path of a YAML file.")
    ] = "sample",
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a setting.")
    ] = None,
    work: Work = Path("work"),
    weights: Annotated[
        Path | None, typer.Option(help="VGG16 weights file; default: ImageNet's.")
    ] = None,
    metadata: Metadata = None,
    from_nodes: Annotated[
        list[str] | None, typer.Option("--from", metavar="NODE", help="Start at this node.")
    ] = None,
    to_nodes: Annotated[
        list[str] | None, typer.Option("--to", metavar="NODE", help="Stop after this node.")
    ] = None,
    span: Annotated[
        int | None, typer.Option(min=0, help="Read this span-NNN folder; default: the newest.")
    ] = None,
    accept_anomalies: Annotated[
        str | None,
        typer.Option(metavar="NAME,...", help="Findings that the gate lets pass, this time."),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why they are accepted; kept in the metadata.")] = "",
    tune: Annotated[
        bool, typer.Option("--tune", help="Look for a better recipe on eval before training.")
    ] = False,
    hyperparameters: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="What an earlier --tune found, for this run."),
    ] = None,
) -> None:
    """Run the pipeline: ingest, validate, train, evaluate and push.

    Without --data it makes and uses a [bold]synthetic[/] sample. What has run before on the same
    inputs is answered from cache.
    """
    from pipeline.commands.run import run_pipeline
    from pipeline.config import load_config, tuned_settings

    overrides = [*(tuned_settings(hyperparameters) if hyperparameters else ()), *(settings or ())]
    if tune:
        overrides.append("tune.enabled=true")
    if data is not None:
        overrides.append(f"data={json.dumps(os.fspath(data))}")
    if weights is not None:
        overrides.append(f"model.weights={json.dumps(os.fspath(weights.absolute()))}")
    if span is not None:
        overrides.append(f"ingest.span={span}")
    if accept_anomalies is not None:
        names = [name.strip() for name in accept_anomalies.split(",") if name.strip()]
        overrides += [
            f"accept_anomalies={json.dumps(names)}",
            f"accept_reason={json.dumps(reason)}",
        ]
    blessed = run_pipeline(
        load_config(preset, overrides),
        work.absolute(),
        metadata_url=metadata,
        from_nodes=tuple(from_nodes or ()),
        to_nodes=tuple(to_nodes or ()),
    )
    if blessed is False:
        raise typer.Exit(ExitCode.NOT_BLESSED)
