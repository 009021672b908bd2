"""Flags of the commands that read a compiled pipeline, and of those that ask a server."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from kubeflow.server import Server, ServerConfig
from pipeline.environment import KFP_CA, KFP_HOST, KFP_NAMESPACE, KFP_TOKEN, KFP_TOKEN_FILE

Compiled = Annotated[
    Path, typer.Argument(metavar="PIPELINE", help="What `mri kubeflow compile` wrote.")
]
Parameters = Annotated[
    list[str] | None,
    typer.Option("--param", metavar="NAME=VALUE", help="A parameter that the file declares."),
]
Experiment = Annotated[
    str | None, typer.Option(help="What runs are counted with; default: the pipeline's name.")
]
ServiceAccount = Annotated[
    str | None, typer.Option(help="Kubernetes account of the tasks; default: Kubeflow's.")
]


@dataclass(frozen=True)
class ServerFlags:
    """Which Kubeflow Pipelines server is meant."""

    host: Annotated[
        str | None,
        typer.Option(envvar=KFP_HOST, metavar="URL", help="The server; in a pod, Kubeflow's."),
    ] = None
    namespace: Annotated[
        str | None,
        typer.Option(envvar=KFP_NAMESPACE, help="Of the runs, where Kubeflow has several users."),
    ] = None
    token_file: Annotated[
        Path | None,
        typer.Option(
            envvar=KFP_TOKEN_FILE,
            metavar="FILE",
            help=f"File with a bearer token, read anew each time; or set {KFP_TOKEN} to the token.",
        ),
    ] = None
    ca: Annotated[
        Path | None,
        typer.Option(
            "--ca",
            envvar=KFP_CA,
            metavar="FILE",
            help="Certificate of the server's authority.",
        ),
    ] = None
    timeout: Annotated[
        int | None, typer.Option(min=1, help="Seconds that an answer may take; default: 30.")
    ] = None

    def connect(self) -> Server:
        """Connects to the server that the flags and the environment name.

        Raises:
            PipelineError: None is named, or it does not answer.
        """
        return Server(ServerConfig.read(**asdict(self)))
