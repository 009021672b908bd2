"""`mri kubeflow`: the pipeline compiled for Kubeflow Pipelines, rehearsed here, and sent there."""

import os
from pathlib import Path
from typing import Annotated

import typer

from mri.cli import kubeflow_runs
from mri.options import Parameters, Preset, Settings, Span, quoted, run_settings
from pipeline.environment import METADATA_VARIABLE
from pipeline.exit_code import ExitCode

app = typer.Typer()
kubeflow_app = typer.Typer(
    no_args_is_help=True, help="Run the pipeline on Kubeflow Pipelines; rehearse that here."
)
app.add_typer(kubeflow_app, name="kubeflow")
kubeflow_app.add_typer(kubeflow_runs.app)


@kubeflow_app.command(
    "compile",
    epilog="Examples:\n\n"
    "  mri kubeflow compile --image registry.example.com/brain-mri:1.0\n\n"
    "  mri kubeflow compile --image brain-mri:1.0 --preset notebook --data scans -o scans.yaml\n\n"
    "  mri kubeflow compile --image brain-mri:1.0 --cluster cluster.yaml --set train.epochs=20",
)
def compile_pipeline(
    image: Annotated[
        str, typer.Option(metavar="IMAGE", help="Container image with this package in it.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="What to write.")] = Path(
        "pipeline.yaml"
    ),
    preset: Preset = "sample",
    settings: Settings = None,
    data: Annotated[
        str | None,
        typer.Option(help="Data folder on the shared storage; default: the synthetic sample."),
    ] = None,
    span: Span = None,
    cluster: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Storage, secrets and resources, YAML; see the docs."),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="The pipeline's name on Kubeflow; default: the setting's.")
    ] = None,
) -> None:
    """Compile the pipeline for Kubeflow Pipelines v2.

    The graph and the settings are fixed here; --data and --span are defaults that a run may change.
    """
    from kubeflow.cluster import read_cluster
    from kubeflow.compiled import check_name
    from kubeflow.image import check_image
    from mri.terminal import libraries_to
    from pipeline.config import load_config

    # What is wrong with these is said before TensorFlow is loaded.
    check_image(image)
    check_name(out)
    described = read_cluster(cluster)
    chosen = run_settings(settings, span=span)
    if data is not None:  # a folder of the cluster's: relative to the shared storage
        chosen.append(f"data={quoted(data)}")
    config = load_config(preset, chosen)
    with libraries_to(Path(os.devnull)) as console:
        from kubeflow.compile import compile_for_kubeflow

        nodes = compile_for_kubeflow(config, image, out, described, name=name)
        console.print(
            f"{out}: {len(nodes)} nodes and the exit handler", soft_wrap=True, markup=False
        )


@kubeflow_app.command(
    epilog="Examples:\n\n"
    "  mri kubeflow rehearse pipeline.yaml\n\n"
    "  mri kubeflow rehearse pipeline.yaml --param data=/data/scans --param epochs=2\n\n"
    "  mri kubeflow rehearse pipeline.yaml --metadata postgresql://mlmd:PASSWORD@localhost/mlmd\n\n"
    "Exit codes: 0 done, 1 failed, 2 usage, 3 stopped by the data gate, 4 not blessed."
)
def rehearse(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A compiled pipeline.")],
    parameters: Parameters = None,
    storage: Annotated[
        Path, typer.Option(metavar="FOLDER", help="What stands for the shared storage.")
    ] = Path("work"),
    metadata: Annotated[
        str | None,
        typer.Option(
            envvar=METADATA_VARIABLE,
            metavar="URL",
            help="What the Secret holds: postgresql:// or mysql://USER:PASSWORD@HOST:PORT/DATABASE;"
            " default: SQLite in --storage, one task at a time.",
        ),
    ] = None,
    parallel: Annotated[int, typer.Option(min=1, help="Tasks that run at once, at most.")] = 2,
) -> None:
    """Run a compiled pipeline here as a cluster would: every task's command in its own process.

    Tasks share the storage folder and the database, and nothing else; retries, failures and the
    exit handler are those of the compiled file.
    """
    from mri.terminal import libraries_to

    with libraries_to(Path(os.devnull)) as console:
        from kubeflow.rehearse import rehearse as run

        code = run(
            file, parameters or (), storage, console, metadata_url=metadata, parallel=parallel
        )
    if code is not ExitCode.DONE:
        raise typer.Exit(code)
