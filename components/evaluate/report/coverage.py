"""What is gained where the model may refer an image to a reader instead of answering."""

from dataclasses import dataclass

import numpy as np

from components.evaluate.predictions.table import Flags, Floats


@dataclass(frozen=True)
class CoverageRisk:
    """Error among the answered images, by the share that is answered.

    Source: Y. Geifman and R. El-Yaniv, Selective Classification for Deep Neural Networks (2017).

    Attributes:
        coverage: Share of the images that is answered, the most confident first.
        risk: Share of those that is wrong.
        area: The mean risk over all coverages, an image counting at that of its confidence.
    """

    coverage: Floats
    risk: Floats
    area: float

    @staticmethod
    def of(confidence: Floats, right: Flags) -> "CoverageRisk":
        """Computes the curve.

        Args:
            confidence: Of each image; at least one.
            right: Whether the answer is.

        Returns:
            The curve, a point a distinct confidence: images of equal confidence come together.
        """
        order = np.argsort(-confidence, kind="stable")
        last = np.flatnonzero(np.r_[np.diff(confidence[order]) != 0, True])
        answered = last + 1
        risk = np.cumsum(~right[order])[last] / answered
        area = float(risk @ np.diff(answered, prepend=0)) / len(order)
        return CoverageRisk(answered / len(order), risk, area)

    def risk_at(self, coverage: float) -> float:
        """The risk at the least coverage that is at least the given one."""
        return float(self.risk[np.searchsorted(self.coverage, coverage - 1e-12)])
