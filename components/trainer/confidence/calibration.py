"""Probabilities that mean what they say: temperature scaling, fitted on the held-out split.

Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", 2017.
"""

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from components.trainer.confidence.observations import Observations

if TYPE_CHECKING:
    import tensorflow as tf

_TEMPERATURES = (0.05, 20.0)
"""The least and the greatest that a fit may give; beyond, the network is broken, not sure."""
_FOLDS = 10
"""Parts of the split that are left out in turn, to see what a temperature does to unseen images."""
_STANDARD_ERRORS = 1.645
"""How far the gain on unseen images must lie above nothing: one-sided, 95 %."""
_UNCALIBRATED = 1.0

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Calibration:
    """Divides logits by a temperature: order and accuracy stay, confidence changes.

    Attributes:
        temperature: Above 1 the network was too sure of itself, below 1 not sure enough; 1 changes
            nothing.
    """

    temperature: float

    def __call__(self, logits: "tf.Tensor") -> "tf.Tensor":
        """Turns logits into calibrated probabilities, both float32 [batch, classes]."""
        import tensorflow as tf

        return tf.nn.softmax(logits / self.temperature)


def fit_calibration(held_out: Observations) -> Calibration:
    """Finds the temperature of least negative log-likelihood, if the split can support one.

    The labels carry the doubt of one image more, of an unknown class, shared among them (after
    Platt, 1999), so that a split without a single mistake does not ask for certainty, however small
    it is. A temperature that was fitted on few images can make confidence worse, so it is kept only
    if temperatures that are fitted without a tenth of the images make that tenth more likely than
    no temperature does, by more than chance.

    Args:
        held_out: What the network makes of `eval`; no image that it was trained on.

    Returns:
        The calibration; of temperature 1 if the split is too small to fit another.
    """
    logits = held_out.logits.astype(np.float64)
    temperature = _fitted(logits, held_out.labels)
    if _helps_unseen(logits, held_out.labels):
        return Calibration(temperature)
    _LOG.info(
        "calibration is left out: on %d images of eval, a temperature of %.2f "
        "is no better than none",
        len(logits),
        temperature,
    )
    return Calibration(_UNCALIBRATED)


def _fitted(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    from scipy.optimize import minimize_scalar

    targets = _doubted(labels, logits.shape[1])
    found: Any = minimize_scalar(
        lambda exponent: _surprise(logits / np.exp(exponent), targets).mean(),
        bounds=tuple(np.log(_TEMPERATURES)),
        method="bounded",
        options={"xatol": 1e-6},
    )
    return float(np.exp(found.x))


def _helps_unseen(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> bool:
    """Whether temperatures make images likelier that had no part in fitting them."""
    if len(logits) < _FOLDS:
        return False
    fold = np.random.default_rng(0).permutation(len(logits)) % _FOLDS
    truth = np.eye(logits.shape[1])[labels]
    gain = _surprise(logits, truth)
    for left_out in range(_FOLDS):
        here = fold == left_out
        temperature = _fitted(logits[~here], labels[~here])
        gain[here] -= _surprise(logits[here] / temperature, truth[here])
    error = gain.std(ddof=1) / np.sqrt(len(gain))
    return bool(gain.mean() > _STANDARD_ERRORS * error)


def _doubted(labels: NDArray[np.int64], class_count: int) -> NDArray[np.float64]:
    """One-hot labels of n images, mixed with 1 part in n + 1 of every class alike."""
    counted = len(labels) * np.eye(class_count)[labels] + 1 / class_count
    doubted: NDArray[np.float64] = counted / (len(labels) + 1)
    return doubted


def _surprise(logits: NDArray[np.float64], targets: NDArray[np.float64]) -> NDArray[np.float64]:
    """The cross-entropy of each image."""
    from scipy.special import log_softmax

    surprise: NDArray[np.float64] = -(targets * log_softmax(logits, axis=1)).sum(axis=1)
    return surprise
