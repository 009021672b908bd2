"""`mri tensorboard`: the curves of all trainings in a browser."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from components.child_process import end, start
from components.errors import PipelineError, UsageError
from mri.options import WorkFolder
from pipeline import node_ids
from pipeline.termination import STOPPED
from pipeline.work import Work

app = typer.Typer(add_completion=False)


@app.command(epilog="Example:\n\n  mri tensorboard --work work --port 6006")
def tensorboard(
    work: WorkFolder = Path("work"),
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 6006,
) -> None:
    """Show the curves of all trainings in a browser."""
    folder = Work(work.absolute())
    logs = folder.artifacts / node_ids.TRAINER / "model_run"
    if not logs.is_dir():
        raise UsageError(f"Nothing was trained in {folder.root} yet: run `mri run` first.")
    typer.echo(f"http://{host}:{port}/ shows {logs}; Ctrl-C ends it.")
    flags = (f"--logdir={logs}", f"--host={host}", f"--port={port}")
    board = start([sys.executable, "-m", "tensorboard.main", *flags])
    try:
        code = board.wait()
    except STOPPED:
        end(board)
        return
    if code:
        raise PipelineError(
            f"TensorBoard ended with code {code}: is port {port} taken? Try --port."
        )
