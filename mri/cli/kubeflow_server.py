"""Flags that say which Kubeflow Pipelines server is meant, for every command that asks one."""

import inspect
import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.environment import KFP_CA, KFP_HOST, KFP_NAMESPACE, KFP_TOKEN, KFP_TOKEN_FILE

if TYPE_CHECKING:
    from kubeflow.server import Server

Host = Annotated[
    str | None,
    typer.Option(envvar=KFP_HOST, metavar="URL", help="The server; in a pod, Kubeflow's."),
]
Namespace = Annotated[
    str | None,
    typer.Option(envvar=KFP_NAMESPACE, help="Of the runs, where Kubeflow has several users."),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        envvar=KFP_TOKEN_FILE,
        metavar="FILE",
        help=f"File with a bearer token, read anew each time; or set {KFP_TOKEN} to the token.",
    ),
]
Authority = Annotated[
    Path | None,
    typer.Option(
        "--ca",
        envvar=KFP_CA,
        metavar="FILE",
        help="Certificate of the server's authority.",
    ),
]
Timeout = Annotated[
    int | None, typer.Option(min=1, help="Seconds that an answer may take; default: 30.")
]


Connect = Callable[[], "Server"]
"""Connects to the server that the flags and the environment name."""


def asks_server(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command the flags that say which server is meant.

    Args:
        command: Besides its own flags it takes `console`, where it prints, and `connect`, a
            `Connect`. What kfp prints goes nowhere.

    Returns:
        The command with the server's flags behind its own.
    """

    @wraps(command)
    def ask(**given: Any) -> None:
        from mri.terminal import libraries_to

        named = {name: given.pop(name) for name in flags}
        with libraries_to(Path(os.devnull)) as console:
            command(console=console, connect=lambda: _connect(**named), **given)

    flags = inspect.signature(_connect).parameters
    own = inspect.signature(command).parameters
    parameters = [
        *(own[name] for name in own if name not in ("console", "connect")),
        *flags.values(),
    ]
    ask.__dict__["__signature__"] = inspect.Signature(parameters)  # what typer reads
    ask.__annotations__ = {one.name: one.annotation for one in parameters}
    return ask


def _connect(
    *,
    host: Host = None,
    namespace: Namespace = None,
    token_file: TokenFile = None,
    ca: Authority = None,
    timeout: Timeout = None,
) -> "Server":
    from kubeflow.server import Server, ServerConfig

    return Server(
        ServerConfig.read(
            host=host, namespace=namespace, token_file=token_file, ca=ca, timeout=timeout
        )
    )
