"""The run that `mri schedule` and `mri watch` start, and what both are told besides."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from components.trainer.weights.vgg16 import resolve_weights
from mri.run_flags import RunFlags
from pipeline.beam_config import BeamConfig
from pipeline.environment import METADATA_VARIABLE

OnFailure = Annotated[
    str | None,
    typer.Option(
        metavar="COMMAND", help="Program to start when a run fails; see docs/schedule.md."
    ),
]


def run_command(
    flags: RunFlags,
    work: Path,
    metadata: str | None,
    *,
    data: Path | str | None = None,
    span: int | None = None,
) -> list[str]:
    """The `mri run` to start, its settings known to be right.

    Args:
        flags: What it is told.
        work: The work folder.
        metadata: URL of ML Metadata, which may hold a password: it goes by the environment.
        data: The data folder, or one in a bucket.
        span: The span to read.

    Returns:
        The command.

    Raises:
        PipelineError: A run would refuse its settings.
    """
    config = flags.config(data=data, span=span)
    if isinstance(config.model.weights, Path):
        resolve_weights(config.model.weights)
    if config.beam != BeamConfig():
        # Beam is large for a process that only waits.
        from pipeline.beam_options import checked_beam_options

        checked_beam_options(config.beam.arguments)
    if metadata is not None:
        os.environ[METADATA_VARIABLE] = metadata
    # A folder by the path that it has from anywhere, as the run's own is.
    words = flags.words(work=work.absolute(), data=data and config.data, span=span)
    return [sys.executable, "-m", "mri", "run", "--wait", *words]
