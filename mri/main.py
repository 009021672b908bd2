"""The `mri` command: which commands there are, and how an error is told."""

import os
import sys
from typing import Annotated

import typer

from components.code_version import code_version
from components.errors import PipelineError
from mri.lazy import LazyGroup
from pipeline.environment import DEBUG_VARIABLE
from pipeline.exit_code import ExitCode
from pipeline.paths import harmless
from pipeline.termination import STOPPED, Terminated, raise_at_sigterm

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


class MriCommands(LazyGroup):
    """All that `mri` can do."""

    package = "mri"
    table = {
        "run": "Run the pipeline: ingest, validate, train, evaluate and push.",
        "schedule": "Run the pipeline at the times of a cron expression, one run at a time.",
        "watch": "Run the pipeline for each span that arrives in a folder, one at a time and in "
        "order.",
        "predict": "Classify images with the pushed model, or with a model server.",
        "batch": "Classify many images into Parquet or CSV, frame by frame; a bad file's row says "
        "why.",
        "web": "Start a web page that shows what the pushed model says about an image.",
        "monitor": "Compare the images that the served model is asked about with those that it was "
        "trained on.",
        "serve": "Serve the pushed model over TensorFlow Serving's gRPC and REST, and load new "
        "versions.",
        "evaluate": "Evaluate a model on images from elsewhere, such as another hospital's.",
        "pacs": "Receive DICOM studies, have the served model classify them, and send reports "
        "back.",
        "report": "Print the path of a model's report, or its figures.",
        "tensorboard": "Show the curves of all trainings in a browser.",
        "models": "Show models, and decide which one is served.",
        "data": "Make, fetch, inspect and audit folders of images.",
        "kubeflow": "Run the pipeline on Kubeflow Pipelines, or rehearse it on this machine.",
        "doctor": "Check what this machine has: versions, processor, memory, disk, weights, pushed "
        "model.",
        "clean": "Remove what old runs left; models that are served, wait or were blessed last "
        "stay.",
    }


app = typer.Typer(
    name="mri",
    cls=MriCommands,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Turn a folder of brain MRI images into a reviewed, served classifier.\n\n"
    "Decision support, not a diagnosis.",
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"mri {code_version()}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[  # noqa: ARG001 - its callback answers
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version, and exit."
        ),
    ] = False,
) -> None:
    os.environ[DEBUG_VARIABLE] = "1" if debug else ""


def main() -> None:
    """Runs the command; an error that a person can act on is a sentence, not a trace."""
    raise_at_sigterm()
    try:
        app(prog_name="mri")
    except PipelineError as error:
        if os.environ.get(DEBUG_VARIABLE):
            raise
        sys.stderr.write(f"mri: {harmless(str(error))}\n")
        sys.exit(error.exit_code)
    except STOPPED as error:
        sys.stderr.write("mri: stopped; the next run continues from what is complete.\n")
        told = isinstance(error, Terminated)
        sys.exit(ExitCode.TERMINATED if told else ExitCode.INTERRUPTED)
