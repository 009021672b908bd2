"""What can be chosen about serving in production."""

from pathlib import Path

from pydantic import Field, model_validator

from components.servable import MODEL_NAME, TF_SERVING_IMAGE
from components.strict_config import StrictConfig


class BatchingConfig(StrictConfig):
    """How TensorFlow Serving merges requests.

    On a processor a batch is hardly faster than its images one by one, so nothing waits for a
    batch; what comes while the model works is the next one.

    Attributes:
        max_batch_size: Most images that the model gets at once.
        batch_timeout_micros: How long the first request waits for others, microseconds.
        max_enqueued_batches: Most batches that wait; beyond, a request is UNAVAILABLE.
        num_batch_threads: Batches that run at the same time.
        allowed_batch_sizes: Sizes that a batch is padded to, as a GPU may want; none: no padding.
    """

    max_batch_size: int = Field(16, ge=1)
    batch_timeout_micros: int = Field(0, ge=0)
    max_enqueued_batches: int = Field(64, ge=1)
    num_batch_threads: int = Field(1, ge=1)
    allowed_batch_sizes: tuple[int, ...] = ()

    @model_validator(mode="after")
    def _sizes_end_in_the_largest(self) -> "BatchingConfig":
        sizes = self.allowed_batch_sizes
        if sizes and (list(sizes) != sorted(set(sizes)) or sizes[-1] != self.max_batch_size):
            raise ValueError("allowed_batch_sizes must increase and end in max_batch_size")
        return self


class DeploymentConfig(StrictConfig):
    """A model server, the page and Prometheus.

    Attributes:
        name: The model's name.
        models: The folder of the model's versions on the machine that serves.
        labels: Version labels, such as `stable`, by name.
        batching: How requests are merged.
        bind: The address on the machine that ports are published at. TensorFlow Serving has no
            authentication: what stands in front of it should be all that reaches it.
        grpc_port: Published port of gRPC.
        rest_port: Published port of REST.
        page_port: Published port of the page.
        prometheus_port: Published port of Prometheus.
        image: TensorFlow Serving's image.
        page_image: The image of the Dockerfile's target `page`.
        prometheus_image: Prometheus' image.
    """

    name: str = Field(MODEL_NAME, pattern=r"^[a-z][a-z0-9_]*$")
    models: Path
    labels: dict[str, int] = {}
    batching: BatchingConfig = BatchingConfig()
    bind: str = "127.0.0.1"
    grpc_port: int = Field(8500, ge=1, le=65535)
    rest_port: int = Field(8501, ge=1, le=65535)
    page_port: int = Field(8000, ge=1, le=65535)
    prometheus_port: int = Field(9090, ge=1, le=65535)
    image: str = TF_SERVING_IMAGE
    page_image: str = "brain-mri-page:latest"
    prometheus_image: str = "prom/prometheus:v3.5.0"
