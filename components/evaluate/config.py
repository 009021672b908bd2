"""What a model must reach to be blessed."""

from pydantic import Field

from components.strict_config import StrictConfig


class EvaluateConfig(StrictConfig):
    """Thresholds on the test split.

    Attributes:
        min_accuracy: Least accuracy, 0 to 1.
        max_accuracy_drop: How far accuracy may lie below that of the last blessed model.
    """

    min_accuracy: float = Field(0.8, ge=0, le=1)
    max_accuracy_drop: float = Field(0.01, ge=0, le=1)
