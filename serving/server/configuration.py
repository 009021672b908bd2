"""What the server is to do: its flags, and the files that they name."""

from dataclasses import dataclass
from pathlib import Path

from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from components.errors import PipelineError
from serving.server.batching_config import BatchingParameters, read_batching_parameters
from serving.server.errors import StatusError
from serving.server.flags import Flags
from serving.server.model_config import ServedModelConfig, model_configs, read_model_configs
from serving.server.text_proto import read_message

_METRICS_PATH = "/monitoring/prometheus/metrics"


@dataclass(frozen=True)
class Configuration:
    """The command line and its files.

    Attributes:
        flags: The command line.
        models: The models to begin with, by name.
        batching: How requests are merged; None: not at all.
        metrics_path: Where metrics are read; None: nowhere.
    """

    flags: Flags
    models: dict[str, ServedModelConfig]
    batching: BatchingParameters | None
    metrics_path: str | None


def read_configuration(flags: Flags) -> Configuration:
    """Reads the files that the flags name.

    Raises:
        PipelineError: One of them cannot be used.
    """
    batching = metrics_path = None
    if flags.enable_batching:
        file = flags.batching_parameters_file
        batching = read_batching_parameters(Path(file)) if file else BatchingParameters()
    if flags.monitoring_config_file:
        metrics_path = read_monitoring_config(Path(flags.monitoring_config_file))
    return Configuration(flags, _models(flags), batching, metrics_path)


def read_monitoring_config(path: Path) -> str | None:
    """Reads TensorFlow Serving's monitoring configuration.

    Returns:
        The path on the REST port where Prometheus reads metrics; None: nowhere.

    Raises:
        PipelineError: The file cannot be read.
    """
    prometheus = read_message(path, "MonitoringConfig").prometheus_config
    return (prometheus.path or _METRICS_PATH) if prometheus.enable else None


def _models(flags: Flags) -> dict[str, ServedModelConfig]:
    config = {
        "name": flags.model_name,
        "base_path": flags.model_base_path,
        "model_platform": "tensorflow",
    }
    path = flags.model_config_file
    try:
        if path:
            return read_model_configs(Path(path))
        return model_configs(ModelServerConfig(model_config_list={"config": [config]}))
    except StatusError as error:
        raise PipelineError(f"{path}: {error.message}" if path else error.message) from error
