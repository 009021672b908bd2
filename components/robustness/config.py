"""What can be chosen about the question whether a model looks at the tumour."""

from pydantic import Field

from components.strict_config import StrictConfig


class RobustnessConfig(StrictConfig):
    """How many images are changed.

    Attributes:
        images: Of the `eval` and of the `test` images, how many are changed, of all classes; each
            is asked about some seventy times. With 0 nothing is asked, and nothing is demanded.
    """

    images: int = Field(100, ge=0, le=10_000)
