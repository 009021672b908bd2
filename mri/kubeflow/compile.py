"""`mri kubeflow compile`: the pipeline as a file that a Kubeflow server takes."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from kubeflow.backends import NEWEST_BACKEND, find_backend
from kubeflow.cluster import read_cluster
from kubeflow.compiled import check_name
from kubeflow.image import check_image
from mri.options import spread
from mri.run_flags import Preset, Settings, Span
from pipeline.config import Setting, load_config, parse_setting

app = typer.Typer(add_completion=False)


@app.command(
    "compile",
    epilog="Examples:\n\n"
    "  mri kubeflow compile --image registry.example.com/brain-mri:1.0\n\n"
    "  mri kubeflow compile --image brain-mri:1.0 --data scans -o scans.yaml\n\n"
    "  mri kubeflow compile --image brain-mri:1.0 --cluster cluster.yaml",
)
@spread
def compile_pipeline(
    console: Console,
    image: Annotated[
        str, typer.Option(metavar="IMAGE", help="Container image that contains this package.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="File to write.")] = Path(
        "pipeline.yaml"
    ),
    preset: Preset = "sample",
    settings: Settings = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Data folder on the shared storage, or s3://BUCKET/FOLDER; default: the synthetic "
            "sample."
        ),
    ] = None,
    span: Span = None,
    cluster: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="YAML file that describes storage, secrets and resources; see the docs.",
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(help="The pipeline's name on Kubeflow; default: the setting `name`."),
    ] = None,
    backend: Annotated[
        str,
        typer.Option(
            metavar="VERSION", help="Release of Kubeflow Pipelines on the cluster: 2.14 to 2.17."
        ),
    ] = NEWEST_BACKEND,
) -> None:
    """Compile the pipeline for Kubeflow Pipelines v2.

    The graph and the settings are fixed at this point. --data and --span are defaults that a run
    can change.
    """
    # What is wrong with these is said before TensorFlow is loaded.
    check_image(image)
    check_name(out)
    release = find_backend(backend)
    described = read_cluster(cluster)
    chosen: list[Setting] = [parse_setting(text) for text in settings or ()]
    if span is not None:
        chosen.append(("ingest.span", span))
    if data is not None:  # a folder of the cluster's: relative to the shared storage
        chosen.append(("data", data))
    config = load_config(preset, chosen)
    from kubeflow.compile import compile_for_kubeflow

    nodes = compile_for_kubeflow(config, image, out, described, name=name)
    console.print(
        f"{out}: {len(nodes)} nodes and the exit handler. Kubeflow Pipelines {release.version} "
        f"{release.retries}.",
        soft_wrap=True,
        markup=False,
    )
