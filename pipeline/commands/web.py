"""`mri web`: the page, and the model server behind it where there is none yet."""

import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.child_process import end, start
from components.errors import PipelineError
from pipeline.exit_code import ExitCode
from pipeline.served import served_model
from pipeline.work import Work
from serving.client.address import is_loopback

_LOG = logging.getLogger(__name__)
_EXAMPLES_SEED = 5


def serve_page(work: Work, name: str | None, *, server: str | None, host: str, port: int) -> None:
    """Serves the page until it is told to end.

    Args:
        work: The work folder, whose pushed model is served where no server is given.
        name: The model; None: the only one that there is, or `brain_mri` of a given server.
        server: A running server's REST address, `HOST:PORT` or a URL; None: one is started.
        host: Where the page listens.
        port: Where the page listens.

    Raises:
        PipelineError: There is no model, a setting is wrong, the address is in use, or the page is
            to be reached from elsewhere without a SECRET_KEY.
    """
    _demand_free(host, port)
    own_key = secrets.token_hex(32) if is_loopback(host) else None
    key = os.environ.get("SECRET_KEY") or own_key
    if server is not None:
        _run(work, host, port, secret_key=key, server=_url(server), model=name)
        return
    base_path = served_model(work.serving, name)
    with _embedded_server(base_path) as address:
        _run(
            work,
            host,
            port,
            secret_key=key,
            server=address,
            model=base_path.name,
            models=str(base_path),
        )


def _run(work: Work, host: str, port: int, **settings: str | None) -> None:
    from serving.web import WebConfig, create_app
    from serving.web.gunicorn import Gunicorn

    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname).1s %(message)s", stream=sys.stderr
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)
    app = create_app(WebConfig.from_environment(os.environ, examples=_examples(work), **settings))
    Gunicorn(app, host, port).run()


@contextmanager
def _embedded_server(base_path: Path) -> Iterator[str]:
    """Runs the embedded server in a process of its own: the page's imports no TensorFlow."""
    port, parent = _free_port(), os.getpid()
    process = start(
        [
            sys.executable,
            "-m",
            "serving.server",
            f"--port={_free_port()}",
            f"--rest_api_port={port}",
            f"--model_name={base_path.name}",
            f"--model_base_path={base_path}",
            "--bind_address=127.0.0.1",
        ],
        # Ctrl+C is for the page, which tells the server: one that ends untold has died.
        start_new_session=True,
    )
    told = threading.Event()
    threading.Thread(target=_end_with, args=(process, told), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        # gunicorn's worker is a fork that comes by here, too; it must end nothing.
        if os.getpid() == parent:
            died = process.returncode is not None
            told.set()
            end(process)
            if died:
                sys.exit(ExitCode.FAILED)


def _end_with(process: "subprocess.Popen[bytes]", told: threading.Event) -> None:
    """Ends the page when its model server has ended, so that whoever started both can do so again.

    A container's runtime for instance, where the server was ended for want of memory. How it ended
    is not known: gunicorn collects the exit codes of all children, and may be first.
    """
    process.wait()
    if not told.is_set():
        _LOG.error("the model server ended by itself, and so does the page")
        os.kill(os.getpid(), signal.SIGTERM)


def _examples(work: Work) -> str | None:
    """A folder of synthetic images, made once in a process that the page need not carry on.

    Args:
        work: The work folder, which keeps them.

    Returns:
        The folder; None where the environment names one, where there is no work folder to keep
        them, or where what draws them is not installed.
    """
    from samples.synthetic import GENERATOR_VERSION
    from serving.web.config import variable

    if os.environ.get(variable("examples")) or not work.root.is_dir():
        return None
    folder = work.cache / f"examples-{GENERATOR_VERSION}"
    if not folder.is_dir():
        command = ["data", "sample", str(folder), "--per-class=1", f"--seed={_EXAMPLES_SEED}"]
        with start(
            [sys.executable, "-m", "pipeline", *command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as maker:
            _, said = maker.communicate()
        if maker.returncode:
            _LOG.warning("no synthetic examples: %s", said.strip())
            return None
    return str(folder)


def _url(server: str) -> str:
    return server if "://" in server else f"http://{server}"


def _demand_free(host: str, port: int) -> None:
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        reason = error.strerror or "no such address"
        raise PipelineError(f"The page cannot listen at {host}:{port}: {reason}.") from None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
