"""What can go wrong between here and Kubeflow Pipelines, in a sentence each."""

import json
from typing import Any

import kfp_server_api
from urllib3 import exceptions

from components.errors import PipelineError
from pipeline.environment import KFP_CA, KFP_HOST, KFP_TOKEN

_LONGEST = 300
"""Characters of a server's own message that are shown."""


class ServerRefusedError(PipelineError):
    """The server answered, and said no.

    Attributes:
        status: The answer's HTTP status.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def not_json(kind: str, host: str) -> PipelineError:
    """The error for an answer that is not JSON.

    Args:
        kind: Its content type.
        host: The server's address.
    """
    return PipelineError(
        f"{host} answers with {kind.partition(';')[0] or 'no content type'} instead of the API's "
        "JSON: it is another server, or a sign-in page that needs a token "
        f"({KFP_TOKEN} or --token-file)."
    )


def explain(error: Exception, host: str, timeout: int) -> PipelineError:
    """Says what went wrong, and what to do.

    Args:
        error: What the transport raised.
        host: The server's address.
        timeout: Seconds that it had.

    Returns:
        The error to raise in its place; a ServerRefusedError where the server answered.
    """
    if isinstance(error, kfp_server_api.ApiException) and error.status:
        return _refusal(error, host)
    return PipelineError(_unreached(getattr(error, "reason", None) or error, host, timeout))


def _unreached(reason: Any, host: str, timeout: int) -> str:
    text = " ".join(str(reason).split())
    if isinstance(reason, exceptions.NameResolutionError):
        return f"The name in {host} is not known here: check --host or {KFP_HOST}, and the DNS."
    if isinstance(reason, exceptions.SSLError) or "SSL" in text:
        if "WRONG_VERSION_NUMBER" in text or "record layer" in text:
            return f"{host} does not speak TLS: use http:// for it."
        cause = next(iter(reason.args), None)
        why = getattr(cause, "verify_message", None) or text
        return (
            f"The certificate of {host} is not trusted ({why}): "
            f"give the certificate of its authority with --ca or {KFP_CA}."
        )
    if isinstance(reason, exceptions.TimeoutError) and not isinstance(
        reason, exceptions.NewConnectionError
    ):
        return f"{host} did not answer within {timeout} seconds: try again, or look at its log."
    if isinstance(reason, exceptions.NewConnectionError):
        return (
            f"Nothing answers at {host}: check --host or {KFP_HOST}, and that a "
            "`kubectl port-forward -n kubeflow svc/ml-pipeline 8888:8888` is still running."
        )
    if isinstance(reason, exceptions.LocationValueError):
        return f"{host} is not an address: give one such as http://localhost:8888."
    return f"{host} ended the connection without an answer ({text}): is it Kubeflow Pipelines?"


def _refusal(error: kfp_server_api.ApiException, host: str) -> ServerRefusedError:
    said = _message(error.body)
    quoted = f": {said}" if said else ""
    sentences = {
        400: f"{host} refuses what was sent{quoted or ' (400)'}.",
        401: f"{host} does not accept the credentials (401){quoted}; set {KFP_TOKEN}, or give "
        "--token-file.",
        403: f"{host} does not let these credentials do that (403){quoted}; check --namespace, and "
        "the rights of the token's account there.",
        404: f"{host} does not know that (404){quoted}; is it the API of Kubeflow Pipelines 2?",
        409: f"{host} has something of that name already (409){quoted}.",
    }
    fallback = (
        f"{host} failed ({error.status} {error.reason}){quoted}; its log says more: "
        "kubectl logs -n kubeflow deploy/ml-pipeline."
    )
    return ServerRefusedError(sentences.get(error.status, fallback), error.status)


def _message(body: str | bytes | None) -> str:
    """The message of a google.rpc.Status; of anything else, such as a proxy's page, nothing."""
    try:
        answer = json.loads(body or "")
    except ValueError:
        return ""
    message = answer.get("message") or answer.get("error") if isinstance(answer, dict) else None
    text = " ".join(str(message or "").split()).rstrip(".")
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
