"""The `mri` command: which commands there are, and how an error is told."""

import os
import sys
from typing import Annotated

import typer

from components.errors import PipelineError
from mri.lazy import LazyGroup
from pipeline.environment import DEBUG_VARIABLE
from pipeline.exit_code import ExitCode
from pipeline.termination import STOPPED, Terminated, raise_at_sigterm

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


class MriCommands(LazyGroup):
    """All that `mri` can do."""

    table = {
        "run": ("mri.run", "Run the pipeline: ingest, validate, train, evaluate and push."),
        "schedule": (
            "mri.schedule",
            "Run the pipeline whenever a cron time comes, one run at a time.",
        ),
        "watch": (
            "mri.watch",
            "Run the pipeline for every span that arrives in a folder, in order, one at a time.",
        ),
        "predict": (
            "mri.predict",
            "Classify images with the pushed model, or with a model server.",
        ),
        "batch": (
            "mri.batch.command",
            "Classify many images into Parquet or CSV; a bad file gets an error, and ends nothing.",
        ),
        "web": (
            "mri.web",
            "Show a page that takes images and shows what the pushed model says of them.",
        ),
        "monitor": (
            "mri.monitor",
            "Compare what the served model is asked with what it was trained on.",
        ),
        "serve": (
            "mri.serve",
            "Serve the pushed model over TensorFlow Serving's gRPC and REST; new versions are "
            "taken up.",
        ),
        "report": ("mri.report", "Print where a model's report is, or its figures."),
        "tensorboard": ("mri.tensorboard", "Show the curves of all trainings in a browser."),
        "models": ("mri.models", "See and decide which model is served."),
        "data": ("mri.data", "Make, fetch and inspect folders of images."),
        "kubeflow": (
            "mri.kubeflow",
            "Run the pipeline on Kubeflow Pipelines; rehearse that here.",
        ),
        "doctor": (
            "mri.doctor",
            "Check what this machine has: versions, processor, memory, disk, weights, pushed "
            "model.",
        ),
        "clean": (
            "mri.clean",
            "Remove old runs' artifacts and caches, never what is served, waits or was blessed "
            "last.",
        ),
    }


app = typer.Typer(
    name="mri",
    cls=MriCommands,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
    help="From a folder of brain MRI images to a reviewed, served classifier.\n\n"
    "Decision support, never a diagnosis.",
)


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the trace of an error.")] = False,
) -> None:
    _debug(debug)


def _debug(value: bool | None = None) -> bool:
    """Whether traces are shown; told once by --debug."""
    if value is not None:
        os.environ[DEBUG_VARIABLE] = "1" if value else ""
    return bool(os.environ.get(DEBUG_VARIABLE))


def main() -> None:
    """Runs the command; an error that a person can act on is a sentence, not a trace."""
    raise_at_sigterm()
    try:
        app(prog_name="mri")
    except PipelineError as error:
        if _debug():
            raise
        sys.stderr.write(f"mri: {error}\n")
        sys.exit(error.exit_code)
    except STOPPED as error:
        sys.stderr.write("mri: stopped; the next run goes on from what is whole.\n")
        told = isinstance(error, Terminated)
        sys.exit(ExitCode.TERMINATED if told else ExitCode.INTERRUPTED)
