"""What can be chosen about ingestion."""

from typing import Literal

from pydantic import Field

from components.strict_config import StrictConfig


class IngestConfig(StrictConfig):
    """How a folder of images becomes splits.

    Attributes:
        split_policy: `as_is` keeps every image on the side of the folder it came in.
        eval_share: Share of the training images that becomes the `eval` split, class by class,
            where the folder has none of its own.
        test_share: Share of all images that becomes the `test` split where the folder has none.
        max_pixels: Images with more pixels than this are rejected before they are decoded.
        max_file_bytes: Files larger than this are rejected before they are read.
        max_rejected_share: Above this share of rejected files the run stops.
    """

    split_policy: Literal["as_is"] = "as_is"
    eval_share: float = Field(0.1, gt=0, lt=0.5)
    test_share: float = Field(0.2, gt=0, lt=0.5)
    max_pixels: int = Field(50_000_000, gt=0)
    max_file_bytes: int = Field(100_000_000, gt=0)
    max_rejected_share: float = Field(0.01, ge=0, le=1)
