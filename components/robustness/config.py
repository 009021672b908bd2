"""What can be chosen about the question whether a model looks at the tumour."""

from pydantic import Field

from components.strict_config import StrictConfig


class RobustnessConfig(StrictConfig):
    """How many images are changed.

    Attributes:
        images: How many `eval` and how many `test` images are changed, drawn from all classes. Each
            is classified about seventy times. 0 switches the step and its thresholds off.
    """

    images: int = Field(100, ge=0, le=10_000)
