"""How far the model trusts its own answers: calibration, sets, foreign images, doubts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.trainer.confidence.calibration import Calibration, fit_calibration
from components.trainer.confidence.doubts import Limits, fit_limits
from components.trainer.confidence.foreign import ForeignScore, fit_foreign
from components.trainer.confidence.observations import Observations
from components.trainer.confidence.sets import PredictionSets, fit_sets
from components.trainer.config import ConfidenceConfig


@dataclass(frozen=True, eq=False)
class Confidence:
    """What the exported graph adds to the network's own answer.

    Attributes:
        calibration: From logits to probabilities that mean what they say.
        sets: Which classes remain possible.
        foreign: The distance from the training images; above 1 the image is no brain MRI.
        limits: Which pictures are cut, blurred or badly framed.
        refer_below: Probability of the likeliest class below which a reader must decide.
    """

    calibration: Calibration
    sets: PredictionSets
    foreign: ForeignScore
    limits: Limits
    refer_below: float

    def describe(self) -> dict[str, Any]:
        """The fitted numbers for the model's metadata."""
        return {
            "temperature": self.calibration.temperature,
            "foreign_limit": self.foreign.limit,
            "refer_below": self.refer_below,
            "set_level": self.sets.level,
            "set_thresholds": list(self.sets.thresholds),
            **self.limits.describe(),
        }


def fit_confidence(
    train: Observations,
    held_out: Observations,
    measures: NDArray[np.float32],
    config: ConfidenceConfig,
    classes: Sequence[str] = (),
) -> Confidence:
    """Fits all that can be fitted; test images have no part in it.

    Args:
        train: What the network makes of training images, a sample of which is enough.
        held_out: What it makes of `eval`.
        measures: Of the images of both, float32 [images, 4]; see `components.transform.measures`.
        config: Thresholds.
        classes: Names, for the log.

    Returns:
        What `ServingModule` takes.

    Raises:
        PipelineError: The training images of each class look the same to the network.
    """
    calibration = fit_calibration(held_out)
    groups = held_out.groups
    if groups is None:
        groups = np.arange(len(held_out.labels)).astype(str)
    probabilities = np.asarray(calibration(held_out.logits), np.float32)
    return Confidence(
        calibration,
        fit_sets(probabilities, held_out.labels, groups, config.set_level, classes),
        fit_foreign(train, held_out, config),
        fit_limits(measures, config),
        config.refer_below,
    )
