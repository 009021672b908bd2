"""The `mri` command. What a command needs is imported when it runs, so that help is instant."""

import os
import sys
from typing import Annotated

import typer

from components.errors import PipelineError
from mri.cli import automation, classify, data, kubeflow, machine, models, run, serving
from pipeline.environment import DEBUG_VARIABLE
from pipeline.exit_code import ExitCode
from pipeline.termination import STOPPED, Terminated, raise_at_sigterm

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
for part in (run, automation, classify, serving, models, data, kubeflow, machine):
    app.add_typer(part.app)


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
        sys.exit(ExitCode.of(error))
    except STOPPED as error:
        sys.stderr.write("mri: stopped; the next run goes on from what is whole.\n")
        told = isinstance(error, Terminated)
        sys.exit(ExitCode.TERMINATED if told else ExitCode.INTERRUPTED)
