"""Probabilities that mean what they say: temperature scaling, fitted on the held-out split.

Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", 2017.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from components.trainer.observations import Observations

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

    Each image's label carries the doubt of one image more of every class (after Platt, 1999), so
    that a split without a single mistake, however small, does not ask for certainty.

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
    """One-hot labels of n images, smoothed to (1 + n) and 1 over n + classes."""
    counted = len(labels) * np.eye(class_count)[labels] + 1
    doubted: NDArray[np.float64] = counted / (len(labels) + class_count)
    return doubted


def _cross_entropy(logits: NDArray[np.float64], targets: NDArray[np.float64]) -> float:
    from scipy.special import log_softmax

    return float(-(targets * log_softmax(logits, axis=1)).sum(axis=1).mean())
