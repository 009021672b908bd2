"""Which models are served: TensorFlow Serving's ModelServerConfig, checked."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tensorflow_serving.config import model_server_config_pb2

from serving.server.errors import Code, StatusError, invalid_argument
from serving.server.text_proto import read_text_proto

_PLATFORM = "tensorflow"


@dataclass(frozen=True)
class VersionPolicy:
    """Which of the versions in a base path are wanted.

    Attributes:
        latest: This many of the highest; 0: the policy is another.
        specific: These; None: the policy is another. Without both: all.
    """

    latest: int = 1
    specific: frozenset[int] | None = None


@dataclass(frozen=True)
class ServedModelConfig:
    """One model.

    Attributes:
        name: What requests call it.
        base_path: The folder of its version folders.
        policy: Which of them are wanted.
        labels: Versions by label.
    """

    name: str
    base_path: Path
    policy: VersionPolicy = VersionPolicy()
    labels: dict[str, int] = field(default_factory=dict)


def read_model_configs(path: Path) -> dict[str, ServedModelConfig]:
    """Reads the models from a text file.

    Raises:
        PipelineError: The file is not a ModelServerConfig.
        StatusError: It says something that cannot be.
    """
    message = model_server_config_pb2.ModelServerConfig()
    read_text_proto(path, message)
    return model_configs(message)


def model_configs(message: Any) -> dict[str, ServedModelConfig]:
    """The models of a ModelServerConfig, by name.

    Raises:
        StatusError: The configuration is one that TensorFlow Serving refuses.
    """
    if message.WhichOneof("config") == "custom_model_config":
        raise StatusError(
            Code.INVALID_ARGUMENT,
            "ServerModelConfig type not supported by HandleReloadConfigRequest."
            " Only ModelConfigList is currently supported",
        )
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
    return ServedModelConfig(
        config.name,
        Path(config.base_path),
        _policy(config.model_version_policy),
        dict(config.version_labels),
    )


def _policy(message: Any) -> VersionPolicy:
    choice = message.WhichOneof("policy_choice")
    if choice == "all":
        return VersionPolicy(latest=0)
    if choice == "specific":
        return VersionPolicy(latest=0, specific=frozenset(message.specific.versions))
    return VersionPolicy(latest=max(message.latest.num_versions, 1))
