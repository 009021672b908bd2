"""What can be chosen about the serve check."""

from typing import Literal

from pydantic import Field

from components.servable import TF_SERVING_IMAGE
from components.strict_config import StrictConfig


class ServeCheckConfig(StrictConfig):
    """How a candidate is asked, and what it must hold to.

    Attributes:
        server: `embedded`, this project's own server, or `tensorflow_serving`: its image, in Docker
            or, in a cluster, as a pod.
        image: TensorFlow Serving's image.
        images: How many test images are sent, each as it is, as PNG and as JPEG.
        tolerance: How much a probability may differ from that of the same model in process.
        max_latency: Seconds within which 95 % of the requests with one image must be answered.
        timeout: Seconds within which the model must be available.
    """

    server: Literal["embedded", "tensorflow_serving"] = "embedded"
    image: str = Field(TF_SERVING_IMAGE, pattern=r"^[^:]+(:\d+/[^:]+)?:[\w.-]+$")
    images: int = Field(8, ge=1, le=1000)
    tolerance: float = Field(1e-3, gt=0, le=1)
    max_latency: float = Field(5.0, gt=0)
    timeout: float = Field(120.0, gt=0)
