"""`mri serve bench`: how many images a model server classifies, and how long each takes."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from components.errors import PipelineError
from mri.terminal import libraries_to
from serving.client.images import encode_image
from serving.load import LoadReport, generate_load, sessions


def bench(
    address: str,
    images: Sequence[Path],
    *,
    model: str,
    concurrency: Sequence[int],
    seconds: float,
    batch: int,
    as_json: bool,
) -> bool:
    """Loads a server and shows what it stood.

    Args:
        address: The server's, as the client takes it.
        images: Image files, sent over and over; none: a grey square.
        model: The model's name.
        concurrency: How many requests are in flight, one load after the other.
        seconds: How long each load lasts.
        batch: How many images a request holds.
        as_json: Print JSON instead of a table.

    Returns:
        Whether every request was answered.

    Raises:
        PipelineError: An image cannot be read, or no request was answered at all.
    """
    with libraries_to(Path(os.devnull)) as console:
        encoded = [encode_image(path) for path in images] or [_square()]
        batches = [
            [encoded[(first + number) % len(encoded)] for number in range(batch)]
            for first in range(0, len(encoded), batch)
        ]
        open_session = sessions(address, model, batches)
        reports = []
        for connections in concurrency:
            with console.status(f"{connections} requests in flight, {seconds:g} s"):
                reports.append(
                    generate_load(
                        open_session, concurrency=connections, seconds=seconds, images=batch
                    )
                )
        if not any(report.requests for report in reports):
            raise PipelineError(
                f"No request to {address} was answered: {_errors(reports[-1])}. Is it a model "
                f"server, and is its model called {model}?"
            )
        if as_json:
            console.print(
                json.dumps([report.as_dict() for report in reports], indent=2), soft_wrap=True
            )
        else:
            console.print(_table(reports))
    return not any(report.errors for report in reports)


def _table(reports: Sequence[LoadReport]) -> Table:
    table = Table()
    for column in ("in flight", "images/s", "p50 ms", "p95 ms", "p99 ms", "requests"):
        table.add_column(column, justify="right")
    table.add_column("errors")
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


def _square() -> bytes:
    import numpy as np

    return encode_image(np.full((224, 224), 96, np.uint8))
