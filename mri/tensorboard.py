"""`mri tensorboard`: the curves of all trainings in a browser."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from components.child_process import end, start
from components.errors import PipelineError
from mri.options import WorkFolder
from pipeline import node_ids
from pipeline.termination import STOPPED
from pipeline.work import Work

app = typer.Typer(add_completion=False)


@app.command(epilog="Example:\n\n  mri tensorboard --work work --port 6006")
def tensorboard(
    work: WorkFolder = Path("work"),
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen at.")] = 6006,
) -> None:
    """Show the curves of all trainings in a browser."""
    folder = Work(work.absolute())
    logs = folder.artifacts / node_ids.TRAINER / "model_run"
    if not logs.is_dir():
        raise PipelineError(f"Nothing was trained in {folder.root} yet: run `mri run` first.")
    Console(highlight=False, emoji=False).print(
        f"http://{host}:{port}/ shows {logs}; Ctrl-C ends it.", soft_wrap=True, markup=False
    )
    command = [sys.executable, "-m", "tensorboard.main", f"--logdir={logs}"]
    board = start([*command, f"--host={host}", f"--port={port}"])
    try:
        code = board.wait()
    except STOPPED:
        end(board)
        return
    if code:
        raise PipelineError(
            f"TensorBoard ended with code {code}: is port {port} taken? Try --port."
        )
