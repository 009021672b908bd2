"""How far the model trusts its own answers: calibration, foreign images, doubts, abstention."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.trainer.confidence.calibration import Calibration, fit_calibration
from components.trainer.confidence.doubts import Limits, fit_limits
from components.trainer.confidence.foreign import ForeignScore, fit_foreign
from components.trainer.confidence.observations import Observations
from components.trainer.config import ConfidenceConfig


@dataclass(frozen=True, eq=False)
class Confidence:
    """What the exported graph adds to the network's own answer.

    Attributes:
        calibration: From logits to probabilities that mean what they say.
        foreign: The distance from the training images; above 1 the image is no brain MRI.
        limits: Which pictures are cut, blurred or badly framed.
        refer_below: Probability of the likeliest class below which a reader must decide.
    """

    calibration: Calibration
    foreign: ForeignScore
    limits: Limits
    refer_below: float

    def describe(self) -> dict[str, float]:
        """The fitted numbers for the model's metadata."""
        return {
            "temperature": self.calibration.temperature,
            "foreign_limit": self.foreign.limit,
            "refer_below": self.refer_below,
            **self.limits.describe(),
        }


def fit_confidence(
    train: Observations,
    held_out: Observations,
    measures: NDArray[np.float32],
    config: ConfidenceConfig,
) -> Confidence:
    """Fits all that can be fitted; test images have no part in it.

    Args:
        train: What the network makes of training images, a sample of which is enough.
        held_out: What it makes of `eval`.
        measures: Of the images of both, float32 [images, 4]; see `components.transform.measures`.
        config: Thresholds.

    Returns:
        What `ServingModule` takes.

    Raises:
        PipelineError: The training images of each class look the same to the network.
    """
    return Confidence(
        fit_calibration(held_out),
        fit_foreign(train, held_out, config),
        fit_limits(measures, config),
        config.refer_below,
    )
