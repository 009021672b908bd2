"""The gRPC services: PredictionService and ModelService."""

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Any

import grpc
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
_CODES = {code.value[0]: code for code in grpc.StatusCode}
_ENTRYPOINT = "GRPC"


async def _answer(admission: Admission, context: Any, response: Coroutine[Any, Any, Any]) -> Any:
    try:
        return await admission.run(response)
    except Exception as error:  # noqa: BLE001  (every failure has a code and a text)
        failure = as_status_error(error)
    return await context.abort(_CODES[int(failure.code)], failure.message)


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Answers from `Inference`."""

    def __init__(self, inference: Inference, admission: Admission) -> None:
        """Answers from here what is admitted."""
        self._inference = inference
        self._answer = partial(_answer, admission)

    async def Predict(self, request: Any, context: Any) -> Any:  # noqa: N802  (gRPC's name)
        """Any signature, any tensors."""
        return await self._answer(context, self._inference.predict(request, _ENTRYPOINT))

    async def Classify(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Classes and scores of tf.Examples."""
        return await self._answer(context, self._inference.classify(request, _ENTRYPOINT))

    async def Regress(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Values of tf.Examples."""
        return await self._answer(context, self._inference.regress(request, _ENTRYPOINT))

    async def MultiInference(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Several signatures on the same tf.Examples."""
        return await self._answer(context, self._inference.multi_inference(request, _ENTRYPOINT))

    async def GetModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        """The signatures of a model."""
        return await self._answer(context, self._inference.metadata(request))


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """Status and configuration of the models."""

    def __init__(self, inference: Inference, admission: Admission) -> None:
        """Answers from here what is admitted."""
        self._inference = inference
        self._answer = partial(_answer, admission)
        self._reloads: set[asyncio.Task[None]] = set()

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
