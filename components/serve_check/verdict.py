"""What a serve check came to."""

from components.json_file import JsonFile


class ServeVerdict(JsonFile):
    """The judgement of one candidate.

    Attributes:
        reasons: Why it is refused, in sentences; empty where it is not.
        server: Which server was asked.
        requests: How many images were sent over each protocol.
        load_seconds: From the server's start until the model was available; meanwhile the same
            model answered in process.
        max_difference: The largest difference of a probability from the same model in process.
        latency_p50_ms: Median of the requests of one image over gRPC.
        latency_p95_ms: What 95 of 100 of them stay below.
    """

    FILE = "serve_check.json"

    reasons: tuple[str, ...]
    server: str
    requests: int = 0
    load_seconds: float | None = None
    max_difference: float | None = None
    latency_p50_ms: float | None = None
    latency_p95_ms: float | None = None

    @property
    def blessed(self) -> bool:
        """Whether the candidate may be pushed."""
        return not self.reasons
