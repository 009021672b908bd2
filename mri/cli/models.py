"""`mri models`, `mri report` and `mri tensorboard`: what was trained, and what is served."""

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from mri.options import AsJson, Metadata, Reason, Work

app = typer.Typer()
models_app = typer.Typer(no_args_is_help=True, help="See and decide which model is served.")
app.add_typer(models_app, name="models")


@app.command(
    epilog="Examples:\n\n  mri report --open\n\n  mri report 2026-01-02 --json\n\n"
    "  mri report --compare 1795450816 1795460000"
)
def report(
    run: Annotated[
        str | None, typer.Argument(help="Run, its beginning, or version; default: the newest.")
    ] = None,
    work: Work = Path("work"),
    metadata: Metadata = None,
    open_page: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
    as_json: AsJson = False,
    compare: Annotated[
        tuple[str, str] | None, typer.Option(metavar="A B", help="Two models side by side.")
    ] = None,
) -> None:
    """Print where a model's report is, or its figures."""
    from mri.terminal import libraries_to

    with libraries_to(Path(os.devnull)) as console:
        from mri.report import show_report

        show_report(
            console,
            work.absolute(),
            run,
            metadata_url=metadata,
            open_page=open_page,
            as_json=as_json,
            compare=compare,
        )


@app.command(epilog="Example:\n\n  mri tensorboard --work work --port 6006")
def tensorboard(
    work: Work = Path("work"),
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen at.")] = 6006,
) -> None:
    """Show the curves of all trainings in a browser."""
    from mri.tensorboard import show_tensorboard

    show_tensorboard(work.absolute(), host, port)


@models_app.command("list")
def models_list(
    work: Work = Path("work"), metadata: Metadata = None, as_json: AsJson = False
) -> None:
    """List all models: versions, state, figures, data."""
    from mri.terminal import libraries_to

    with libraries_to(Path(os.devnull)) as console:
        from mri.models import list_models

        list_models(console, work.absolute(), metadata_url=metadata, as_json=as_json)


@models_app.command("show")
def models_show(
    name: Annotated[
        str | None,
        typer.Argument(metavar="RUN", help="Run, its beginning, or version; default: the newest."),
    ] = None,
    work: Work = Path("work"),
    metadata: Metadata = None,
    as_json: AsJson = False,
) -> None:
    """Show which data, code and run made a model, and what was decided about it."""
    from mri.terminal import libraries_to

    with libraries_to(Path(os.devnull)) as console:
        from mri.models import show_model

        show_model(console, work.absolute(), name, metadata_url=metadata, as_json=as_json)


@models_app.command(
    "approve", epilog="Example:\n\n  mri models approve 2026-01-02 --reason 'read the report'"
)
def models_approve(
    run: Annotated[str, typer.Argument(help="Run, its beginning, or version.")],
    reason: Reason,
    work: Work = Path("work"),
    metadata: Metadata = None,
) -> None:
    """Push a blessed model that waits for review."""
    _decide("approve", run, reason, work, metadata)


@models_app.command(
    "reject", epilog="Example:\n\n  mri models reject 2026-01-02 --reason 'misses small tumours'"
)
def models_reject(
    run: Annotated[str, typer.Argument(help="Run, its beginning, or version.")],
    reason: Reason,
    work: Work = Path("work"),
    metadata: Metadata = None,
) -> None:
    """Close a blessed model that waits for review; it is never pushed."""
    _decide("reject", run, reason, work, metadata)


@models_app.command(
    "rollback", epilog="Example:\n\n  mri models rollback 1795450816 --reason 'complaints'"
)
def models_rollback(
    reason: Reason,
    name: Annotated[
        str | None,
        typer.Argument(metavar="VERSION", help="Version or run; default: the one before."),
    ] = None,
    work: Work = Path("work"),
    metadata: Metadata = None,
) -> None:
    """Serve an earlier model again, as a new version."""
    _decide("rollback", name, reason, work, metadata)


def _decide(
    decision: Literal["approve", "reject", "rollback"],
    name: str | None,
    reason: str,
    work: Path,
    metadata: str | None,
) -> None:
    from mri.terminal import libraries_to

    with libraries_to(Path(os.devnull)) as console:
        from mri.models import decide

        decide(console, work.absolute(), name, decision, reason, metadata_url=metadata)
