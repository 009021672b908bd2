"""The moving average of the weights, which Keras' optimizers keep, where it is evaluated."""

from typing import Any

import keras
import numpy as np


class EvaluateAverage(keras.callbacks.Callback):
    """Gives the model the average for an evaluation, and its own weights back afterwards.

    Keras' SwapEMAWeights adds and subtracts to change them over, which changes them.
    """

    def __init__(self) -> None:
        super().__init__()
        self._own: list[np.ndarray[Any, Any]] = []

    def on_test_begin(
        self,
        logs: dict[str, float] | None = None,  # noqa: ARG002 - Keras' signature
    ) -> None:
        """Puts the average in."""
        variables = self.model.trainable_variables
        self._own = [variable.numpy() for variable in variables]
        self.model.optimizer.finalize_variable_values(variables)

    def on_test_end(
        self,
        logs: dict[str, float] | None = None,  # noqa: ARG002 - Keras' signature
    ) -> None:
        """Puts the model's own weights back."""
        for variable, own in zip(self.model.trainable_variables, self._own, strict=True):
            variable.assign(own)
