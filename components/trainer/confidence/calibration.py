"""Probabilities that mean what they say: temperature scaling, fitted on the held-out split.

Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", 2017.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from components.trainer.confidence.observations import Observations

if TYPE_CHECKING:
    import tensorflow as tf

_TEMPERATURES = (0.05, 20.0)
"""The least and the greatest that a fit may give; beyond, the network is broken, not sure."""


@dataclass(frozen=True)
class Calibration:
    """Divides logits by a temperature: order and accuracy stay, confidence changes.

    Attributes:
        temperature: Above 1 the network was too sure of itself, below 1 not sure enough.
    """

    temperature: float

    def __call__(self, logits: "tf.Tensor") -> "tf.Tensor":
        """Turns logits into calibrated probabilities, both float32 [batch, classes]."""
        import tensorflow as tf

        return tf.nn.softmax(logits / self.temperature)


def fit_calibration(held_out: Observations) -> Calibration:
    """Finds the temperature of least negative log-likelihood.

    The labels carry the doubt of one image more, of an unknown class, shared among them (after
    Platt, 1999), so that a split without a single mistake does not ask for certainty, however small
    it is.

    Args:
        held_out: What the network makes of `eval`; no image that it was trained on.

    Returns:
        The calibration.
    """
    from scipy.optimize import minimize_scalar

    logits = held_out.logits.astype(np.float64)
    targets = _doubted(held_out.labels, logits.shape[1])
    found: Any = minimize_scalar(
        lambda exponent: _cross_entropy(logits / np.exp(exponent), targets),
        bounds=tuple(np.log(_TEMPERATURES)),
        method="bounded",
        options={"xatol": 1e-6},
    )
    return Calibration(float(np.exp(found.x)))


def _doubted(labels: NDArray[np.int64], class_count: int) -> NDArray[np.float64]:
    """One-hot labels of n images, mixed with 1 part in n + 1 of every class alike."""
    counted = len(labels) * np.eye(class_count)[labels] + 1 / class_count
    doubted: NDArray[np.float64] = counted / (len(labels) + 1)
    return doubted


def _cross_entropy(logits: NDArray[np.float64], targets: NDArray[np.float64]) -> float:
    from scipy.special import log_softmax

    return float(-(targets * log_softmax(logits, axis=1)).sum(axis=1).mean())
