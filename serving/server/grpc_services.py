"""The gRPC services: PredictionService and ModelService."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from tensorflow_serving.apis import (
    model_management_pb2,
    model_service_pb2_grpc,
    prediction_service_pb2_grpc,
)

from serving.server.admission import Admission
from serving.server.errors import as_status_error, invalid_argument
from serving.server.inference import Inference
from serving.server.model_config import model_configs

SERVICES = ("tensorflow.serving.PredictionService", "tensorflow.serving.ModelService")


class _Service:
    """Answers what is admitted, and says every failure with a code and a text."""

    def __init__(self, inference: Inference, admission: Admission) -> None:
        """Answers from here what is admitted."""
        self._inference = inference
        self._admission = admission
        self._reloads: set[asyncio.Task[None]] = set()

    async def _answer(self, context: Any, response: Coroutine[Any, Any, Any]) -> Any:
        try:
            return await self._admission.run(response)
        except Exception as error:  # noqa: BLE001  (every failure has a code and a text)
            failure = as_status_error(error)
        return await context.abort(failure.code, failure.message)


class PredictionService(_Service, prediction_service_pb2_grpc.PredictionServiceServicer):
    """Answers from `Inference`."""

    async def Predict(self, request: Any, context: Any) -> Any:  # noqa: N802  (gRPC's name)
        """Any signature, any tensors."""
        return await self._infer("Predict", request, context)

    async def Classify(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Classes and scores of tf.Examples."""
        return await self._infer("Classify", request, context)

    async def Regress(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Values of tf.Examples."""
        return await self._infer("Regress", request, context)

    async def MultiInference(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Several signatures on the same tf.Examples."""
        return await self._infer("MultiInference", request, context)

    async def _infer(self, api: str, request: Any, context: Any) -> Any:
        return await self._answer(context, self._inference.infer(api, request, "GRPC"))

    async def GetModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        """The signatures of a model."""
        return await self._answer(context, self._inference.metadata(request))


class ModelService(_Service, model_service_pb2_grpc.ModelServiceServicer):
    """Status and configuration of the models."""

    async def GetModelStatus(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Where the versions of a model are in their life."""
        return await self._answer(context, self._inference.status(request))

    async def HandleReloadConfigRequest(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Replaces the configuration."""
        return await self._answer(context, self._reload(request))

    async def _reload(self, request: Any) -> Any:
        if request.config.WhichOneof("config") != "model_config_list":
            raise invalid_argument(
                "ServerModelConfig type not supported by HandleReloadConfigRequest."
                " Only ModelConfigList is currently supported"
            )
        reloading = asyncio.create_task(self._inference.core.reload(model_configs(request.config)))
        self._reloads.add(reloading)
        reloading.add_done_callback(self._reloads.discard)
        # A client that stops waiting does not leave a configuration half taken.
        await asyncio.shield(reloading)
        response = model_management_pb2.ReloadConfigResponse()
        response.status.SetInParent()
        return response
