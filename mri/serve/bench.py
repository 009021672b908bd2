"""`mri serve bench`: how many images a model server classifies, and how long each takes."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from components.errors import PipelineError
from components.servable import MODEL_NAME
from mri.options import AsJson, spread
from pipeline.exit_code import ExitCode
from pipeline.tables import print_table
from serving.client import Client, encode_image
from serving.load import LoadReport, generate_load, sessions

app = typer.Typer(add_completion=False)
_GREY = np.full((224, 224), 96, np.uint8)
"""What is asked about if no image is named."""


@app.command(
    epilog="Examples:\n\n  mri serve bench localhost:8500 scans/*.png\n\n"
    "  mri serve bench http://localhost:8501 --in-flight 1 --in-flight 32 --json"
)
@spread
def bench(
    console: Console,
    address: Annotated[
        str,
        typer.Argument(
            metavar="ADDRESS", help="HOST:PORT for gRPC, or a URL: grpc, grpcs, http, https, unix."
        ),
    ],
    images: Annotated[
        list[Path] | None,
        typer.Argument(metavar="IMAGE", help="Image files; default: a grey square."),
    ] = None,
    model: Annotated[str, typer.Option(help="Name of the model.")] = MODEL_NAME,
    in_flight: Annotated[
        list[int] | None, typer.Option(min=1, help="Requests at a time; default: 1, 2, 8 and 32.")
    ] = None,
    seconds: Annotated[
        float, typer.Option(min=0.1, help="Seconds to measure each number of requests.")
    ] = 10,
    batch: Annotated[int, typer.Option(min=1, help="Images in a request.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Put load on a model server and measure throughput and latency."""
    encoded = [encode_image(path) for path in images or ()] or [encode_image(_GREY)]
    batches = [
        [encoded[(first + number) % len(encoded)] for number in range(batch)]
        for first in range(0, len(encoded), batch)
    ]
    with Client(address, model=model, attempts=1) as client:
        client.status()  # of a wrong address or model, it says what is wrong
    open_session = sessions(address, model, batches)
    reports = []
    for connections in in_flight or (1, 2, 8, 32):
        with console.status(f"{connections} requests in flight, {seconds:g} s"):
            reports.append(
                generate_load(open_session, concurrency=connections, seconds=seconds, images=batch)
            )
    if not any(report.requests for report in reports):
        raise PipelineError(
            f"No request to {address} was answered: {_errors(reports[-1])}. Is it a model "
            f"server, and is its model called {model}?"
        )
    if as_json:
        console.print(json.dumps([asdict(report) for report in reports], indent=2), soft_wrap=True)
    else:
        print_table(console, _table(reports))
    if any(report.errors for report in reports):
        raise typer.Exit(ExitCode.FAILED)


def _table(reports: Sequence[LoadReport]) -> Table:
    table = Table()
    for column in ("in flight", "images/s", "p50 ms", "p95 ms", "p99 ms", "requests"):
        table.add_column(column, justify="right")
    table.add_column("errors", overflow="fold")
    for report in reports:
        latencies = (report.p50_ms, report.p95_ms, report.p99_ms)
        table.add_row(
            str(report.concurrency),
            f"{report.images_per_second:,.1f}",
            *("" if value is None else f"{value:,.1f}" for value in latencies),
            f"{report.requests:,}",
            _errors(report),
        )
    return table


def _errors(report: LoadReport) -> str:
    return ", ".join(f"{number:,} {code}" for code, number in sorted(report.errors.items()))
