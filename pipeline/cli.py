"""The `mri` command. What a command needs is imported when it runs, so that help is instant."""

import json
import os
import sys
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Literal

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
models_app = typer.Typer(no_args_is_help=True, help="See and decide which model is served.")
app.add_typer(models_app, name="models")
serve_app = typer.Typer(invoke_without_command=True)
app.add_typer(serve_app, name="serve")

Work = Annotated[
    Path, typer.Option("--work", help="The folder that holds everything a run writes.")
]
Metadata = Annotated[
    str | None,
    typer.Option(
        envvar="MRI_METADATA",
        metavar="URL",
        help="postgresql://USER:PASSWORD@HOST:PORT/DATABASE; default: SQLite in --work.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Reason = Annotated[str, typer.Option(help="Why; kept with the model.")]


class ExitCode(IntEnum):
    """What the command's exit code means."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    STOPPED_BY_GATE = 3
    NOT_BLESSED = 4
    DRIFT = 5


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
    from pipeline.config import load_config, tuned_settings
    from pipeline.run_command import run_pipeline

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


@app.command(
    epilog="Examples:\n\n  mri predict scan.jpg\n\n  mri predict --json *.png > results.json\n\n"
    "  mri predict scan.jpg --figure result.png\n\n"
    "  mri predict scan.dcm --server https://mri.example.org"
)
def predict(
    images: Annotated[
        list[Path], typer.Argument(help="JPEG or PNG files; with --server DICOM and TIFF, too.")
    ],
    work: Work = Path("work"),
    model: Annotated[
        Path | None,
        typer.Option(
            help="A SavedModel; default: the version pushed last. With --server: the model's name."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    figure: Annotated[
        Path | None, typer.Option(help="Write a picture: each image beside its result.")
    ] = None,
    server: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Ask a model server: HOST:8500, http:// or https://."),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(envvar="MRI_SERVER_TOKEN", show_envvar=True, help="For its proxy."),
    ] = None,
    ca: Annotated[Path | None, typer.Option(help="PEM file that vouches for the server.")] = None,
) -> None:
    """Classify images with the pushed model, or with a model server."""
    from pipeline.predict_command import classify

    if not classify(
        images,
        model,
        work,
        as_json=as_json,
        figure=figure,
        server=server,
        token=token,
        ca=ca,
    ):
        raise typer.Exit(ExitCode.FAILED)


@app.command(
    epilog="Examples:\n\n  mri batch scans results\n\n"
    "  mri batch 'incoming/**/*.dcm' results --format csv\n\n"
    "The same command again goes on where it was cut off."
)
def batch(
    source: Annotated[
        str,
        typer.Argument(
            metavar="INPUT",
            help="Folder, glob pattern in quotes, or .txt file with a path a line. "
            "JPEG, PNG, GIF, BMP, TIFF or DICOM.",
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the results.")],
    work: Work = Path("work"),
    model: Annotated[
        Path | None, typer.Option(help="A SavedModel; default: the version pushed last.")
    ] = None,
    format: Annotated[  # noqa: A002 - as users call it
        Literal["parquet", "csv"], typer.Option(help="Of the results.")
    ] = "parquet",
    shard_size: Annotated[int, typer.Option(min=1, help="Files a results file.")] = 256,
    batch_size: Annotated[int, typer.Option(min=1, help="Images at once through the model.")] = 16,
) -> None:
    """Classify many images into Parquet or CSV; a bad file gets an error, and ends nothing."""
    from pipeline.batch_command import classify_files

    classify_files(
        source, out, model, work, format=format, shard_size=shard_size, batch_size=batch_size
    )


@serve_app.callback(
    epilog="Examples:\n\n  mri serve\n\n  mri serve --port 9500 --rest-port 9501\n\n"
    "  mri serve --flag bind_address=0.0.0.0 --flag max_num_load_retries=0"
)
def serve(
    context: typer.Context,
    work: Work = Path("work"),
    model: Annotated[str | None, typer.Option(help="Its name; default: the only one.")] = None,
    port: Annotated[int, typer.Option(help="Of gRPC.")] = 8500,
    rest_port: Annotated[int, typer.Option(help="Of REST; 0: no REST.")] = 8501,
    batching: Annotated[bool, typer.Option(help="Merge requests that come together.")] = True,
    request_log: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Log each prediction here, without the image."),
    ] = None,
    flag: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Another flag of TensorFlow Serving's."),
    ] = None,
) -> None:
    """Serve the pushed model over TensorFlow Serving's gRPC and REST; new versions are taken up."""
    if context.invoked_subcommand:
        return
    from pipeline import work as work_folder
    from pipeline.serve_command import serve_pushed

    serve_pushed(
        work_folder.Work(work.absolute()),
        model,
        port=port,
        rest_port=rest_port,
        batching=batching,
        request_log=request_log,
        flags=flag or (),
    )


@app.command(
    epilog="Examples:\n\n  mri web\n\n  mri web --server localhost:8501\n\n"
    "  SECRET_KEY=... mri web --server http://server:8501 --host 0.0.0.0"
)
def web(
    work: Work = Path("work"),
    model: Annotated[str | None, typer.Option(help="Its name; default: the only one.")] = None,
    server: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="REST of a running model server, or a URL."),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen at.")] = 8000,
) -> None:
    """Show a page that takes images and shows what the pushed model says of them."""
    from pipeline import work as work_folder
    from pipeline.web_command import serve_page

    serve_page(work_folder.Work(work.absolute()), model, server=server, host=host, port=port)


@app.command(
    epilog="Examples:\n\n  mri monitor --since 24h\n\n"
    "  mri monitor --since 7d --html monitor.html --textfile /var/lib/node_exporter/mri.prom\n\n"
    "Exit codes: 0 no drift, 1 failed, 5 drift."
)
def monitor(
    log: Annotated[
        Path | None,
        typer.Option(help="Folder of the server's request log; default: requests in --work."),
    ] = None,
    work: Work = Path("work"),
    statistics: Annotated[
        Path | None,
        typer.Option(help="The training images' statistics; default: those of the served version."),
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="90m, 24h, 7d, 2w or a time; default: all that is logged.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page.")] = None,
    textfile: Annotated[
        Path | None, typer.Option(help="Write metrics for Prometheus' node exporter.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    metadata: Annotated[
        str | None,
        typer.Option(envvar="MRI_METADATA", metavar="URL", help="As in `mri run`."),
    ] = None,
) -> None:
    """Compare what the served model is asked with what it was trained on."""
    from pipeline.monitor_command import monitor as compare
    from pipeline.work import Work

    drifted = compare(
        log or work / "requests",
        Work(work.absolute()),
        statistics=statistics,
        since=since,
        html=html,
        textfile=textfile,
        as_json=as_json,
        metadata_url=metadata,
    )
    if drifted:
        raise typer.Exit(ExitCode.DRIFT)


@serve_app.command(
    epilog="Examples:\n\n  mri serve bench localhost:8500 scans/*.png\n\n"
    "  mri serve bench http://localhost:8501 --in-flight 1 --in-flight 32 --json"
)
def bench(
    address: Annotated[
        str, typer.Argument(help="HOST:PORT for gRPC, or a URL: grpc, grpcs, http, https, unix.")
    ],
    images: Annotated[
        list[Path] | None, typer.Argument(help="Image files; default: a grey square.")
    ] = None,
    model: Annotated[str, typer.Option(help="Its name.")] = "brain_mri",
    in_flight: Annotated[
        list[int] | None, typer.Option(min=1, help="Requests at a time; default: 1, 2, 8 and 32.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long each load lasts.")] = 10,
    batch: Annotated[int, typer.Option(min=1, help="Images in a request.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Load a model server, and measure throughput and latency."""
    from pipeline import bench_command

    answered = bench_command.bench(
        address,
        images or [],
        model=model,
        concurrency=in_flight or (1, 2, 8, 32),
        seconds=seconds,
        batch=batch,
        as_json=as_json,
    )
    if not answered:
        raise typer.Exit(ExitCode.FAILED)


@serve_app.command(epilog="Example:\n\n  mri serve files deployment")
def files(
    out: Annotated[Path, typer.Argument(help="Folder to write.")],
    work: Work = Path("work"),
    model: Annotated[str, typer.Option(help="Its name.")] = "brain_mri",
) -> None:
    """Write the configuration of TensorFlow Serving, Docker Compose and Prometheus."""
    from pipeline.serve_files_command import write_deployment

    write_deployment(out, work, model)


@app.command(
    epilog="Examples:\n\n  mri report --open\n\n  mri report 2026-01-02 --json\n\n"
    "  mri report --compare 1795450816 1795460000"
)
def report(
    run: Annotated[
        str | None, typer.Argument(help="Run, its beginning, or version; default: the newest.")
    ] = None,
    work: Work = Path("work"),
    metadata: Metadata = None,
    open_page: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
    as_json: AsJson = False,
    compare: Annotated[
        tuple[str, str] | None, typer.Option(metavar="A B", help="Two models side by side.")
    ] = None,
) -> None:
    """Print where a model's report is, or its figures."""
    from pipeline.terminal import libraries_to

    with libraries_to(Path(os.devnull)) as console:
        from pipeline.report_command import show_report

        show_report(
            console,
            work.absolute(),
            run,
            metadata_url=metadata,
            open_page=open_page,
            as_json=as_json,
            compare=compare,
        )


@models_app.command("list")
def models_list(
    work: Work = Path("work"), metadata: Metadata = None, as_json: AsJson = False
) -> None:
    """List all models: versions, state, figures, data."""
    from pipeline.terminal import libraries_to

    with libraries_to(Path(os.devnull)) as console:
        from pipeline.models_command import list_models

        list_models(console, work.absolute(), metadata_url=metadata, as_json=as_json)


@models_app.command("show")
def models_show(
    name: Annotated[
        str | None,
        typer.Argument(metavar="RUN", help="Run, its beginning, or version; default: the newest."),
    ] = None,
    work: Work = Path("work"),
    metadata: Metadata = None,
    as_json: AsJson = False,
) -> None:
    """Show which data, code and run made a model, and what was decided about it."""
    from pipeline.terminal import libraries_to

    with libraries_to(Path(os.devnull)) as console:
        from pipeline.models_command import show_model

        show_model(console, work.absolute(), name, metadata_url=metadata, as_json=as_json)


@models_app.command(
    "approve", epilog="Example:\n\n  mri models approve 2026-01-02 --reason 'read the report'"
)
def models_approve(
    run: Annotated[str, typer.Argument(help="Run, its beginning, or version.")],
    reason: Reason,
    work: Work = Path("work"),
    metadata: Metadata = None,
) -> None:
    """Push a blessed model that waits for review."""
    from pipeline.terminal import libraries_to

    with libraries_to(Path(os.devnull)) as console:
        from pipeline.models_command import decide

        decide(console, work.absolute(), run, "approve", reason, metadata_url=metadata)


@models_app.command(
    "reject", epilog="Example:\n\n  mri models reject 2026-01-02 --reason 'misses small tumours'"
)
def models_reject(
    run: Annotated[str, typer.Argument(help="Run, its beginning, or version.")],
    reason: Reason,
    work: Work = Path("work"),
    metadata: Metadata = None,
) -> None:
    """Close a blessed model that waits for review; it is never pushed."""
    from pipeline.terminal import libraries_to

    with libraries_to(Path(os.devnull)) as console:
        from pipeline.models_command import decide

        decide(console, work.absolute(), run, "reject", reason, metadata_url=metadata)


@models_app.command(
    "rollback", epilog="Example:\n\n  mri models rollback 1795450816 --reason 'complaints'"
)
def models_rollback(
    reason: Reason,
    name: Annotated[
        str | None,
        typer.Argument(metavar="VERSION", help="Version or run; default: the one before."),
    ] = None,
    work: Work = Path("work"),
    metadata: Metadata = None,
) -> None:
    """Serve an earlier model again, as a new version."""
    from pipeline.terminal import libraries_to

    with libraries_to(Path(os.devnull)) as console:
        from pipeline.models_command import decide

        decide(console, work.absolute(), name, "rollback", reason, metadata_url=metadata)


@app.command(epilog="Example:\n\n  mri tensorboard --work work --port 6006")
def tensorboard(
    work: Work = Path("work"),
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen at.")] = 6006,
) -> None:
    """Show the curves of all trainings in a browser."""
    from pipeline.tensorboard_command import show_tensorboard

    show_tensorboard(work.absolute(), host, port)


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
