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
        dicom_port: Published port of the archive, DICOM.
        orthanc_port: Published port of the archive's own page and its DICOMweb.
        ohif_port: Published port of the viewer.
        node_port: Published port of the DICOM node.
        orthanc_image: Orthanc's image, with DICOMweb.
        pipeline_image: The image of the Dockerfile's target `pipeline`.
        npm_image: An image with npm, which fetches the viewer.
        nginx_image: An image of nginx that runs as an ordinary user, which serves the viewer.
        ohif_version: The viewer's version on npm.
        ohif_sha256: Its package's SHA-256.
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
    dicom_port: int = Field(4242, ge=1, le=65535)
    orthanc_port: int = Field(8042, ge=1, le=65535)
    ohif_port: int = Field(3000, ge=1, le=65535)
    node_port: int = Field(11112, ge=1, le=65535)
    orthanc_image: str = "jodogne/orthanc-plugins:1.12.7"
    pipeline_image: str = "brain-mri-pipeline:latest"
    npm_image: str = "node:22-slim"
    nginx_image: str = "nginxinc/nginx-unprivileged:1.29-alpine"
    ohif_version: str = "3.12.10"
    ohif_sha256: str = "fbabd410be33e5b9898931b725229b9da9553aac339914b5c29796d3aa5d4b2d"
