import os
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress

import pytest
import tensorflow as tf
from model_server import free_port

from components.errors import PipelineError
from mri.tensorboard import tensorboard

pytestmark = pytest.mark.long


@pytest.fixture
def trained(tmp_path):
    """A work folder with the logs of one training."""
    logs = tmp_path / "artifacts" / "Trainer" / "model_run" / "7"
    with tf.summary.create_file_writer(str(logs)).as_default():
        tf.summary.scalar("epoch_loss", 0.5, step=1)
    return tmp_path


def _runs(port: int, process: subprocess.Popen) -> bytes:
    """Asks until the server answers."""
    while process.poll() is None:
        with suppress(OSError):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/data/runs", timeout=60) as answer:
                if b"7" in (runs := answer.read()):
                    return runs
        time.sleep(0.2)  # between two looks at what another process serves
    raise AssertionError("TensorBoard ended without an answer")


def test_tensorboard_shows_the_trainings(trained):
    port = free_port()
    command = [sys.executable, "-m", "mri", "tensorboard"]
    process = subprocess.Popen(
        [*command, "--work", str(trained), "--port", str(port)], start_new_session=True
    )
    try:
        assert b"7" in _runs(port, process)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=300)


def test_without_a_training_it_says_what_to_do(tmp_path):
    with pytest.raises(PipelineError, match="mri run"):
        tensorboard(tmp_path)
