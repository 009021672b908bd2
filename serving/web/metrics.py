"""What is counted about the page, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from components.reasons import counted
from serving.client import Prediction


class PageMetrics:
    """The counters of one application."""

    def __init__(self) -> None:
        """Starts at zero."""
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "mri_page_requests", "Answers.", ["endpoint", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "mri_page_seconds", "Seconds to an answer.", ["endpoint"], registry=self._registry
        )
        told = "Results by what a person is told."
        self._results = Counter("mri_page_results", told, ["state"], registry=self._registry)
        why = "Results by each reason why a person must decide."
        self._reasons = Counter("mri_page_reasons", why, ["reason"], registry=self._registry)

    def request(self, endpoint: str, status: int, seconds: float) -> None:
        """Counts an answer."""
        self._requests.labels(endpoint, str(status)).inc()
        self._seconds.labels(endpoint).observe(seconds)

    def result(self, result: Prediction) -> None:
        """Counts a result, by its state and its reasons and not by its class."""
        state = "classified"
        if result.in_distribution is False:
            state = "foreign"
        elif result.refer is True:
            state = "refer"
        self._results.labels(state).inc()
        for reason in counted(result.reasons or ""):
            self._reasons.labels(reason).inc()

    def text(self) -> bytes:
        """All counters in Prometheus' text format."""
        return generate_latest(self._registry)
