"""The requests that both gRPC and REST offer, counted, measured and logged in one place."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from google.protobuf.any_pb2 import Any as AnyMessage
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2

from serving.server.core import ServerCore
from serving.server.errors import Code, as_status_error, invalid_argument
from serving.server.examples import classify_call, multi_inference_call, regress_call
from serving.server.metrics import ServerMetrics
from serving.server.predict import predict_call
from serving.server.runner import Runner
from serving.server.servable import Call, Servable
from serving.server.tensors import Array

SIGNATURE_DEF = "signature_def"


class PredictionObserver(Protocol):
    """Sees what was predicted, after the fact."""

    def observe(
        self, servable: Servable, request: Any, call: Call, outputs: Sequence[Array], seconds: float
    ) -> None:
        """Takes note of one request; must neither wait nor fail."""
        ...


class Inference:
    """Answers requests, given as TensorFlow Serving's messages."""

    def __init__(
        self,
        core: ServerCore,
        runner: Runner,
        metrics: ServerMetrics,
        observer: PredictionObserver | None = None,
    ) -> None:
        """Uses these parts.

        Args:
            core: Knows the models.
            runner: Runs calls.
            metrics: Counts and measures.
            observer: Sees each prediction.
        """
        self.core = core
        self.metrics = metrics
        self._runner = runner
        self._observer = observer

    async def predict(self, request: Any, entrypoint: str) -> Any:
        """Answers a PredictRequest."""
        _check_spec(request)
        return await self._answer("Predict", predict_call, request.model_spec, request, entrypoint)

    async def classify(self, request: Any, entrypoint: str) -> Any:
        """Answers a ClassificationRequest."""
        _check_spec(request)
        return await self._answer(
            "Classify", classify_call, request.model_spec, request, entrypoint
        )

    async def regress(self, request: Any, entrypoint: str) -> Any:
        """Answers a RegressionRequest."""
        _check_spec(request)
        return await self._answer("Regress", regress_call, request.model_spec, request, entrypoint)

    async def multi_inference(self, request: Any, entrypoint: str) -> Any:
        """Answers a MultiInferenceRequest."""
        if not request.tasks:
            raise invalid_argument("Inference request must contain at least one task.")
        spec = request.tasks[0].model_spec
        return await self._answer("MultiInference", multi_inference_call, spec, request, entrypoint)

    async def metadata(self, request: Any) -> Any:
        """Answers a GetModelMetadataRequest."""
        _check_spec(request)
        if not request.metadata_field:
            raise invalid_argument(
                "GetModelMetadataRequest must specify at least one metadata_field"
            )
        for field in request.metadata_field:
            if field != SIGNATURE_DEF:
                raise invalid_argument(f"Metadata field {field} is not supported")
        version = await self.core.version(request.model_spec)
        with self.core.use(version) as servable:
            response = get_model_metadata_pb2.GetModelMetadataResponse()
            response.model_spec.name = servable.name
            response.model_spec.version.value = servable.version
            signatures = get_model_metadata_pb2.SignatureDefMap()
            for name, signature in servable.signatures.items():
                signatures.signature_def[name].CopyFrom(signature)
            packed = AnyMessage()
            packed.Pack(signatures)
            response.metadata[SIGNATURE_DEF].CopyFrom(packed)
            return response

    async def status(self, request: Any) -> Any:
        """Answers a GetModelStatusRequest."""
        _check_spec(request)
        response = get_model_status_pb2.GetModelStatusResponse()
        for version in self.core.status(request.model_spec):
            entry = response.model_version_status.add()
            entry.version = version.number
            entry.state = int(version.state)
            if version.error:
                entry.status.error_code = int(version.error.code)
                entry.status.error_message = version.error.message
            else:
                entry.status.SetInParent()
        return response

    async def _answer(
        self,
        api: str,
        make_call: Callable[[Servable, Any], Call],
        spec: Any,
        request: Any,
        entrypoint: str,
    ) -> Any:
        started = time.perf_counter()
        code = Code.OK
        try:
            response = await self._run(make_call, spec, request, started)
        except Exception as error:
            code = as_status_error(error).code
            raise
        except BaseException:
            code = Code.CANCELLED
            raise
        finally:
            self.metrics.request(spec.name, code.name)
        self.metrics.request_latency(spec.name, api, entrypoint, time.perf_counter() - started)
        return response

    async def _run(
        self, make_call: Callable[[Servable, Any], Call], spec: Any, request: Any, started: float
    ) -> Any:
        version = await self.core.version(spec)
        # Nothing may come between finding a version and using it.
        with self.core.use(version) as servable:
            call = make_call(servable, request)
            outputs = await self._runner.run(version, call)
            response = call.respond(outputs)
            if self._observer:
                seconds = time.perf_counter() - started
                self._observer.observe(servable, request, call, outputs, seconds)
            return response


def _check_spec(request: Any) -> None:
    if not request.HasField("model_spec"):
        raise invalid_argument("Missing ModelSpec")
