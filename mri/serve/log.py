"""`mri serve log`: logs what a model server is asked, where it cannot do so itself."""

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from mri.options import WorkFolder
from pipeline.paths import shorter
from pipeline.work import Work
from serving.logging_proxy import ProxyConfig, parse_servers, run_proxy

app = typer.Typer(add_completion=False)


@app.command(
    epilog="Examples:\n\n  mri serve log --server localhost:8500 --rest-server "
    "http://localhost:8501\n\n  mri serve log --server mri.example.org:8500 --log requests"
)
def log(
    server: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="The model server, over gRPC.")
    ] = None,
    rest_server: Annotated[
        str | None, typer.Option(metavar="URL", help="The model server, over REST.")
    ] = None,
    log: Annotated[
        Path | None, typer.Option(help="Folder of the log; default: requests in --work.")
    ] = None,
    work: WorkFolder = Path("work"),
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port for gRPC.")] = 9500,
    rest_port: Annotated[int, typer.Option(min=1, max=65535, help="Port for REST.")] = 9501,
    sampling: Annotated[
        float, typer.Option(min=0, max=1, help="Share of requests that is logged.")
    ] = 1.0,
) -> None:
    """Pass requests on to TensorFlow Serving, and log its predictions for `mri monitor`."""
    over_grpc, over_rest = parse_servers(server, rest_server)
    folder = (log or Work(work.absolute()).requests).absolute()
    config = ProxyConfig(over_grpc, over_rest, folder, host, port, rest_port, sampling)
    console = Console(highlight=False, emoji=False)

    def ready() -> None:
        for protocol, before, here in (("gRPC", over_grpc, port), ("REST", over_rest, rest_port)):
            if before is not None:
                words = f"{protocol} on {host}:{here} is passed on to {before.target}"
                console.print(words, markup=False, soft_wrap=True)
        console.print(
            f"logging to {shorter(os.path.normpath(folder))}", markup=False, soft_wrap=True
        )

    asyncio.run(run_proxy(config, ready))
