"""`mri kubeflow rehearse`: a compiled pipeline, run on this machine."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from kubeflow.backends import NEWEST_BACKEND, find_backend
from mri.kubeflow.options import Parameters
from mri.options import spread
from pipeline.environment import METADATA_VARIABLE
from pipeline.exit_code import ExitCode

app = typer.Typer(add_completion=False)


@app.command(
    epilog="Examples:\n\n"
    "  mri kubeflow rehearse pipeline.yaml\n\n"
    "  mri kubeflow rehearse pipeline.yaml --param data=/data/scans\n\n"
    "  mri kubeflow rehearse pipeline.yaml --metadata postgresql://mlmd@localhost/mlmd\n\n"
    "  mri kubeflow rehearse pipeline.yaml --backend 2.16 --lose Trainer=20\n\n"
    "Exit codes: 0 done, 1 failed, 2 usage, 3 stopped by the data gate, 4 not blessed."
)
@spread
def rehearse(
    console: Console,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A compiled pipeline.")],
    parameters: Parameters = None,
    storage: Annotated[
        Path,
        typer.Option(metavar="FOLDER", help="Folder that takes the place of the shared storage."),
    ] = Path("work"),
    metadata: Annotated[
        str | None,
        typer.Option(
            envvar=METADATA_VARIABLE,
            metavar="URL",
            help="The URL that the Secret holds on a cluster: "
            "postgresql://USER:PASS@HOST/DB or mysql://; "
            "default: SQLite in --storage, one task at a time.",
        ),
    ] = None,
    parallel: Annotated[
        int, typer.Option(min=1, help="The largest number of tasks to run at once.")
    ] = 2,
    backend: Annotated[
        str,
        typer.Option(
            metavar="VERSION", help="Release of Kubeflow Pipelines to imitate: 2.14 to 2.17."
        ),
    ] = NEWEST_BACKEND,
    lose: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TASK=SECONDS",
            help="Lose a task's pod this many seconds after its first attempt has begun.",
        ),
    ] = None,
) -> None:
    """Run a compiled pipeline here as a cluster would: every task's command in its own process.

    Tasks share the storage folder and the database, and nothing else; retries, failures and the
    exit handler are those of the compiled file, as that release of Kubeflow Pipelines takes them.
    """
    from kubeflow.rehearse import rehearse as run

    code = run(
        file,
        parameters or (),
        storage,
        console,
        metadata_url=metadata,
        parallel=parallel,
        backend=find_backend(backend),
        lose=lose or (),
    )
    if code is not ExitCode.DONE:
        raise typer.Exit(code)
