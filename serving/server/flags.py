"""The command line: TensorFlow Serving's own flags, and a few more."""

import re
from argparse import SUPPRESS, ArgumentError, ArgumentParser, ArgumentTypeError
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from components.errors import UsageError
from components.validation import nearest_name

# Flags of tensorflow_model_server that change nothing here: the embedded server has no such part.
_WITHOUT_EFFECT = {
    "enable_profiler",
    "flush_filesystem_caches",
    "grpc_max_threads",
    "mixed_precision",
    "num_tflite_interpreters_per_pool",
    "num_tflite_pools",
    "num_unload_threads",
    "per_process_gpu_memory_fraction",
    "remove_unused_fields_from_bundle_metagraph",
    "rest_api_num_threads",
    "skip_initialize_tpu",
    "xla_cpu_compilation_enabled",
}
# Flags whose silent absence would surprise.
_NOT_OFFERED = {
    "enable_per_model_batching_parameters",
    "platform_config_file",
    "prefer_tflite_model",
    "ssl_config_file",
    "tensorflow_session_config_file",
    "thread_pool_factory_config_file",
    "use_alts_credentials",
}
_SWITCH = {"true": True, "1": True, "false": False, "0": False}


_Value = TypeVar("_Value")


def _flag(default: _Value, said: str) -> _Value:
    """A flag with its default and its line in the usage."""
    return field(default=default, metadata={"said": said})


@dataclass(frozen=True)
class Flags:
    """What the server is told on its command line; names and defaults are TensorFlow Serving's."""

    port: int = _flag(8500, "gRPC port; 0: none (then `grpc_socket_path` is needed).")
    grpc_socket_path: str = _flag("", "Unix socket for gRPC; empty: none.")
    rest_api_port: int = _flag(0, "REST port; 0: no REST.")
    rest_api_timeout_in_ms: int = _flag(30_000, "Longest that a REST request may take.")
    rest_api_enable_cors_support: bool = _flag(False, "Whether other origins may call REST.")
    model_name: str = _flag("default", "The model's name, with `model_base_path`.")
    model_base_path: str = _flag(
        "", "The folder of its version folders; may be s3://BUCKET/FOLDER."
    )
    model_config_file: str = _flag("", "Text file of a ModelServerConfig; replaces the two above.")
    model_config_file_poll_wait_seconds: int = _flag(0, "How often it is read again; 0: never.")
    file_system_poll_wait_seconds: int = _flag(1, "How often base paths are looked at; 0: once.")
    num_load_threads: int = _flag(0, "Versions that load at the same time; 0: one after the other.")
    max_num_load_retries: int = _flag(5, "How often a load is tried again.")
    load_retry_interval_micros: int = _flag(60_000_000, "How long between two tries.")
    allow_version_labels_for_unavailable_models: bool = _flag(
        False, "Whether a label may name a version that is not yet available."
    )
    enable_batching: bool = _flag(False, "Whether requests are merged.")
    batching_parameters_file: str = _flag("", "How they are merged.")
    monitoring_config_file: str = _flag("", "Whether and where Prometheus may read metrics.")
    enable_model_warmup: bool = _flag(True, "Whether warm-up requests are run.")
    num_request_iterations_for_warmup: int = _flag(1, "How often each is run.")
    enable_grpc_healthcheck_service: bool = _flag(False, "Whether gRPC's health service answers.")
    enable_signature_method_name_check: bool = _flag(False, "Whether method names must fit calls.")
    grpc_channel_arguments: str = _flag("", "`key=value,...` for the gRPC server.")
    saved_model_tags: str = _flag("serve", "Tags of the MetaGraph to load.")
    tensorflow_session_parallelism: int = _flag(0, "Threads of both kinds; 0: TensorFlow decides.")
    tensorflow_intra_op_parallelism: int = _flag(0, "Threads within an operation; 0: as for both.")
    tensorflow_inter_op_parallelism: int = _flag(0, "Operations at the same time; 0: as for both.")
    version: bool = _flag(False, "Print the version and end.")
    bind_address: str = _flag(
        "127.0.0.1",
        "Where to listen; not a flag of TensorFlow Serving. There is no authentication, so the "
        "default is this machine only.",
    )
    drain_seconds: int = _flag(
        30, "Longest that requests in flight may take at the end; not a flag of TensorFlow Serving."
    )
    model_cache_dir: str = _flag(
        "",
        "Where versions from s3:// are kept; empty: only while the server runs; not a flag of "
        "TensorFlow Serving.",
    )
    require_signature: str = _flag(
        "",
        "PEM file of who may sign: versions that they did not sign are not loaded; not a flag of "
        "TensorFlow Serving.",
    )
    request_log_dir: str = _flag(
        "",
        "Where requests are logged, a row each; empty: nowhere; not a flag of TensorFlow Serving.",
    )
    request_log_sampling: float = _flag(
        1.0, "Share of requests that is logged, 0 to 1; not a flag of TensorFlow Serving."
    )
    request_log_rows: int = _flag(1000, "Rows a log file holds; not a flag of TensorFlow Serving.")
    request_log_seconds: int = _flag(
        60, "Age at which a log file is closed; not a flag of TensorFlow Serving."
    )

    def __post_init__(self) -> None:
        """Checks what belongs together."""
        if self.version:
            return
        for name in ("port", "rest_api_port"):
            if not 0 <= getattr(self, name) < 2**16:
                raise UsageError(f"--{name}={getattr(self, name)} is not a port.")
        if not self.port and not self.grpc_socket_path:
            raise UsageError("Neither --port nor --grpc_socket_path says where gRPC listens.")
        if self.port and self.port == self.rest_api_port:
            raise UsageError("--rest_api_port cannot be the same as --port.")
        if not self.model_base_path and not self.model_config_file:
            raise UsageError("Both --model_base_path and --model_config_file are empty.")
        if self.batching_parameters_file and not self.enable_batching:
            raise UsageError("--batching_parameters_file needs --enable_batching.")
        if not 0 <= self.request_log_sampling <= 1:
            raise UsageError("--request_log_sampling is a share between 0 and 1.")
        for name in ("request_log_rows", "request_log_seconds"):
            if getattr(self, name) < 1:
                raise UsageError(f"--{name} must be 1 or more, not {getattr(self, name)}.")
        self.channel_arguments  # noqa: B018  (read for its check)

    @property
    def channel_arguments(self) -> list[tuple[str, int | str]]:
        """GRPC's channel arguments; what looks like a number is one."""
        arguments: list[tuple[str, int | str]] = []
        for entry in filter(None, self.grpc_channel_arguments.split(",")):
            key, equals, value = entry.partition("=")
            if not key or not equals:
                raise UsageError(f"--grpc_channel_arguments has {entry!r}, which is not key=value.")
            number = re.fullmatch(r"-?\d{1,10}", value)
            arguments.append((key, int(value) if number else value))
        return arguments


def usage() -> str:
    """All flags with their defaults and what they do."""
    lines = [f"  --{one.name}={one.default}\n      {one.metadata['said']}" for one in fields(Flags)]
    return "python -m serving.server: TensorFlow Serving's protocol\n" + "\n".join(lines) + "\n"


def parse_flags(arguments: Sequence[str]) -> tuple[Flags, tuple[str, ...]]:
    """Reads `--flag=value`, `--flag value` and, for switches, `--flag`.

    With the flags come the names of those that TensorFlow Serving has and that change nothing here.
    """
    parser = ArgumentParser(
        add_help=False, allow_abbrev=False, exit_on_error=False, argument_default=SUPPRESS
    )
    kinds: dict[str, Any] = {one.name: type(one.default) for one in fields(Flags)}
    for name, kind in {**dict.fromkeys(sorted(_WITHOUT_EFFECT), str), **kinds}.items():
        may_stand_alone = kind is bool or name not in kinds
        optional: dict[str, Any] = {"nargs": "?", "const": True} if may_stand_alone else {}
        read = _switch if kind is bool else kind
        parser.add_argument(f"--{name}", f"-{name}", dest=name, type=read, **optional)
    try:
        found, rest = parser.parse_known_args(arguments)
    except ArgumentError as error:
        raise UsageError(
            f"{str(error.argument_name).partition('/')[0]}: {error.message}."
        ) from None
    for word in rest:
        raise _unknown(word, kinds)
    values = vars(found)
    without_effect = tuple(name for name in values if name in _WITHOUT_EFFECT)
    return Flags(**{name: values[name] for name in kinds if name in values}), without_effect


def _switch(text: str) -> bool:
    if text.lower() not in _SWITCH:
        raise ArgumentTypeError(f"{text!r} is neither true nor false")
    return _SWITCH[text.lower()]


def _unknown(word: str, known: Iterable[str]) -> UsageError:
    flag = word.partition("=")[0]
    if not flag.startswith("-"):
        return UsageError(f"{word!r} is not a flag: write --name=value.")
    if flag.lstrip("-") in _NOT_OFFERED:
        return UsageError(
            f"{flag} is not offered by the embedded server: use TensorFlow Serving itself for it."
        )
    return UsageError(f"Unknown flag {flag}{nearest_name(flag, [f'--{name}' for name in known])}")
