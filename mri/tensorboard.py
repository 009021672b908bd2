"""`mri tensorboard`: the curves of all trainings in a browser."""

import sys
from pathlib import Path

from rich.console import Console

from components.child_process import end, start
from components.errors import PipelineError
from pipeline import node_ids
from pipeline.termination import STOPPED
from pipeline.work import Work


def show_tensorboard(root: Path, host: str, port: int) -> None:
    """Serves TensorBoard until it is interrupted.

    Args:
        root: The work folder.
        host: Address to listen at.
        port: Port to listen at.

    Raises:
        PipelineError: Nothing was trained there, or the port is taken.
    """
    logs = Work(root).artifacts / node_ids.TRAINER / "model_run"
    if not logs.is_dir():
        raise PipelineError(f"Nothing was trained in {root} yet: run `mri run` first.")
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
