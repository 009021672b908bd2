"""`mri web`: the page, and the model server behind it where there is none yet."""

import logging
import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Annotated

import typer

from components.child_process import end, start
from components.free_ports import free_ports
from mri.options import WorkFolder
from mri.served import served_model
from pipeline.exit_code import ExitCode
from pipeline.work import Work
from samples.synthetic import GENERATOR_VERSION
from serving.client.address import is_loopback
from serving.web import WebConfig, create_app
from serving.web.config import variable
from serving.web.server import PageServer, listener

_LOG = logging.getLogger(__name__)
_EXAMPLES_SEED = 5


app = typer.Typer(add_completion=False)


@app.command(
    epilog="Examples:\n\n  mri web\n\n  mri web --server localhost:8501\n\n"
    "  SECRET_KEY=... mri web --server http://server:8501 --host 0.0.0.0"
)
def web(
    work: WorkFolder = Path("work"),
    model: Annotated[
        str | None, typer.Option(help="Model name (default: the only model pushed).")
    ] = None,
    server: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="REST address of a running model server, or its URL."
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0: any free one.")
    ] = 8000,
) -> None:
    """Start a web page that shows what the pushed model says about an image."""
    folder = Work(work.absolute())
    listens = listener(host, port)
    own_key = secrets.token_hex(32) if is_loopback(host) else None
    settings = {
        "secret_key": os.environ.get("SECRET_KEY") or own_key,
        "model": model,
        "hosts": f"{os.environ.get(variable('hosts'), '')},{_name(host)}",
    }
    behind: AbstractContextManager[str]
    if server is None:
        models = served_model(folder.serving, model)
        settings |= {"model": models.name, "models": str(models)}
        behind = _embedded_server(models)
    else:
        behind = nullcontext(server if "://" in server else f"http://{server}")
    with behind as address:
        logging.basicConfig(
            level=logging.INFO, format="%(asctime)s %(levelname).1s %(message)s", stream=sys.stderr
        )
        logging.getLogger("httpx").setLevel(logging.WARNING)
        settings |= {"server": address, "examples": _examples(folder)}
        page = create_app(WebConfig.from_environment(os.environ, **settings))
        _serve(PageServer(page, listens), host)


def _name(host: str) -> str:
    """The name that the page listens by, if it is no address in numbers: those need none."""
    return "" if ":" in host or host.replace(".", "").isdigit() else host


def _serve(page: PageServer, host: str) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: page.end())
    shown = f"[{host}]" if ":" in host else host
    sys.stderr.write(f"The page is at http://{shown}:{page.port}\n")
    sys.stderr.flush()
    page.run()


@contextmanager
def _embedded_server(base_path: Path) -> Iterator[str]:
    """Runs the embedded server in a process of its own: the page's imports no TensorFlow."""
    grpc_port, port = free_ports(2)
    process = start(
        [
            *(sys.executable, "-m", "serving.server"),
            f"--port={grpc_port}",
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
        died = process.returncode is not None
        told.set()
        end(process)
        if died:
            sys.exit(ExitCode.FAILED)


def _end_with(process: "subprocess.Popen[bytes]", told: threading.Event) -> None:
    """Ends the page when its model server has ended, so that whoever started both can do so again.

    A container's runtime for instance, where the server was ended for want of memory.
    """
    process.wait()
    if not told.is_set():
        _LOG.error("the model server ended unexpectedly, so the page ends too")
        os.kill(os.getpid(), signal.SIGTERM)


def _examples(work: Work) -> str | None:
    """A folder of synthetic images, made once in a process that the page need not carry on.

    Args:
        work: The work folder, which keeps them.

    Returns:
        The folder; None where the environment names one, where there is no work folder to keep
        them, or where what draws them is not installed.
    """
    if os.environ.get(variable("examples")) or not work.root.is_dir():
        return None
    folder = work.cache / f"examples-{GENERATOR_VERSION}"
    if not folder.is_dir():
        command = ["data", "sample", str(folder), "--per-class=1", f"--seed={_EXAMPLES_SEED}"]
        with start(
            [sys.executable, "-m", "mri", *command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as maker:
            _, said = maker.communicate()
        if maker.returncode:
            _LOG.warning("no synthetic examples: %s", said.strip())
            return None
    return str(folder)
