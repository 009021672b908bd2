"""What can be chosen about preprocessing."""

from typing import Literal

from pydantic import Field

from components.strict_config import StrictConfig


class TransformConfig(StrictConfig):
    """Preprocessing shared by training, evaluation and serving.

    Attributes:
        image_size: Height and width in pixels of what the network sees. VGG16 halves five times,
            so 32 is the least that leaves it anything.
        crop: `head` cuts out the square around the head, black where it reaches beyond the picture;
            `none` keeps the whole frame.
        outside: Whether what lies outside the head becomes `black` first, as ingest and the clients
            make it, or is to `keep`.
        levels: `head` spreads grey levels so that the 2nd percentile of the head's becomes black
            and the 99.5th white; `as_is` leaves them.
    """

    image_size: int = Field(128, ge=32, le=1024)
    crop: Literal["head", "none"] = "head"
    outside: Literal["black", "keep"] = "black"
    levels: Literal["as_is", "head"] = "as_is"
