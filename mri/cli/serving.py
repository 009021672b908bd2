"""`mri serve`, `mri web` and `mri monitor`: the pushed model at work."""

from pathlib import Path
from typing import Annotated

import typer

from components.servable import MODEL_NAME
from mri.options import AsJson, Metadata, Work
from pipeline.exit_code import ExitCode

app = typer.Typer()
serve_app = typer.Typer(invoke_without_command=True)
app.add_typer(serve_app, name="serve")


@serve_app.callback(
    epilog="Examples:\n\n  mri serve\n\n  mri serve --port 9500 --rest-port 9501\n\n"
    "  mri serve --flag bind_address=0.0.0.0 --flag max_num_load_retries=0"
)
def serve(
    context: typer.Context,
    work: Work = Path("work"),
    model: Annotated[str | None, typer.Option(help="Its name; default: the only one.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of gRPC.")] = 8500,
    rest_port: Annotated[int, typer.Option(min=0, max=65535, help="Of REST; 0: no REST.")] = 8501,
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
    from mri.serve.serve import serve_pushed
    from pipeline import work as work_folder

    serve_pushed(
        work_folder.Work(work.absolute()),
        model,
        port=port,
        rest_port=rest_port,
        batching=batching,
        request_log=request_log,
        flags=flag or (),
    )


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
    model: Annotated[str, typer.Option(help="Its name.")] = MODEL_NAME,
    in_flight: Annotated[
        list[int] | None, typer.Option(min=1, help="Requests at a time; default: 1, 2, 8 and 32.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long each load lasts.")] = 10,
    batch: Annotated[int, typer.Option(min=1, help="Images in a request.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Load a model server, and measure throughput and latency."""
    from mri.serve import bench as bench_command

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
    model: Annotated[str, typer.Option(help="Its name.")] = MODEL_NAME,
) -> None:
    """Write the configuration of TensorFlow Serving, Docker Compose and Prometheus."""
    from mri.serve.files import write_deployment

    write_deployment(out, work, model)


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
    from mri.web import serve_page
    from pipeline import work as work_folder

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
    model: Annotated[
        str | None, typer.Option(help="The served model's name; default: the only one logged.")
    ] = None,
    version: Annotated[
        int | None, typer.Option(help="Its version; default: the newest that was logged.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page.")] = None,
    textfile: Annotated[
        Path | None, typer.Option(help="Write metrics for Prometheus' node exporter.")
    ] = None,
    as_json: AsJson = False,
    metadata: Metadata = None,
) -> None:
    """Compare what the served model is asked with what it was trained on."""
    from mri.monitor import monitor as compare
    from pipeline import work as work_folder

    folder = work_folder.Work(work.absolute())
    drifted = compare(
        log or folder.requests,
        folder,
        statistics=statistics,
        since=since,
        model=model,
        version=version,
        html=html,
        textfile=textfile,
        as_json=as_json,
        metadata_url=metadata,
    )
    if drifted:
        raise typer.Exit(ExitCode.DRIFT)
