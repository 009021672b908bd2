"""The API server of Kubeflow Pipelines: where it is, who asks, and what goes wrong in a sentence.

Requests are JSON over urllib3, whose errors say what was wrong with a connection. kfp.Client does
not end in time, tries again what may have been heard, and takes seconds to import.
"""

import json
import os
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3
from urllib3 import exceptions

from components.errors import PipelineError
from pipeline.config import ConfigError
from pipeline.environment import KFP_CA, KFP_HOST, KFP_TOKEN

_FORWARD = "kubectl port-forward -n kubeflow svc/ml-pipeline 8888:8888"
_IN_CLUSTER = "http://ml-pipeline.kubeflow.svc.cluster.local:8888"
_MOUNTED_TOKEN = Path("/var/run/secrets/kubeflow/pipelines/token")
"""Where Kubeflow's PodDefault mounts a pod's own token for Pipelines."""
_OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_LONGEST = 300
"""Characters of a server's own message that are shown."""


class ServerRefusedError(PipelineError):
    """The server answered, and said no; `status` is the answer's HTTP status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Server:
    """A Kubeflow Pipelines server that has answered.

    Attributes:
        host: Its address, or that of its user interface, which hands requests on.
        namespace: The namespace of what is asked about; None where there is only one user.
        version: What it says of itself, such as 2.17.0.
    """

    def __init__(
        self,
        host: str | None,
        namespace: str | None = None,
        token_file: Path | None = None,
        ca: Path | None = None,
        timeout: int = 30,
        *,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        """Connects, and makes sure that it is Kubeflow Pipelines which answers.

        Args:
            host: Its address; None for Kubeflow's own, which a pod knows.
            namespace: The namespace of the runs, if Kubeflow has several users.
            token_file: A file with a bearer token, read for each request; it goes before the
                variable with one, and in a pod the pod's own comes last.
            ca: The certificate of the authority behind the server's; None for the usual ones.
            timeout: Seconds that an answer may take.
            environment: The variables.

        Raises:
            ConfigError: No server is named, or it is not an address.
            PipelineError: It does not answer, or is something else.
        """
        in_pod = "KUBERNETES_SERVICE_HOST" in environment
        self.host = (host or (_IN_CLUSTER if in_pod else "")).rstrip("/")
        if not self.host:
            raise ConfigError(
                f"No Kubeflow Pipelines server is named: give --host or set {KFP_HOST}, for "
                f"instance to http://localhost:8888 after `{_FORWARD}`."
            )
        if not self.host.startswith(("http://", "https://")):
            raise ConfigError(f"--host {host!r} must begin with http:// or https://.")
        self._token = environment.get(KFP_TOKEN) or None
        self._token_file = token_file
        if in_pod and not self._token and not token_file and _MOUNTED_TOKEN.is_file():
            self._token_file = _MOUNTED_TOKEN
        self._timeout = timeout
        self._pool = urllib3.PoolManager(
            ca_certs=str(ca) if ca else None,
            # A request that was sent is never sent again: it may have been heard.
            retries=urllib3.Retry(connect=1, read=0, redirect=5, other=0),
        )
        healthz = self.ask("GET", "healthz")
        if healthz.get("apiServerReady") is False:
            raise PipelineError(
                f"{self.host} is Kubeflow's user interface, which does not reach its API server: "
                "kubectl get pods -n kubeflow -l app=ml-pipeline."
            )
        # The user interface answers this itself, in its own words.
        self.version = str(healthz.get("tag_name") or healthz.get("apiServerTagName") or "unknown")
        self.namespace = namespace
        if namespace is None and healthz.get("multi_user") and _OWN_NAMESPACE.is_file():
            self.namespace = _OWN_NAMESPACE.read_text(encoding="utf-8").strip()

    def ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: Any
    ) -> dict[str, Any]:
        """Asks the API, version 2.

        Args:
            method: GET, POST or DELETE.
            path: Below `apis/v2beta1/`.
            body: What is sent.
            **query: What stands behind the question mark; None is left out.

        Returns:
            The answer.

        Raises:
            ServerRefusedError: It says no.
            PipelineError: It is not reached, or is not an API of Kubeflow Pipelines.
        """
        given = urlencode({name: value for name, value in query.items() if value is not None})
        try:
            answer = self._pool.request(
                method,
                f"{self.host}/apis/v2beta1/{path}" + (f"?{given}" if given else ""),
                json=body,
                headers=self._headers(),
                timeout=self._timeout,
            )
        except exceptions.HTTPError as error:
            raise PipelineError(self._unreached(getattr(error, "reason", None) or error)) from error
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise self._refusal(answer)
        try:
            return dict(answer.json())
        except (ValueError, TypeError) as error:
            kind = answer.headers.get("content-type", "").partition(";")[0] or "no content type"
            raise PipelineError(
                f"{self.host} answers with {kind} instead of the API's JSON: it is another server, "
                f"or a sign-in page that needs a token ({KFP_TOKEN} or --token-file)."
            ) from error

    def run_page(self, run_id: str) -> str:
        """The address of a run's page in the user interface."""
        return f"{self.host}/#/runs/details/{run_id}"

    def named(self, what: str, name: str) -> list[dict[str, Any]]:
        """The experiments or the recurring runs of a name.

        Args:
            what: `experiments`, or `recurringRuns`.
            name: The name.
        """
        predicate = {"operation": "EQUALS", "key": "display_name", "stringValue": name}
        only = json.dumps({"predicates": [predicate]})
        found = self.ask("GET", what.lower(), namespace=self.namespace, filter=only)
        return list(found.get(what, ()))

    def _headers(self) -> dict[str, str]:
        file = self._token_file
        try:
            token = file.read_text(encoding="ascii").strip() if file else self._token
            if token and not (token.isascii() and token.isprintable()):
                raise ValueError
        except (OSError, ValueError) as error:
            raise ConfigError(f"{file or KFP_TOKEN} does not hold a bearer token.") from error
        return {"authorization": f"Bearer {token}"} if token else {}

    def _unreached(self, reason: Any) -> str:
        host, text = self.host, " ".join(str(reason).split())
        if isinstance(reason, exceptions.NameResolutionError):
            return f"The name in {host} is not known here: check --host or {KFP_HOST}, and the DNS."
        if isinstance(reason, exceptions.SSLError) or "SSL" in text:
            if "WRONG_VERSION_NUMBER" in text or "record layer" in text:
                return f"{host} does not speak TLS: use http:// for it."
            why = getattr(next(iter(reason.args), None), "verify_message", None) or text
            return (
                f"The certificate of {host} is not trusted ({why}): "
                f"give the certificate of its authority with --ca or {KFP_CA}."
            )
        if isinstance(reason, exceptions.NewConnectionError):
            return (
                f"Nothing answers at {host}: check --host or {KFP_HOST}, and that a `{_FORWARD}` "
                "is still running."
            )
        if isinstance(reason, exceptions.TimeoutError):
            return (
                f"{host} did not answer within {self._timeout} seconds: try again, or look at its "
                "log."
            )
        if isinstance(reason, exceptions.LocationValueError):
            return f"{host} is not an address: give one such as http://localhost:8888."
        return f"{host} ended the connection without an answer ({text}): is it Kubeflow Pipelines?"

    def _refusal(self, answer: urllib3.BaseHTTPResponse) -> ServerRefusedError:
        said = _message(answer.data)
        quoted, host = f": {said}" if said else "", self.host
        sentences = {
            400: f"{host} refuses what was sent{quoted or ' (400)'}.",
            401: f"{host} does not accept the credentials (401){quoted}; set {KFP_TOKEN}, or give "
            "--token-file.",
            403: f"{host} does not let these credentials do that (403){quoted}; check --namespace, "
            "and the rights of the token's account there.",
            404: f"{host} does not know that (404){quoted}; is it the API of Kubeflow Pipelines 2?",
            409: f"{host} has something of that name already (409){quoted}.",
        }
        fallback = (
            f"{host} failed ({answer.status} {answer.reason}){quoted}; its log says more: "
            "kubectl logs -n kubeflow deploy/ml-pipeline."
        )
        return ServerRefusedError(sentences.get(answer.status, fallback), answer.status)


def _message(body: bytes) -> str:
    """The message of a google.rpc.Status; of anything else, such as a proxy's page, nothing."""
    try:
        answer = json.loads(body)
    except ValueError:
        return ""
    message = answer.get("message") or answer.get("error") if isinstance(answer, dict) else None
    text = " ".join(str(message or "").split()).rstrip(".")
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
