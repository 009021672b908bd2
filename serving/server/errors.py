"""What a request may fail with: TensorFlow's status codes, their HTTP and gRPC forms, their texts.

The codes and the cut of long texts are those of `grpc_status_util.cc` and `http_server.cc` in
tensorflow/serving.
"""

import logging
from typing import TypeAlias

import grpc

from components.errors import PipelineError
from components.signature import SignatureError
from components.tensorflow_words import without_nodes

_LONGEST = 1024
_CUT = "...TRUNCATED"

log = logging.getLogger(__name__)

Code: TypeAlias = grpc.StatusCode
"""TensorFlow's status codes, which are gRPC's by number and name."""
_BY_NUMBER = {code.value[0]: code for code in Code}

HTTP_STATUS = {
    Code.OK: 200,
    Code.CANCELLED: 499,
    Code.INVALID_ARGUMENT: 400,
    Code.DEADLINE_EXCEEDED: 504,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.PERMISSION_DENIED: 403,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.FAILED_PRECONDITION: 400,
    Code.ABORTED: 409,
    Code.OUT_OF_RANGE: 400,
    Code.UNIMPLEMENTED: 501,
    Code.UNAVAILABLE: 503,
    Code.UNAUTHENTICATED: 401,
}
"""Codes that are not here answer 500."""


class StatusError(Exception):
    """A request or a load that failed for a reason the client is told.

    `message` is the text, of which 1,024 bytes are kept, and a mark where it was cut.
    """

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.http_status = HTTP_STATUS.get(code, 500)
        content = message.encode(errors="replace")
        self.message = content.decode()
        if len(content) > _LONGEST:
            self.message = content[:_LONGEST].decode(errors="ignore") + _CUT


def invalid_argument(message: str) -> StatusError:
    """The most frequent one: the client sent something wrong."""
    return StatusError(Code.INVALID_ARGUMENT, message)


def as_status_error(error: BaseException) -> StatusError:
    """Translates what a request raised; what is not foreseen is logged and becomes INTERNAL."""
    if isinstance(error, StatusError):
        # It would keep whoever catches it, and so all that the request held, in a circle.
        return error.with_traceback(None)
    code = _BY_NUMBER.get(getattr(error, "error_code", None))
    if code:  # tf.errors.OpError
        return StatusError(code, without_nodes(str(getattr(error, "message", error))))
    if isinstance(error, SignatureError):  # trying again does not help
        return StatusError(Code.FAILED_PRECONDITION, str(error))
    if isinstance(error, PipelineError):
        return StatusError(Code.UNAVAILABLE, str(error))
    if isinstance(error, MemoryError):
        return StatusError(Code.RESOURCE_EXHAUSTED, "Out of memory.")
    log.error("A request failed unexpectedly", exc_info=error)
    return StatusError(Code.INTERNAL, f"{type(error).__name__}: {error}")
