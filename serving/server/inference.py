"""The requests that both gRPC and REST offer, counted, measured and logged in one place."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from math import prod
from typing import Any, TypeVar

from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    predict_pb2,
    regression_pb2,
)

from serving.server.batching import Runner
from serving.server.core import ServerCore
from serving.server.errors import Code, as_status_error, invalid_argument
from serving.server.examples import classify_call, multi_inference_call, regress_call
from serving.server.metrics import ServerMetrics
from serving.server.predict import fill_model_spec, predict_call
from serving.server.request_log import RequestLog
from serving.server.servable import Call, Servable
from serving.server.tensors import Array

SIGNATURE_DEF = "signature_def"
REQUESTS = {
    "Predict": predict_pb2.PredictRequest,
    "Classify": classification_pb2.ClassificationRequest,
    "Regress": regression_pb2.RegressionRequest,
    "MultiInference": inference_pb2.MultiInferenceRequest,
    "GetModelMetadata": get_model_metadata_pb2.GetModelMetadataRequest,
    "GetModelStatus": get_model_status_pb2.GetModelStatusRequest,
    "HandleReloadConfigRequest": model_management_pb2.ReloadConfigRequest,
}
"""The message of each API."""
CALLS: Mapping[str, Callable[[Servable, Any], Call]] = {
    "Predict": predict_call,
    "Classify": classify_call,
    "Regress": regress_call,
    "MultiInference": multi_inference_call,
}
"""What a request asks of the model, by the API."""
_SMALL = 2**16
"""Bytes up to which the event loop converts by itself: a thread would take longer to wake up.

Of the worst text (a digit, a comma) it reads so much in 10 ms, of the worst message in 5 ms.
"""
_LARGE = 2**22
"""Bytes above which one is converted after the other, apart from the rest: such a text may take a
gigabyte for a moment."""

T = TypeVar("T")


class Conversion:
    """Threads that convert, and do nothing else: nobody who loads or looks waits for them."""

    def __init__(self) -> None:
        # More threads would gain nothing: they take turns with the event loop.
        self._one, self._large = (ThreadPoolExecutor(1, name) for name in ("convert", "large"))
        self._begun: set[Future[Any]] = set()

    @property
    def busy(self) -> bool:
        """Whether anything is converted, for somebody who may have gone."""
        return bool(self._begun)

    async def run(self, size: int, work: Callable[[], T]) -> T:
        """Does work here if the bytes that it reads or makes are few, and else in a thread."""
        if size <= _SMALL:
            return work()
        future = (self._large if size > _LARGE else self._one).submit(work)
        self._begun.add(future)
        future.add_done_callback(self._begun.discard)
        return await asyncio.wrap_future(future)


class Inference:
    """Answers requests, given as TensorFlow Serving's messages."""

    def __init__(
        self,
        core: ServerCore,
        runner: Runner,
        metrics: ServerMetrics,
        request_log: RequestLog | None,
    ) -> None:
        self.core = core
        self.metrics = metrics
        self.conversion = Conversion()
        self._runner = runner
        self._request_log = request_log

    async def infer(
        self, api: str, request: Any, size: int, entrypoint: str, write: Callable[[Any], T]
    ) -> T:
        """Answers a request that runs the model, and came in so many bytes.

        The entrypoint is `GRPC` or `REST`; `write` makes what is sent of the response.
        """
        spec = _model_spec(request)
        started = time.perf_counter()
        code = Code.OK
        try:
            version = await self.core.version(spec)
            # Nothing may come between finding a version and using it.
            with self.core.lifecycle.use(version) as servable:
                call = await self.conversion.run(
                    max(size, _made(request)) if api == "Predict" else size,
                    lambda: CALLS[api](servable, request),
                )
                outputs = await self._runner.run(version, call)
                seconds = time.perf_counter() - started

                def answer() -> T:
                    if self._request_log:
                        self._request_log.observe(servable, request, call, outputs, seconds)
                    return write(call.respond(outputs))

                response = await self.conversion.run(_size(outputs), answer)
        except BaseException as error:
            code = as_status_error(error).code if isinstance(error, Exception) else Code.CANCELLED
            raise
        finally:
            self.metrics.request(spec.name if spec.name in self.core.models else None, code.name)
        self.metrics.request_latency(spec.name, api, entrypoint, time.perf_counter() - started)
        return response

    async def metadata(self, request: Any) -> Any:
        """Answers a GetModelMetadataRequest."""
        spec = _model_spec(request)
        if not request.metadata_field:
            raise invalid_argument(
                "GetModelMetadataRequest must specify at least one metadata_field"
            )
        if others := [field for field in request.metadata_field if field != SIGNATURE_DEF]:
            raise invalid_argument(f"Metadata field {others[0]} is not supported")
        version = await self.core.version(spec)
        with self.core.lifecycle.use(version) as servable:
            response = get_model_metadata_pb2.GetModelMetadataResponse()
            fill_model_spec(response.model_spec, servable, None)
            signatures = get_model_metadata_pb2.SignatureDefMap(signature_def=servable.signatures)
            response.metadata[SIGNATURE_DEF].Pack(signatures)
            return response

    async def status(self, request: Any) -> Any:
        """Answers a GetModelStatusRequest."""
        spec = _model_spec(request)
        response = get_model_status_pb2.GetModelStatusResponse()
        for version in self.core.status(spec):
            entry = response.model_version_status.add(version=version.number, state=version.state)
            entry.status.SetInParent()
            if version.error:
                entry.status.error_code = version.error.code.value[0]
                entry.status.error_message = version.error.message
        return response


def _made(request: Any) -> int:
    """Bytes that a PredictRequest's shapes stand for, whatever it holds of them."""
    tensors = request.inputs.values()
    return sum(8 * prod(dim.size for dim in one.tensor_shape.dim) for one in tensors)


def _size(arrays: Sequence[Array]) -> int:
    """Bytes of arrays, with those of their strings if there are few."""
    size = sum(array.nbytes for array in arrays)
    if size <= _SMALL:
        size += sum(sum(map(len, array.flat)) for array in arrays if array.dtype == object)
    return size


def _model_spec(request: Any) -> Any:
    """The ModelSpec of a request: that of its first task, if it has several."""
    if isinstance(request, inference_pb2.MultiInferenceRequest):
        if not request.tasks:
            raise invalid_argument("Inference request must contain at least one task.")
        return request.tasks[0].model_spec
    if not request.HasField("model_spec"):
        raise invalid_argument("Missing ModelSpec")
    return request.model_spec
