"""Warm-up: requests that are stored with a model and run before it is offered."""

import logging
from typing import Any

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import prediction_log_pb2

from components.servable import EXTRAS, WARM_UP_FILE
from serving.server.errors import Code, StatusError, invalid_argument
from serving.server.examples import classify_call, multi_inference_call, regress_call
from serving.server.predict import predict_call
from serving.server.servable import Servable

_MOST_RECORDS = 1000
_CALLS = {
    "predict_log": predict_call,
    "classify_log": classify_call,
    "regress_log": regress_call,
    "multi_inference_log": multi_inference_call,
}

log = logging.getLogger(__name__)


def warm_up(servable: Servable, iterations: int) -> None:
    """Runs `assets.extra/tf_serving_warmup_requests`, a TFRecord of PredictionLog.

    Args:
        servable: The model.
        iterations: How often each request is run.

    Raises:
        StatusError: A record cannot be read, or there are more than 1,000.
        tf.errors.OpError: The model fails on a request.
    """
    path = servable.path / EXTRAS / WARM_UP_FILE
    if not path.is_file() or iterations < 1:
        return
    count = 0
    try:
        for record in tf.compat.v1.io.tf_record_iterator(str(path)):
            count += 1
            if count > _MOST_RECORDS:
                raise invalid_argument(
                    f"Number of warmup records exceeds the maximum ({_MOST_RECORDS}) at {path}"
                )
            _run(servable, _parse(record, path), iterations)
    except tf.errors.DataLossError as error:
        raise StatusError(
            Code.DATA_LOSS,
            f"{error.message}. Please verify your warmup data is in TFRecord format.",
        ) from error
    log.info("Ran %d warm-up requests of %s version %d", count, servable.name, servable.version)


def _parse(record: bytes, path: Any) -> Any:
    entry = prediction_log_pb2.PredictionLog()
    try:
        entry.ParseFromString(record)
    except DecodeError:
        raise invalid_argument(f"Failed to parse warmup record from {path}") from None
    return entry


def _run(servable: Servable, entry: Any, iterations: int) -> None:
    kind = entry.WhichOneof("log_type")
    if kind is None:
        return
    if kind not in _CALLS:
        raise StatusError(Code.UNIMPLEMENTED, f"Unsupported log_type for warmup: {kind}")
    call = _CALLS[kind](servable, getattr(entry, kind).request)
    for _ in range(iterations):
        call.respond(servable.run(call.feeds, call.arrays, call.fetches))
