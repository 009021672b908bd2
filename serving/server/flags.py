"""The command line: TensorFlow Serving's own flags, and a few more."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from inspect import cleandoc

from components.errors import PipelineError
from components.validation import nearest_name

# Flags of tensorflow_model_server that change nothing here: the embedded server has no such part.
_WITHOUT_EFFECT = frozenset(
    {
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
)
# Flags whose silent absence would surprise.
_NOT_OFFERED = frozenset(
    {
        "enable_per_model_batching_parameters",
        "platform_config_file",
        "prefer_tflite_model",
        "ssl_config_file",
        "tensorflow_session_config_file",
        "thread_pool_factory_config_file",
        "use_alts_credentials",
    }
)


class FlagError(PipelineError):
    """A command line that cannot be understood."""


@dataclass(frozen=True)
class Flags:
    """What the server is told on its command line; names and defaults are TensorFlow Serving's.

    Attributes:
        port: gRPC port; 0: none (then `grpc_socket_path` is needed).
        grpc_socket_path: Unix socket for gRPC; empty: none.
        rest_api_port: REST port; 0: no REST.
        rest_api_timeout_in_ms: Longest that a REST request may take.
        rest_api_enable_cors_support: Whether pages of other origins may call REST.
        model_name: The model's name, with `model_base_path`.
        model_base_path: The folder of its version folders.
        model_config_file: Text file of a ModelServerConfig; replaces the two above.
        model_config_file_poll_wait_seconds: How often that file is read again; 0: never.
        file_system_poll_wait_seconds: How often base paths are looked at; 0: once.
        num_load_threads: Versions that load at the same time; 0: one after the other.
        max_num_load_retries: How often a load is tried again.
        load_retry_interval_micros: How long between two tries.
        allow_version_labels_for_unavailable_models: Whether a label may name a version that is
            not yet available.
        enable_batching: Whether requests are merged.
        batching_parameters_file: How they are merged.
        monitoring_config_file: Whether and where Prometheus may read metrics.
        enable_model_warmup: Whether warm-up requests are run.
        num_request_iterations_for_warmup: How often each is run.
        enable_grpc_healthcheck_service: Whether gRPC's health service answers.
        enable_signature_method_name_check: Whether a signature's method name must fit the call.
        grpc_channel_arguments: `key=value,...` for the gRPC server.
        saved_model_tags: Tags of the MetaGraph to load.
        tensorflow_session_parallelism: Threads of both kinds; 0: TensorFlow decides.
        tensorflow_intra_op_parallelism: Threads within an operation; 0: TensorFlow decides.
        tensorflow_inter_op_parallelism: Operations at the same time; 0: TensorFlow decides.
        version: Print the version and end.
        bind_address: Where to listen; ours. There is no authentication, so: this machine only.
        drain_seconds: How long requests in flight may take when the server is told to end; ours.
        request_log_dir: Where a row for each request is logged; empty: nowhere; ours.
        request_log_sampling: Share of requests that is logged, 0 to 1; ours.
        request_log_rows: Rows a log file holds; ours.
        request_log_seconds: Age at which a log file is closed; ours.
    """

    port: int = 8500
    grpc_socket_path: str = ""
    rest_api_port: int = 0
    rest_api_timeout_in_ms: int = 30_000
    rest_api_enable_cors_support: bool = False
    model_name: str = "default"
    model_base_path: str = ""
    model_config_file: str = ""
    model_config_file_poll_wait_seconds: int = 0
    file_system_poll_wait_seconds: int = 1
    num_load_threads: int = 0
    max_num_load_retries: int = 5
    load_retry_interval_micros: int = 60_000_000
    allow_version_labels_for_unavailable_models: bool = False
    enable_batching: bool = False
    batching_parameters_file: str = ""
    monitoring_config_file: str = ""
    enable_model_warmup: bool = True
    num_request_iterations_for_warmup: int = 1
    enable_grpc_healthcheck_service: bool = False
    enable_signature_method_name_check: bool = False
    grpc_channel_arguments: str = ""
    saved_model_tags: str = "serve"
    tensorflow_session_parallelism: int = 0
    tensorflow_intra_op_parallelism: int = 0
    tensorflow_inter_op_parallelism: int = 0
    version: bool = False
    bind_address: str = "127.0.0.1"
    drain_seconds: int = 30
    request_log_dir: str = ""
    request_log_sampling: float = 1.0
    request_log_rows: int = 1000
    request_log_seconds: int = 60

    def __post_init__(self) -> None:
        """Checks what belongs together.

        Raises:
            FlagError: A value makes no sense, or something is missing.
        """
        if self.version:
            return
        for name in ("port", "rest_api_port"):
            if not 0 <= getattr(self, name) < 2**16:
                raise FlagError(f"--{name}={getattr(self, name)} is not a port.")
        if not self.port and not self.grpc_socket_path:
            raise FlagError("Neither --port nor --grpc_socket_path says where gRPC listens.")
        if self.port and self.port == self.rest_api_port:
            raise FlagError("--rest_api_port cannot be the same as --port.")
        if not self.model_base_path and not self.model_config_file:
            raise FlagError("Both --model_base_path and --model_config_file are empty.")
        if self.batching_parameters_file and not self.enable_batching:
            raise FlagError("--batching_parameters_file needs --enable_batching.")
        if not 0 <= self.request_log_sampling <= 1:
            raise FlagError("--request_log_sampling is a share between 0 and 1.")
        for name in ("request_log_rows", "request_log_seconds"):
            if getattr(self, name) < 1:
                raise FlagError(f"--{name} must be 1 or more, not {getattr(self, name)}.")
        self.channel_arguments  # noqa: B018  (read for its check)

    @property
    def channel_arguments(self) -> list[tuple[str, int | str]]:
        """GRPC's channel arguments; what looks like a number is one.

        Raises:
            FlagError: An entry is not `key=value`.
        """
        arguments: list[tuple[str, int | str]] = []
        for entry in filter(None, self.grpc_channel_arguments.split(",")):
            key, equals, value = entry.partition("=")
            if not key or not equals:
                raise FlagError(f"--grpc_channel_arguments has {entry!r}, which is not key=value.")
            number = re.fullmatch(r"-?\d{1,10}", value)
            arguments.append((key, int(value) if number else value))
        return arguments


_KINDS: dict[str, type] = {field.name: type(field.default) for field in fields(Flags)}


def usage() -> str:
    """All flags with their defaults and what they do."""
    said = dict(
        re.findall(r"^ {4}(\w+): (.+(?:\n {8}.+)*)", cleandoc(Flags.__doc__ or ""), re.MULTILINE)
    )
    lines = [
        f"  --{field.name}={field.default}\n      {' '.join(said[field.name].split())}"
        for field in fields(Flags)
    ]
    return "python -m serving.server: TensorFlow Serving's protocol\n" + "\n".join(lines) + "\n"


def parse_flags(arguments: Sequence[str]) -> tuple[Flags, tuple[str, ...]]:
    """Reads `--flag=value`, `--flag value` and, for switches, `--flag`.

    Args:
        arguments: The command line without the program.

    Returns:
        The flags, and the names of those that TensorFlow Serving has and that change nothing here.

    Raises:
        FlagError: A flag is unknown or its value is wrong.
    """
    values: dict[str, object] = {}
    without_effect = []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        match = re.fullmatch(r"--?(\w+)(?:=(.*))?", word, re.DOTALL)
        if match is None:
            raise FlagError(f"{word!r} is not a flag: write --name=value.")
        name, value = match[1], match[2]
        _check_name(name)
        switch = _KINDS.get(name) is bool
        if (
            value is None
            and rest
            and not rest[0].startswith("--")
            and not (switch and not _is_switch_value(rest[0]))
        ):
            value = rest.pop(0)
        if name in _WITHOUT_EFFECT:
            without_effect.append(name)
        else:
            values[name] = _value(name, value)
    return Flags(**values), tuple(without_effect)  # type: ignore[arg-type]


def _check_name(name: str) -> None:
    if name in _NOT_OFFERED:
        raise FlagError(
            f"--{name} is not offered by the embedded server: use TensorFlow Serving itself for it."
        )
    if name not in _KINDS and name not in _WITHOUT_EFFECT:
        known = [f"--{kind}" for kind in _KINDS]
        raise FlagError(f"Unknown flag --{name}{nearest_name(f'--{name}', known)}")


def _is_switch_value(word: str) -> bool:
    return word.lower() in {"true", "false", "1", "0"}


def _value(name: str, text: str | None) -> object:
    kind = _KINDS[name]
    if kind is bool:
        if text is not None and not _is_switch_value(text):
            raise FlagError(f"--{name} is true or false, not {text!r}.")
        return text is None or text.lower() in {"true", "1"}
    if text is None:
        raise FlagError(f"--{name} needs a value.")
    try:
        return kind(text)
    except ValueError:
        raise FlagError(f"--{name} needs a number, not {text!r}.") from None
