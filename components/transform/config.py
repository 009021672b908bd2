"""What can be chosen about preprocessing."""

from typing import Literal

from pydantic import Field

from components.strict_config import StrictConfig


class TransformConfig(StrictConfig):
    """Preprocessing shared by training, evaluation and serving.

    Attributes:
        image_size: Height and width in pixels of the network's input. VGG16 halves it five times,
            so the smallest is 32.
        crop: `head` cuts out the square around the head, black where it extends beyond the picture;
            `none` keeps the whole frame.
        outside: `black` first blackens everything outside the head, as ingest and the clients do;
            `keep` does not.
        levels: `head` stretches grey levels so that the head's 2nd percentile becomes black and its
            99.5th white; `as_is` leaves them.
    """

    image_size: int = Field(128, ge=32, le=1024)
    crop: Literal["head", "none"] = "head"
    outside: Literal["black", "keep"] = "black"
    levels: Literal["as_is", "head"] = "as_is"
