"""`mri kubeflow`: the pipeline on Kubeflow Pipelines."""

import typer

from pipeline.cli import kubeflow_runs

app = typer.Typer()
kubeflow = typer.Typer(no_args_is_help=True, help="The pipeline on Kubeflow Pipelines.")
app.add_typer(kubeflow, name="kubeflow")
kubeflow.add_typer(kubeflow_runs.app)
