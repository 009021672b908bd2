"""The gRPC services: PredictionService and ModelService.

gRPC hands over messages as they came: it would read them on the event loop, whatever their size.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    predict_pb2,
    regression_pb2,
)

from serving.server.admission import Admission
from serving.server.configuration import model_configs
from serving.server.errors import Code, StatusError, as_status_error, invalid_argument
from serving.server.inference import CALLS, Inference

SERVICES = {
    "tensorflow.serving.PredictionService": {
        "Predict": predict_pb2.PredictRequest,
        "Classify": classification_pb2.ClassificationRequest,
        "Regress": regression_pb2.RegressionRequest,
        "MultiInference": inference_pb2.MultiInferenceRequest,
        "GetModelMetadata": get_model_metadata_pb2.GetModelMetadataRequest,
    },
    "tensorflow.serving.ModelService": {
        "GetModelStatus": get_model_status_pb2.GetModelStatusRequest,
        "HandleReloadConfigRequest": model_management_pb2.ReloadConfigRequest,
    },
}
"""What is offered: the message of each method, by service."""


class GrpcServices:
    """Answers what is admitted, and says every failure with a code and a text."""

    def __init__(self, inference: Inference, admission: Admission) -> None:
        """Answers from here what is admitted."""
        self._inference = inference
        self._admission = admission
        self._reloads: set[asyncio.Task[None]] = set()
        self._answers: dict[str, Callable[[Any, int], Awaitable[bytes]]] = {
            **{api: partial(self._infer, api) for api in CALLS},
            "GetModelMetadata": self._metadata,
            "GetModelStatus": self._status,
            "HandleReloadConfigRequest": self._reload,
        }

    def add_to(self, server: Any) -> None:
        """Offers the services on a gRPC server."""
        for service, methods in SERVICES.items():
            handlers = {
                name: grpc.unary_unary_rpc_method_handler(
                    self._handler(self._answers[name], message)
                )
                for name, message in methods.items()
            }
            server.add_generic_rpc_handlers(
                (grpc.method_handlers_generic_handler(service, handlers),)
            )

    def _handler(
        self, answer: Callable[[Any, int], Awaitable[bytes]], message: Any
    ) -> Callable[[bytes, Any], Awaitable[bytes]]:
        async def read_and_answer(content: bytes) -> bytes:
            try:
                request = await self._inference.conversion.run(
                    len(content), lambda: message.FromString(content)
                )
            except DecodeError:
                raise StatusError(Code.INTERNAL, "The request is not such a message.") from None
            return await answer(request, len(content))

        async def handle(content: bytes, context: Any) -> bytes:
            try:
                return await self._admission.run(read_and_answer(content))
            except Exception as error:  # noqa: BLE001  (every failure has a code and a text)
                failure = as_status_error(error)
            await context.abort(failure.code, failure.message)
            raise failure  # abort has raised

        return handle

    async def _infer(self, api: str, request: Any, size: int) -> bytes:
        return await self._inference.infer(api, request, size, "GRPC", _serialized)

    async def _metadata(self, request: Any, _: int) -> bytes:
        return _serialized(await self._inference.metadata(request))

    async def _status(self, request: Any, _: int) -> bytes:
        return _serialized(await self._inference.status(request))

    async def _reload(self, request: Any, size: int) -> bytes:
        if request.config.WhichOneof("config") != "model_config_list":
            raise invalid_argument(
                "ServerModelConfig type not supported by HandleReloadConfigRequest."
                " Only ModelConfigList is currently supported"
            )
        models = await self._inference.conversion.run(size, lambda: model_configs(request.config))
        reloading = asyncio.create_task(self._inference.core.reload(models))
        self._reloads.add(reloading)
        reloading.add_done_callback(self._reloads.discard)
        # A client that stops waiting does not leave a configuration half taken.
        await asyncio.shield(reloading)
        response = model_management_pb2.ReloadConfigResponse()
        response.status.SetInParent()
        return _serialized(response)


def _serialized(message: Any) -> bytes:
    content: bytes = message.SerializeToString()
    return content
