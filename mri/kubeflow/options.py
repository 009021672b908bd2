"""Flags of the commands that read a compiled pipeline, and of those that ask a server."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from kubeflow.runs import Job
from kubeflow.server import Server
from pipeline.environment import KFP_CA, KFP_HOST, KFP_NAMESPACE, KFP_TOKEN, KFP_TOKEN_FILE

Compiled = Annotated[
    Path, typer.Argument(metavar="PIPELINE", help="File that `mri kubeflow compile` wrote.")
]
Parameters = Annotated[
    list[str] | None,
    typer.Option(
        "--param", metavar="NAME=VALUE", help="Value of a parameter that the file declares."
    ),
]
ServiceAccount = Annotated[
    str | None, typer.Option(help="Kubernetes service account of the tasks; default: Kubeflow's.")
]


@dataclass(frozen=True)
class JobFlags:
    """What is to run, and as what."""

    param: Parameters = None
    experiment: Annotated[
        str | None,
        typer.Option(help="Experiment that the runs belong to; default: the pipeline's name."),
    ] = None
    service_account: ServiceAccount = None

    def job(self, pipeline: Path, name: str | None, span: str | None = None) -> Job:
        """Checks what is given against the compiled file, before anything is sent.

        Raises:
            ConfigError: The file or a value is refused.
        """
        from kubeflow.arguments import given_values, span_text
        from kubeflow.compiled import read_compiled

        compiled = read_compiled(pipeline)
        texts = [*(self.param or ()), *([span_text(span)] if span else ())]
        values = given_values(compiled, texts)
        return Job(compiled, values, name, self.experiment, self.service_account)


def _given(variable: str | None, text: str, **options: Any) -> Any:
    """An option that a variable may give as well; `text` is its help."""
    return typer.Option(envvar=variable, help=text, **options)


_FILE: dict[str, Any] = {"exists": True, "dir_okay": False, "metavar": "FILE"}
_HOST = "Address of the server; default in a pod: Kubeflow's own."
_NAMESPACE = "Namespace of the runs, if Kubeflow has several users."
_TOKEN = f"File with a bearer token, read for each request; or set {KFP_TOKEN} to the token."
_CA = "Certificate of the authority that signed the server's."


@dataclass(frozen=True)
class ServerFlags:
    """Which Kubeflow Pipelines server is meant."""

    host: Annotated[str | None, _given(KFP_HOST, _HOST, metavar="URL")] = None
    namespace: Annotated[str | None, _given(KFP_NAMESPACE, _NAMESPACE)] = None
    token_file: Annotated[Path | None, _given(KFP_TOKEN_FILE, _TOKEN, **_FILE)] = None
    ca: Annotated[Path | None, _given(KFP_CA, _CA, **_FILE)] = None
    timeout: Annotated[int, _given(None, "Seconds to wait for an answer.", min=1)] = 30

    def connect(self) -> Server:
        """Connects to the server that the flags and the environment name."""
        return Server(**asdict(self))
