"""What monitoring came to, for programs, people and Prometheus."""

from datetime import datetime
from typing import Literal

from components.gate.verdict import Distance
from components.strict_config import StrictConfig

LABEL = "image/label"
"""What is compared with the training's labels is what the model answered."""


class Latency(StrictConfig):
    """How long requests took, in milliseconds.

    Attributes:
        p50: Their median.
        p95: What 95 of 100 stay below.
        p99: What 99 of 100 stay below.
    """

    p50: float
    p95: float
    p99: float


class MonitorReport(StrictConfig):
    """A window of requests beside the training images.

    Attributes:
        outcome: `drift` where a feature of the images drifted.
        first: Time of the first request.
        last: Time of the last.
        images: How many images were asked about.
        model: The model that was asked.
        version: The version of it that answered.
        left_out: How many images of the window others answered, other models or versions.
        training_images: How many images the model was trained on.
        distances: How far each feature, and the answers (`image/label`), lie from the training's.
        labels: Share of the answers by class.
        training_labels: Share of the training images by class.
        confidence: Mean confidence.
        out_of_distribution: Share of the images that the model does not know; None where it does
            not say.
        reasons: Share of the images by the reason why a person must decide, of those of which the
            model says; one may have several.
        latency: How long requests took.
    """

    outcome: Literal["no drift", "drift"]
    first: datetime
    last: datetime
    images: int
    model: str
    version: int
    left_out: int = 0
    training_images: int
    distances: tuple[Distance, ...]
    labels: dict[str, float]
    training_labels: dict[str, float]
    confidence: float
    out_of_distribution: float | None
    reasons: dict[str, float] = {}
    latency: Latency

    @property
    def drifted(self) -> tuple[str, ...]:
        """Features, and `image/label` for the answers, that lie farther than is allowed."""
        return tuple(one.feature for one in self.distances if one.value > one.allowed)
