"""`mri tensorboard`: the curves of all trainings in a browser."""

import subprocess
import sys
from pathlib import Path

from rich.console import Console

from components.errors import PipelineError
from pipeline import node_ids
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
    Console().print(f"http://{host}:{port}/ shows {logs}; Ctrl-C ends it.", soft_wrap=True)
    command = [sys.executable, "-m", "tensorboard.main", f"--logdir={logs}"]
    try:
        code = subprocess.run(
            [*command, f"--host={host}", f"--port={port}"], check=False
        ).returncode
    except KeyboardInterrupt:
        return
    if code:
        raise PipelineError(
            f"TensorBoard ended with code {code}: is port {port} taken? Try --port."
        )
