"""The API server of Kubeflow Pipelines, and what goes wrong with it in a sentence.

Requests are JSON over urllib3, whose errors say what was wrong with a connection. kfp.Client does
not end in time, tries again what may have been heard, and takes seconds to import.
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any

import urllib3
from urllib3 import exceptions

from components.errors import PipelineError, UsageError
from pipeline.environment import KFP_HOST, KFP_TOKEN

_FORWARD = "kubectl port-forward -n kubeflow svc/ml-pipeline 8888:8888"
_IN_CLUSTER = "http://ml-pipeline.kubeflow.svc.cluster.local:8888"
_MOUNTED_TOKEN = Path("/var/run/secrets/kubeflow/pipelines/token")
"""Where Kubeflow's PodDefault mounts a pod's own token for Pipelines."""
_OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_LONGEST = 300
"""Characters of a server's own message that are shown."""
_UNREACHED: dict[type[Exception], str] = {
    exceptions.NameResolutionError: "has a name that is not known here: check --host, and the DNS",
    exceptions.NewConnectionError: f"does not answer: check --host, and that `{_FORWARD}` runs",
    exceptions.TimeoutError: "did not answer in time: try again, raise --timeout, or see its log",
    exceptions.LocationValueError: "is not an address such as http://localhost:8888",
}
"""What it means that a connection fails, the narrower ways to fail first."""
_REFUSALS = {
    400: ("refuses what was sent", ""),
    401: ("does not accept the credentials", f"; set {KFP_TOKEN}, or give --token-file"),
    403: ("does not let these credentials do that", "; check --namespace, and their rights there"),
    404: ("does not know that", "; it may not be the API of Kubeflow Pipelines 2"),
    409: ("has something of that name already", ""),
    500: ("failed", "; its log says more: kubectl logs -n kubeflow deploy/ml-pipeline"),
}
"""What a status means, and what to do; other statuses mean what 500 does."""


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

        A token in a file goes before one in the environment, and a pod's own comes last.
        """
        in_pod = "KUBERNETES_SERVICE_HOST" in environment
        self.host = (host or (_IN_CLUSTER if in_pod else "")).rstrip("/")
        if not self.host.startswith(("http://", "https://")):
            named = f"--host {self.host!r} is not the address of a" if self.host else "There is no"
            raise UsageError(
                f"{named} Kubeflow Pipelines server: give --host or set {KFP_HOST}, for instance "
                f"to http://localhost:8888 after `{_FORWARD}`."
            )
        self._token = environment.get(KFP_TOKEN)
        mounted = in_pod and not self._token and _MOUNTED_TOKEN.is_file()
        self._token_file = token_file or (_MOUNTED_TOKEN if mounted else None)
        self._timeout = timeout
        # A request that was sent is never sent again: it may have been heard.
        retries = urllib3.Retry(connect=1, read=0, redirect=5, other=0)
        self._pool = urllib3.PoolManager(ca_certs=str(ca) if ca else None, retries=retries)
        healthz = self.ask("GET", "healthz")
        if healthz.get("apiServerReady") is False:
            said = "is Kubeflow's user interface, which does not reach its API server: kubectl get"
            raise PipelineError(f"{self.host} {said} pods -n kubeflow -l app=ml-pipeline.")
        # The user interface answers this itself, in its own words.
        self.version = str(healthz.get("tag_name") or healthz.get("apiServerTagName") or "unknown")
        own = _OWN_NAMESPACE if healthz.get("multi_user") and _OWN_NAMESPACE.is_file() else None
        self.namespace = namespace or (own.read_text(encoding="utf-8").strip() if own else None)

    def ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: Any
    ) -> dict[str, Any]:
        """Asks the API, version 2; a query that is None is left out.

        Raises:
            ServerRefusedError: It says no.
            PipelineError: It is not reached, or is not an API of Kubeflow Pipelines.
        """
        given = {name: value for name, value in query.items() if value is not None}
        address = f"{self.host}/apis/v2beta1/{path}"
        sent = {"fields": given} if given else {"json": body}
        headers, timeout = self._headers(), self._timeout
        try:
            answer = self._pool.request(method, address, headers=headers, timeout=timeout, **sent)
        except exceptions.HTTPError as error:
            raise PipelineError(self._unreached(getattr(error, "reason", None) or error)) from error
        if answer.status >= HTTPStatus.BAD_REQUEST:
            what, advice = _REFUSALS.get(answer.status, _REFUSALS[500])
            said = f"{self.host} {what} ({answer.status}){_message(answer.data)}{advice}."
            raise ServerRefusedError(said, answer.status)
        try:
            return dict(answer.json())
        except (ValueError, TypeError) as error:
            kind = answer.headers.get("content-type", "").partition(";")[0] or "no content type"
            raise PipelineError(
                f"{self.host} answers with {kind} instead of the API's JSON: it is another server, "
                f"or a sign-in page that needs a token ({KFP_TOKEN} or --token-file)."
            ) from error

    def named(self, what: str, name: str) -> list[dict[str, Any]]:
        """The `experiments` or the `recurringRuns` of a name."""
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
            raise UsageError(f"{file or KFP_TOKEN} does not hold a bearer token.") from error
        return {"authorization": f"Bearer {token}"} if token else {}

    def _unreached(self, reason: Any) -> str:
        text = " ".join(str(reason).split())
        said = f"ended the connection without an answer ({text}): it may not be Kubeflow Pipelines"
        if "WRONG_VERSION_NUMBER" in text or "record layer" in text:
            said = "does not speak TLS: use http:// for it"
        elif isinstance(reason, exceptions.SSLError) or "SSL" in text:
            why = getattr(next(iter(reason.args), None), "verify_message", None) or text
            said = f"has a certificate that is not trusted ({why}): give its authority's with --ca"
        meant = (_UNREACHED[kind] for kind in _UNREACHED if isinstance(reason, kind))
        return f"{self.host} {next(meant, said)}."


def _message(body: bytes) -> str:
    """The message of a google.rpc.Status; of anything else, such as a proxy's page, nothing."""
    with suppress(ValueError, AttributeError):
        answer = json.loads(body)
        text = " ".join(str(answer.get("message") or answer.get("error") or "").split()).rstrip(".")
        return f": {text if len(text) <= _LONGEST else f'{text[:_LONGEST]}...'}" if text else ""
    return ""
