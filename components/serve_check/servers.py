"""Real model servers, each a process of its own: this project's, or TensorFlow Serving's image."""

import csv
import io
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from components.child_process import end, last_line, start
from components.errors import UsageError
from components.free_ports import free_ports
from components.serve_check.config import ServeCheckConfig
from components.serve_check.wire import MODEL, Endpoints, GrpcWire, UndecidedError, no_result
from components.signature import Signer

_SECONDS_BETWEEN_POLLS = 0.1
_FLAGS = ("--max_num_load_retries=0", "--file_system_poll_wait_seconds=0")
"""What cannot be loaded once is refused; waiting for it to change would only take time."""


class _EndedError(Exception):
    """The server's process is gone."""


@contextmanager
def start_server(
    config: ServeCheckConfig, model: Path, meanwhile: Future[Any]
) -> Iterator[Endpoints]:
    """Runs a server for one model, and ends it.

    Args:
        config: Which server, and how long it may take.
        model: The SavedModel's folder.
        meanwhile: What is done while it starts; what that raises ends the waiting.

    Yields:
        Where it listens; the model is available.

    Raises:
        RefusedError: The model cannot be loaded; the message says why.
        UndecidedError: It did not become available, perhaps because of the machine.
        PipelineError: The server that is asked for is not on this machine.
    """
    if config.server == "tensorflow_serving" and "KUBERNETES_SERVICE_HOST" in os.environ:
        from components.serve_check.kubernetes import start_pod

        with start_pod(config, model) as endpoints:
            _wait_until_available(endpoints, config.timeout, None, meanwhile)
            yield endpoints
        return
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        grpc_port, rest_port = free_ports(2)
        command = (
            _docker_command(config, model, grpc_port, rest_port)
            if config.server == "tensorflow_serving"
            else _embedded_command(base, model, grpc_port, rest_port)
        )
        log = base / "log.txt"
        with log.open("wb") as output:
            process = start(
                command,
                # Docker's client passes on what it can catch, and the container ends.
                ends_by=signal.SIGTERM if command[0] == "docker" else signal.SIGKILL,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "1"},
            )
        endpoints = Endpoints(f"127.0.0.1:{grpc_port}", f"127.0.0.1:{rest_port}")
        try:
            _wait_until_available(endpoints, config.timeout, process, meanwhile)
            yield endpoints
        except _EndedError as error:
            raise UndecidedError(f"the server ended unexpectedly: {_said(log)}") from error
        finally:
            end(process)
            # For the run's log; components' own messages go to the terminal.
            sys.stdout.write(log.read_text(encoding="utf-8", errors="replace"))


def _embedded_command(base: Path, model: Path, grpc_port: int, rest_port: int) -> list[str]:
    models = base / "models"
    models.mkdir()
    signer = Signer.from_environment()
    trusted = base / "trusted.pem"
    if signer is None:
        (models / "1").symlink_to(model.absolute(), target_is_directory=True)
    else:  # as it will be served: signed, by a server that asks for it
        shutil.copytree(model, models / "1")
        signer.sign(models / "1")
        signer.write_trusted(trusted)
    return [
        sys.executable,
        *("-m", "serving.server"),
        f"--port={grpc_port}",
        f"--rest_api_port={rest_port}",
        f"--model_name={MODEL}",
        f"--model_base_path={models}",
        *([f"--require_signature={trusted}"] if signer else []),
        *_FLAGS,
    ]


def _docker_command(
    config: ServeCheckConfig, model: Path, grpc_port: int, rest_port: int
) -> list[str]:
    if shutil.which("docker") is None:
        raise UsageError(
            "serve_check.server is tensorflow_serving, and this machine has no Docker: install it, "
            "or set serve_check.server=embedded."
        )
    return [
        *("docker", "run", "--rm", "--init"),
        *("--publish", f"127.0.0.1:{grpc_port}:8500"),
        *("--publish", f"127.0.0.1:{rest_port}:8501"),
        *("--mount", _mount(model.absolute(), f"/models/{MODEL}/1")),
        *("--env", f"MODEL_NAME={MODEL}"),
        config.image,
        *_FLAGS,
    ]


def _mount(source: Path, target: str) -> str:
    """A folder of this machine in a container, read-only; Docker reads it as a row of CSV."""
    row = io.StringIO()
    csv.writer(row, lineterminator="").writerow(
        ["type=bind", f"source={source}", f"target={target}", "readonly"]
    )
    return row.getvalue()


def _wait_until_available(
    endpoints: Endpoints,
    timeout: float,
    process: subprocess.Popen[bytes] | None,
    meanwhile: Future[Any],
) -> None:
    until = time.monotonic() + timeout
    with closing(GrpcWire(endpoints, timeout=5)) as wire:
        while time.monotonic() < until:
            if meanwhile.done():
                meanwhile.result()
            if process is not None and process.poll() is not None:
                raise _EndedError
            state, code, message = wire.load_state()
            if state == "AVAILABLE":
                return
            if state == "END":
                raise no_result(code, f"the server could not load the model: {message}")
            time.sleep(_SECONDS_BETWEEN_POLLS)
    raise UndecidedError(f"the model was not available within {timeout:g} s (serve_check.timeout)")


def _said(log: Path) -> str:
    return last_line(log)[:300] or "it printed nothing"
