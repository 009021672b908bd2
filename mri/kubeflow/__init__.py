"""`mri kubeflow`: the pipeline compiled for Kubeflow Pipelines, rehearsed here, and sent there."""

import typer

from mri.lazy import LazyGroup


class KubeflowCommands(LazyGroup):
    """From a compiled file to runs on a server."""

    package = __name__
    table = {
        "compile": "Compile the pipeline for Kubeflow Pipelines v2.",
        "rehearse": "Run a compiled pipeline here as a cluster would: every task's command in its "
        "own process.",
        "check": "Check what a cluster lacks before it runs a compiled pipeline.",
        "submit": "Run a compiled pipeline on Kubeflow.",
        "schedule": "Run a compiled pipeline on Kubeflow on a schedule.",
        "runs": "Show and stop runs on Kubeflow.",
    }


app = typer.Typer(
    cls=KubeflowCommands,
    add_completion=False,
    no_args_is_help=True,
    help="Run the pipeline on Kubeflow Pipelines, or rehearse it on this machine.",
)
