"""Flags that say which Kubeflow Pipelines server is meant, and the server."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from kubeflow.server import Server

Host = Annotated[
    str | None,
    typer.Option(envvar="MRI_KFP_HOST", metavar="URL", help="The server; in a pod, Kubeflow's."),
]
Namespace = Annotated[
    str | None,
    typer.Option(envvar="MRI_KFP_NAMESPACE", help="Of the runs, where Kubeflow has several users."),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        envvar="MRI_KFP_TOKEN_FILE",
        metavar="FILE",
        help="File with a bearer token, read anew each time; or set MRI_KFP_TOKEN to the token.",
    ),
]
Authority = Annotated[
    Path | None,
    typer.Option(
        "--ca", envvar="MRI_KFP_CA", metavar="FILE", help="Certificate of the server's authority."
    ),
]
Timeout = Annotated[
    int | None, typer.Option(min=1, help="Seconds that an answer may take; default: 30.")
]


@contextmanager
def output() -> "Iterator[Console]":
    """A console of the command's own; what kfp prints goes nowhere."""
    from pipeline.terminal import libraries_to

    with libraries_to(Path(os.devnull)) as console:
        yield console


def connect(
    host: str | None,
    namespace: str | None,
    token_file: Path | None,
    ca: Path | None,
    timeout: int | None,
) -> "Server":
    """Connects to the server that the flags and the environment name.

    Args:
        host: Its address.
        namespace: Of the runs.
        token_file: A file with a bearer token.
        ca: The certificate of its authority.
        timeout: Seconds that an answer may take.

    Returns:
        The server.
    """
    from kubeflow.server import Server, ServerConfig

    return Server(
        ServerConfig.read(
            host=host, namespace=namespace, token_file=token_file, ca=ca, timeout=timeout
        )
    )
