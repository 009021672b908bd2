"""What the server is to do: its flags, and the files that they name."""

from dataclasses import dataclass
from pathlib import Path

from components.errors import PipelineError
from serving.server.batching_config import BatchingParameters, read_batching_parameters
from serving.server.errors import StatusError
from serving.server.flags import Flags
from serving.server.model_config import ServedModelConfig, read_model_configs
from serving.server.monitoring_config import MonitoringConfig, read_monitoring_config


@dataclass(frozen=True)
class Configuration:
    """The command line and its files.

    Attributes:
        flags: The command line.
        models: The models to begin with, by name.
        batching: How requests are merged; None: not at all.
        monitoring: Whether and where metrics are read.
    """

    flags: Flags
    models: dict[str, ServedModelConfig]
    batching: BatchingParameters | None
    monitoring: MonitoringConfig


def read_configuration(flags: Flags) -> Configuration:
    """Reads the files that the flags name.

    Raises:
        PipelineError: One of them cannot be used.
    """
    monitoring = MonitoringConfig()
    if flags.monitoring_config_file:
        monitoring = read_monitoring_config(Path(flags.monitoring_config_file))
    return Configuration(flags, _models(flags), _batching(flags), monitoring)


def _models(flags: Flags) -> dict[str, ServedModelConfig]:
    if not flags.model_config_file:
        path = Path(flags.model_base_path)
        return {flags.model_name: ServedModelConfig(flags.model_name, path)}
    path = Path(flags.model_config_file)
    try:
        return read_model_configs(path)
    except StatusError as error:
        raise PipelineError(f"{path}: {error.message}") from error


def _batching(flags: Flags) -> BatchingParameters | None:
    if not flags.enable_batching:
        return None
    if not flags.batching_parameters_file:
        return BatchingParameters()
    return read_batching_parameters(Path(flags.batching_parameters_file))
