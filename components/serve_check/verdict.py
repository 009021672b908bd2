"""What a serve check came to."""

from pathlib import Path

from pydantic import BaseModel

_FILE = "serve_check.json"


class ServeVerdict(BaseModel):
    """The judgement of one candidate.

    Attributes:
        reasons: Why it is refused, in sentences; empty where it is not.
        server: Which server was asked.
        requests: How many images were sent over each protocol.
        load_seconds: From the server's start until the model was available.
        max_difference: The largest difference of a probability from the same model in process.
        latency_p50_ms: Median of the requests of one image over gRPC.
        latency_p95_ms: What 95 of 100 of them stay below.
    """

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

    def write(self, folder: Path) -> None:
        """Writes it into the blessing's folder."""
        (folder / _FILE).write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")

    @staticmethod
    def read(folder: Path) -> "ServeVerdict":
        """Reads what `write` wrote."""
        return ServeVerdict.model_validate_json((folder / _FILE).read_bytes())
