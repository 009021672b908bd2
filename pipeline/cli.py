"""The `mri` command. What a command needs is imported when it runs, so that help is instant."""

import json
import os
import sys
from enum import IntEnum
from pathlib import Path
from typing import Annotated

import typer

from components.errors import PipelineError

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

app = typer.Typer(
    name="mri",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
    help="From a folder of brain MRI images to a reviewed, served classifier.\n\n"
    "Decision support, never a diagnosis.",
)
data_app = typer.Typer(no_args_is_help=True, help="Make and look at image folders.")
app.add_typer(data_app, name="data")

Work = Annotated[
    Path, typer.Option("--work", help="The folder that holds everything a run writes.")
]


class ExitCode(IntEnum):
    """What the command's exit code means."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    STOPPED_BY_GATE = 3
    NOT_BLESSED = 4


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the trace of an error.")] = False,
) -> None:
    _debug(debug)


@app.command(
    epilog="Examples:\n\n"
    "  mri run\n\n"
    "  mri run --data brain-tumor-mri --preset notebook --set train.epochs=8\n\n"
    "  mri run --data incoming --span 7\n\n"
    "  mri run --from Trainer\n\n"
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
    metadata: Annotated[
        str | None,
        typer.Option(
            envvar="MRI_METADATA",
            metavar="URL",
            help="postgresql://USER:PASSWORD@HOST:PORT/DATABASE; default: SQLite in --work.",
        ),
    ] = None,
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
) -> None:
    """Run the pipeline: ingest, validate, train, evaluate and push.

    Without --data it makes and uses a [bold]synthetic[/] sample. What has run before on the same
    inputs is answered from cache.
    """
    from pipeline.config import load_config
    from pipeline.run_command import run_pipeline

    overrides = [*(settings or [])]
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


@app.command(
    epilog="Examples:\n\n  mri predict scan.jpg\n\n  mri predict --json *.png > results.json\n\n"
    "  mri predict scan.jpg --figure result.png"
)
def predict(
    images: Annotated[list[Path], typer.Argument(help="JPEG or PNG files.")],
    work: Work = Path("work"),
    model: Annotated[
        Path | None, typer.Option(help="A SavedModel; default: the version pushed last.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    figure: Annotated[
        Path | None, typer.Option(help="Write a picture: each image beside its result.")
    ] = None,
) -> None:
    """Classify images with the pushed model."""
    from pipeline.predict_command import classify

    if not classify(images, model, work, as_json=as_json, figure=figure):
        raise typer.Exit(ExitCode.FAILED)


@data_app.command(
    "sample", epilog="Example:\n\n  mri data sample sample-images --per-class 50 --seed 7"
)
def data_sample(
    out: Annotated[Path, typer.Argument(help="Folder to make.")],
    per_class: Annotated[
        int, typer.Option(min=1, help="Training images of each class; a quarter more for testing.")
    ] = 160,
    seed: Annotated[int, typer.Option(help="Same seed, same images.")] = 0,
) -> None:
    """Make a folder of [bold]synthetic[/] brain MRI images with planted tumours."""
    from pipeline.sample_command import make_sample

    make_sample(out, per_class=per_class, seed=seed)


@data_app.command(
    "inspect",
    epilog="Examples:\n\n  mri data inspect brain-tumor-mri\n\n"
    "  mri data inspect brain-tumor-mri --json > findings.json",
)
def data_inspect(
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
) -> None:
    """Say what is in a folder of images, and whether figures measured on it can be trusted."""
    from pipeline.inspect_command import inspect_folder

    inspect_folder(folder, html=html, classes=classes, as_json=as_json)


@data_app.command("fetch", epilog="Example:\n\n  mri data fetch data/brain-tumor-mri")
def data_fetch(
    out: Annotated[Path, typer.Argument(help="Folder to make.")] = Path("data/brain-tumor-mri"),
) -> None:
    """Fetch the 7,023 public images from Kaggle; a download that was cut goes on."""
    from pipeline.fetch_command import fetch_images

    fetch_images(out)


@app.command()
def doctor(
    work: Work = Path("work"),
) -> None:
    """Check what this machine has: versions, processor, memory, disk, weights, pushed model."""
    from pipeline.doctor import examine

    if not examine(work.absolute()):
        raise typer.Exit(ExitCode.FAILED)


def _exit_code(error: PipelineError) -> ExitCode:
    from components.gate.verdict import StoppedByGate
    from pipeline.config import ConfigError

    if isinstance(error, ConfigError):
        return ExitCode.USAGE
    return ExitCode.STOPPED_BY_GATE if isinstance(error, StoppedByGate) else ExitCode.FAILED


def _debug(value: bool | None = None) -> bool:
    """Whether traces are shown; told once by --debug."""
    if value is not None:
        os.environ["MRI_DEBUG"] = "1" if value else ""
    return bool(os.environ.get("MRI_DEBUG"))


def main() -> None:
    """Runs the command; an error that a person can act on is a sentence, not a trace."""
    try:
        app()
    except PipelineError as error:
        if _debug():
            raise
        sys.stderr.write(f"mri: {error}\n")
        sys.exit(_exit_code(error))
    except KeyboardInterrupt:
        sys.stderr.write("mri: stopped; the next run goes on from what is whole.\n")
        sys.exit(130)
