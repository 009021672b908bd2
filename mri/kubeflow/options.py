"""Flags of the commands that read a compiled pipeline, and of those that ask a server."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from kubeflow.parameters import NEWEST
from kubeflow.runs import Job
from kubeflow.server import Server
from pipeline.environment import KFP_CA, KFP_HOST, KFP_NAMESPACE, KFP_TOKEN, KFP_TOKEN_FILE

_FILE: dict[str, Any] = {"exists": True, "dir_okay": False, "metavar": "FILE"}


def _flag(text: str, variable: str | None = None, **options: Any) -> Any:
    """A flag: its help, and the variable that may give it as well."""
    return typer.Option(help=text, envvar=variable, **options)


Compiled = Annotated[
    Path, typer.Argument(metavar="PIPELINE", help="File that `mri kubeflow compile` wrote.")
]
_PARAM = "Value of a parameter that the file declares."
Parameters = Annotated[list[str] | None, typer.Option("--param", metavar="NAME=VALUE", help=_PARAM)]
_ACCOUNT = "Kubernetes service account of the tasks; default: Kubeflow's."
ServiceAccount = Annotated[str | None, _flag(_ACCOUNT)]
_SPAN = "`latest` for the newest span when a run begins, or a number."
_EXPERIMENT = "Experiment that the runs belong to; default: the pipeline's name."
_NAME = "Name of the run or the schedule; default: the pipeline's name, and for a run the time."
_HOST = "Address of the server; default in a pod: Kubeflow's own."
_NAMESPACE = "Namespace of the runs, if Kubeflow has several users."
_TOKEN = f"File with a bearer token, read for each request; or set {KFP_TOKEN} to the token."
_CA = "Certificate of the authority that signed the server's."


@dataclass(frozen=True)
class JobFlags:
    """What is to run, and as what."""

    param: Parameters = None
    span: Annotated[str | None, _flag(_SPAN)] = None
    name: Annotated[str | None, _flag(_NAME)] = None
    experiment: Annotated[str | None, _flag(_EXPERIMENT)] = None
    service_account: ServiceAccount = None

    def job(self, file: Path) -> Job:
        """Checks what is given against the compiled file, before anything is sent."""
        from kubeflow.arguments import read_values
        from kubeflow.compiled import read_compiled

        pipeline = read_compiled(file)
        texts = [*(self.param or ())]
        if self.span:
            texts.append(f"span={NEWEST if self.span == 'latest' else self.span}")
        values = read_values(pipeline, texts)
        return Job(pipeline, values, self.name, self.experiment, self.service_account)


@dataclass(frozen=True)
class ServerFlags:
    """Which Kubeflow Pipelines server is meant."""

    host: Annotated[str | None, _flag(_HOST, KFP_HOST, metavar="URL")] = None
    namespace: Annotated[str | None, _flag(_NAMESPACE, KFP_NAMESPACE)] = None
    token_file: Annotated[Path | None, _flag(_TOKEN, KFP_TOKEN_FILE, **_FILE)] = None
    ca: Annotated[Path | None, _flag(_CA, KFP_CA, **_FILE)] = None
    timeout: Annotated[int, _flag("Seconds to wait for an answer.", min=1)] = 30

    def connect(self) -> Server:
        """Connects to the server that the flags and the environment name."""
        return Server(**asdict(self))
