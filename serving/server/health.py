"""gRPC's health service: whether requests are taken."""

from typing import Any

from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from serving.server.grpc_services import SERVICES


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
