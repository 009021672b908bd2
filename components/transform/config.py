"""What can be chosen about preprocessing."""

from typing import Literal

from pydantic import Field

from components.strict_config import StrictConfig


class TransformConfig(StrictConfig):
    """Preprocessing shared by training, evaluation and serving.

    Attributes:
        image_size: Height and width in pixels of what the network sees. VGG16 halves five times,
            so 32 is the least that leaves it anything.
        crop: `head` cuts the empty border away first, `none` keeps the whole frame.
    """

    image_size: int = Field(128, ge=32, le=1024)
    crop: Literal["head", "none"] = "head"
