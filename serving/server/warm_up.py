"""Warm-up: requests that are stored with a model and run before it is offered."""

import logging
from typing import Any

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import prediction_log_pb2

from components.servable import EXTRAS, WARM_UP_FILE
from serving.server.errors import Code, StatusError, invalid_argument
from serving.server.inference import CALLS
from serving.server.servable import Servable

_MOST_RECORDS = 1000

log = logging.getLogger(__name__)


def warm_up(servable: Servable, iterations: int) -> None:
    """Runs each of `assets.extra/tf_serving_warmup_requests`, a TFRecord of PredictionLog.

    A StatusError: one cannot be read, or there are more than 1,000. An OpError: the model fails.
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
            _run(servable, prediction_log_pb2.PredictionLog.FromString(record), iterations)
    except DecodeError:
        raise invalid_argument(f"Failed to parse warmup record from {path}") from None
    except tf.errors.DataLossError as error:
        words = f"{error.message}. Please verify your warmup data is in TFRecord format."
        raise StatusError(Code.DATA_LOSS, words) from error
    log.info("Ran %d warm-up requests of %s version %d", count, servable.name, servable.version)


def _run(servable: Servable, entry: Any, iterations: int) -> None:
    kind = entry.WhichOneof("log_type")
    if kind is None:
        return
    api = kind.removesuffix("_log").title().replace("_", "")  # as in `MultiInference`
    if api not in CALLS:
        raise StatusError(Code.UNIMPLEMENTED, f"Unsupported log_type for warmup: {kind}")
    call = CALLS[api](servable, getattr(entry, kind).request)
    for _ in range(iterations):
        call.respond(servable.run(call.feeds, call.arrays, call.fetches))
