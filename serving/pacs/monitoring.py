"""What is counted about the node, and where it is read: nothing of a patient is in it."""

import json
import threading
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import ThreadingWSGIServer, make_wsgi_app

from components.errors import PipelineError

_Health = Callable[[], dict[str, Any]]


class NodeMetrics:
    """The counters of one node."""

    def __init__(self) -> None:
        """Starts at zero."""
        self.registry = registry = CollectorRegistry()
        self._images = Counter(
            "mri_pacs_images", "Images sent to the node.", ["status"], registry=registry
        )
        self._associations = Counter(
            "mri_pacs_associations", "Associations.", ["outcome"], registry=registry
        )
        self._studies = Gauge(
            "mri_pacs_studies", "Studies in the spool.", ["state"], registry=registry
        )
        self._answered = Counter(
            "mri_pacs_answered", "Studies answered.", ["version"], registry=registry
        )
        self._deliveries = Counter(
            "mri_pacs_deliveries", "Tries to deliver.", ["destination", "outcome"],
            registry=registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "mri_pacs_seconds", "Seconds of work on a study.", ["step"], registry=registry
        )

    def image(self, status: int) -> None:
        """Counts an image by the status that was answered."""
        self._images.labels(f"{status:04X}").inc()

    def association(self, outcome: str) -> None:
        """Counts an association."""
        self._associations.labels(outcome).inc()

    def studies(self, counts: dict[str, int]) -> None:
        """Says how many studies are in each state."""
        for state, count in counts.items():
            self._studies.labels(state).set(count)

    def answered(self, version: str) -> None:
        """Counts a study by the model version that answered."""
        self._answered.labels(version).inc()

    def delivery(self, destination: str, outcome: str) -> None:
        """Counts a try to deliver."""
        self._deliveries.labels(destination, outcome).inc()

    def seconds(self, step: str, seconds: float) -> None:
        """Notes how long a step took."""
        self._seconds.labels(step).observe(seconds)


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name
        """Says nothing."""


class MonitoringServer:
    """`/metrics` and `/healthz` on this machine."""

    def __init__(self, port: int, metrics: NodeMetrics, health: _Health) -> None:
        """Begins to answer.

        Args:
            port: Where; 0 takes a free one.
            metrics: What is counted.
            health: What `/healthz` says; it is well if that does not raise.

        Raises:
            PipelineError: The port is taken.
        """
        app = make_wsgi_app(metrics.registry)

        def answer(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
            if environ.get("PATH_INFO") == "/metrics":
                counted: Iterable[bytes] = app(environ, start)
                return counted
            if environ.get("PATH_INFO") != "/healthz":
                start("404 Not Found", [("Content-Type", "text/plain")])
                return [b"/metrics and /healthz are here.\n"]
            try:
                status, said = "200 OK", health()
            except Exception as error:  # noqa: BLE001 - whatever it is, the node is not well
                status, said = "503 Service Unavailable", {"error": type(error).__name__}
            start(status, [("Content-Type", "application/json"), ("Cache-Control", "no-store")])
            return [json.dumps(said).encode()]

        try:
            self._server = make_server(
                "127.0.0.1", port, answer, ThreadingWSGIServer, handler_class=_Silent
            )
        except OSError as error:
            raise PipelineError(
                f"Port {port} is taken ({error.strerror}): choose another http_port."
            ) from error
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, name="pacs-http", daemon=True).start()

    def stop(self) -> None:
        """Ends it."""
        self._server.shutdown()
        self._server.server_close()
