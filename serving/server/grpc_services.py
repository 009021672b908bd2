"""The gRPC services: PredictionService, ModelService and gRPC's own service of its health.

gRPC hands over messages as they came: it would read them on the event loop, whatever their size.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from tensorflow_serving.apis import model_management_pb2

from serving.server.admission import Admission
from serving.server.configuration import UNSUPPORTED, model_configs
from serving.server.errors import Code, StatusError, as_status_error, invalid_argument
from serving.server.inference import CALLS, REQUESTS, Inference

SERVICES = {
    "tensorflow.serving.PredictionService": (*CALLS, "GetModelMetadata"),
    "tensorflow.serving.ModelService": ("GetModelStatus", "HandleReloadConfigRequest"),
}
"""The methods that are offered, by service."""


class GrpcServices:
    """Answers what is admitted, and says every failure with a code and a text."""

    def __init__(self, inference: Inference, admission: Admission) -> None:
        self._inference = inference
        self._convert = inference.conversion.run
        self._admission = admission
        self._reloads: set[asyncio.Task[None]] = set()
        self._descriptions: dict[str, Callable[[Any], Awaitable[Any]]] = {
            "GetModelMetadata": inference.metadata,
            "GetModelStatus": inference.status,
        }

    def add_to(self, server: Any) -> None:
        """Offers the services on a gRPC server."""
        for service, methods in SERVICES.items():
            handlers = {
                name: grpc.unary_unary_rpc_method_handler(partial(self._handle, name))
                for name in methods
            }
            server.add_generic_rpc_handlers(
                (grpc.method_handlers_generic_handler(service, handlers),)
            )

    async def _handle(self, name: str, content: bytes, context: Any) -> bytes:
        try:
            return await self._admission.run(self._answer(name, content))
        except Exception as error:  # noqa: BLE001  (every failure has a code and a text)
            failure = as_status_error(error)
        await context.abort(failure.code, failure.message)
        raise failure  # abort has raised

    async def _answer(self, name: str, content: bytes) -> bytes:
        size = len(content)
        try:
            request = await self._convert(size, lambda: REQUESTS[name].FromString(content))
        except DecodeError:
            raise StatusError(
                Code.INTERNAL, "The request is not a valid message of this kind."
            ) from None
        if name in CALLS:
            return await self._inference.infer(name, request, size, "GRPC", _serialized)
        if name in self._descriptions:
            return _serialized(await self._descriptions[name](request))
        return _serialized(await self._reload(request, size))

    async def _reload(self, request: Any, size: int) -> Any:
        if request.config.WhichOneof("config") != "model_config_list":
            raise invalid_argument(UNSUPPORTED)
        models = await self._convert(size, lambda: model_configs(request.config))
        reloading = asyncio.create_task(self._inference.core.reload(models))
        self._reloads.add(reloading)
        reloading.add_done_callback(self._reloads.discard)
        # A client that stops waiting does not leave a configuration half taken.
        await asyncio.shield(reloading)
        response = model_management_pb2.ReloadConfigResponse()
        response.status.SetInParent()
        return response


class Health:
    """Says SERVING or not, for the server as a whole and for each service."""

    def __init__(self) -> None:
        self._servicer = health.aio.HealthServicer()

    def add_to(self, server: Any) -> None:
        """Offers the service on a gRPC server."""
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    async def set(self, serving: bool) -> None:
        """Changes the answer; who watches is told."""
        states = health_pb2.HealthCheckResponse
        for service in ("", *SERVICES):
            await self._servicer.set(service, states.SERVING if serving else states.NOT_SERVING)


def _serialized(message: Any) -> bytes:
    return bytes(message.SerializeToString())
