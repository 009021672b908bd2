"""What the server is to do: its flags, and the text files that they name, checked.

A message that no Python package carries is described by a table of its fields, from which protobuf
makes a class; so comments, quoting, lists and wrong fields mean what they mean to TensorFlow
Serving.
"""

import os
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, message_factory, text_format
from google.protobuf.wrappers_pb2 import DESCRIPTOR as WRAPPERS
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from components.bucket import BucketFolder, is_uri
from components.errors import UsageError, path_error
from serving.server.errors import StatusError, invalid_argument
from serving.server.flags import Flags

_METRICS_PATH = "/monitoring/prometheus/metrics"
_PLATFORM = "tensorflow"
UNSUPPORTED = (
    "ServerModelConfig type not supported by HandleReloadConfigRequest."
    " Only ModelConfigList is currently supported"
)

_BOOL, _STRING = {"type": "TYPE_BOOL"}, {"type": "TYPE_STRING"}
_INT64_VALUE = {"type_name": ".google.protobuf.Int64Value"}
_MESSAGES: dict[str, dict[str, dict[str, str]]] = {
    "BatchingParameters": {
        "max_batch_size": _INT64_VALUE,
        "batch_timeout_micros": _INT64_VALUE,
        "max_enqueued_batches": _INT64_VALUE,
        "num_batch_threads": _INT64_VALUE,
        "thread_pool_name": {"type_name": ".google.protobuf.StringValue"},
        "allowed_batch_sizes": {"type": "TYPE_INT64", "label": "LABEL_REPEATED"},
        "pad_variable_length_inputs": _BOOL,
        "enable_large_batch_splitting": {"type_name": ".google.protobuf.BoolValue"},
        "max_execution_batch_size": _INT64_VALUE,
    },
    "PrometheusConfig": {"enable": _BOOL, "path": _STRING},
    "MonitoringConfig": {"prometheus_config": {"type_name": "PrometheusConfig"}},
}
"""The fields of each message in the order of their numbers, from 1."""


@dataclass(frozen=True)
class BatchingParameters:
    """How requests are merged, with TensorFlow Serving's own defaults.

    Attributes:
        max_batch_size: Most examples that one call of the model gets.
        batch_timeout_micros: How long the first request of a batch waits for others, microseconds.
        max_enqueued_batches: Most full batches that wait; a request beyond is UNAVAILABLE.
        num_batch_threads: Batches that run at the same time.
        allowed_batch_sizes: Sizes a batch is padded to; none: no padding.
        split_large: Whether a larger request is split, and not refused.
    """

    max_batch_size: int = 1000
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 10
    num_batch_threads: int = os.cpu_count() or 1
    allowed_batch_sizes: tuple[int, ...] = ()
    split_large: bool = True

    def __post_init__(self) -> None:
        """Checks what TensorFlow Serving checks."""
        for name in ("max_batch_size", "max_enqueued_batches", "num_batch_threads"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be positive, not {getattr(self, name)}.")
        if self.batch_timeout_micros < 0:
            raise UsageError("batch_timeout_micros must be zero or more.")
        sizes = self.allowed_batch_sizes
        if sizes and (list(sizes) != sorted(set(sizes)) or sizes[-1] != self.max_batch_size):
            raise UsageError(
                "allowed_batch_sizes must increase and end in max_batch_size"
                f" ({self.max_batch_size}), not {list(sizes)}."
            )

    def padded(self, size: int) -> int:
        """The size that a batch of `size` examples is padded to."""
        return next((allowed for allowed in self.allowed_batch_sizes if allowed >= size), size)


@dataclass(frozen=True)
class VersionPolicy:
    """Which of the versions in a base path are wanted: all, unless one of the two says which."""

    latest: int = 1
    """This many of the highest; 0: the policy is another."""
    specific: frozenset[int] | None = None
    """These; None: the policy is another."""


@dataclass(frozen=True)
class ServedModelConfig:
    """A model: what requests call it, where its version folders are, and versions by label."""

    name: str
    base_path: Path | BucketFolder
    policy: VersionPolicy = VersionPolicy()
    labels: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Configuration:
    """The command line and its files: the models to begin with, by name.

    Without `batching` no requests are merged; without `metrics_path` metrics are read nowhere.
    """

    flags: Flags
    models: dict[str, ServedModelConfig]
    batching: BatchingParameters | None
    metrics_path: str | None


def read_configuration(flags: Flags) -> Configuration:
    """Reads the files that the flags name; one that cannot be used is a PipelineError."""
    batching = metrics_path = None
    if flags.enable_batching:
        file = flags.batching_parameters_file
        batching = read_batching_parameters(Path(file)) if file else BatchingParameters()
    if flags.monitoring_config_file:
        metrics_path = read_monitoring_config(Path(flags.monitoring_config_file))
    return Configuration(flags, _models(flags), batching, metrics_path)


def read_monitoring_config(path: Path) -> str | None:
    """The path on the REST port where a monitoring file lets Prometheus read; None: nowhere."""
    prometheus = _read(path, _messages()["serving.MonitoringConfig"]()).prometheus_config
    return (prometheus.path or _METRICS_PATH) if prometheus.enable else None


def _models(flags: Flags) -> dict[str, ServedModelConfig]:
    path = flags.model_config_file
    message = ModelServerConfig()
    try:
        if path:
            return read_model_configs(Path(path))
        message.model_config_list.config.add(
            name=flags.model_name, base_path=flags.model_base_path, model_platform=_PLATFORM
        )
        return model_configs(message)
    except StatusError as error:
        raise UsageError(f"{path}: {error.message}" if path else error.message) from error


def read_batching_parameters(path: Path) -> BatchingParameters:
    """Reads a batching parameters file; a value that makes no sense is a PipelineError."""
    message = _read(path, _messages()["serving.BatchingParameters"]())
    names = ("max_batch_size", "batch_timeout_micros", "max_enqueued_batches", "num_batch_threads")
    given = {name: getattr(message, name).value for name in names if message.HasField(name)}
    if message.HasField("max_execution_batch_size"):
        given["max_batch_size"] = message.max_execution_batch_size.value
    if message.HasField("enable_large_batch_splitting"):
        given["split_large"] = message.enable_large_batch_splitting.value
    return BatchingParameters(**given, allowed_batch_sizes=tuple(message.allowed_batch_sizes))


def read_model_configs(path: Path) -> dict[str, ServedModelConfig]:
    """Reads the models from a ModelServerConfig in a text file."""
    return model_configs(_read(path, ModelServerConfig()))


def model_configs(message: Any) -> dict[str, ServedModelConfig]:
    """The models of a ModelServerConfig, by name; it refuses what TensorFlow Serving refuses."""
    if message.WhichOneof("config") == "custom_model_config":
        raise invalid_argument(UNSUPPORTED)
    models: dict[str, ServedModelConfig] = {}
    for config in message.model_config_list.config:
        if config.name in models:
            raise invalid_argument(
                f"Illegal to list model {config.name} multiple times in config list"
            )
        models[config.name] = _model(config)
    return models


def _model(config: Any) -> ServedModelConfig:
    platform = _PLATFORM if config.model_type == 1 else config.model_platform
    if config.model_type and config.model_platform:
        raise invalid_argument("Illegal setting both model_type(deprecated) and model_platform.")
    if not platform:
        raise invalid_argument("Illegal setting neither model_type(deprecated) nor model_platform.")
    if platform != _PLATFORM:
        raise invalid_argument(f"Model {config.name} requests unsupported platform {platform}")
    if not config.name or not config.base_path:
        raise invalid_argument("A model needs a name and a base_path.")
    if "\0" in config.base_path:
        raise invalid_argument(f"The base_path of model {config.name} holds a NUL character.")
    if not (config.base_path.startswith("/") or "://" in config.base_path):
        raise invalid_argument(
            f"Expected model {config.name} to have an absolute path or URI; got"
            f" base_path()={config.base_path}"
        )
    policy, labels = _policy(config.model_version_policy), dict(config.version_labels)
    try:
        bucket = BucketFolder.of(config.base_path) if is_uri(config.base_path) else None
    except UsageError as error:
        raise invalid_argument(f"Model {config.name}: {error}") from error
    return ServedModelConfig(config.name, bucket or Path(config.base_path), policy, labels)


def _policy(message: Any) -> VersionPolicy:
    choice = message.WhichOneof("policy_choice")
    if choice == "all":
        return VersionPolicy(latest=0)
    if choice == "specific":
        return VersionPolicy(latest=0, specific=frozenset(message.specific.versions))
    return VersionPolicy(latest=max(message.latest.num_versions, 1))


@cache
def _messages() -> dict[str, Any]:
    wrappers = descriptor_pb2.FileDescriptorProto.FromString(WRAPPERS.serialized_pb)
    file = descriptor_pb2.FileDescriptorProto(
        name="serving.proto", package="serving", syntax="proto3", dependency=[wrappers.name]
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, (key, kind) in enumerate(fields.items(), 1):
            message.field.add(name=key, number=number, **{"label": "LABEL_OPTIONAL", **kind})
    made: dict[str, Any] = message_factory.GetMessages([wrappers, file])
    return made


def _read(path: Path, message: Any) -> Any:
    """Fills a message from a text file; what is not that message is a PipelineError."""
    try:
        return text_format.Parse(path.read_text(), message)
    except OSError as error:
        raise path_error(error)(f"Cannot read {path}: {error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"Cannot read {path}: {error}") from error
    except text_format.ParseError as error:
        raise UsageError(
            f"Invalid protobuf file: '{path}': Error parsing text-format"
            f" {message.DESCRIPTOR.full_name}: {error}"
        ) from error
