"""Reads protocol buffer text files, also of messages that no Python package carries.

Such a message is described by a table of its fields, from which protobuf makes a class; so
comments, quoting, lists and wrong fields mean exactly what they mean to TensorFlow Serving.
"""

from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from google.protobuf.wrappers_pb2 import DESCRIPTOR as WRAPPERS

from components.errors import PipelineError

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


@cache
def _pool() -> descriptor_pool.DescriptorPool:
    file = descriptor_pb2.FileDescriptorProto(
        name="serving.proto", package="serving", syntax="proto3", dependency=[WRAPPERS.name]
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, (field, kind) in enumerate(fields.items(), 1):
            message.field.add(name=field, number=number, **{"label": "LABEL_OPTIONAL", **kind})
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(WRAPPERS.serialized_pb)
    pool.Add(file)
    return pool


def read_message(path: Path, name: str) -> Any:
    """Reads a `BatchingParameters` or a `MonitoringConfig` from a text file."""
    kind = _pool().FindMessageTypeByName(f"serving.{name}")
    message = message_factory.GetMessageClass(kind)()
    read_text_proto(path, message)
    return message


def read_text_proto(path: Path, message: Any) -> None:
    """Fills a message from a text file; what is not that message is a PipelineError."""
    try:
        text_format.Parse(path.read_text(), message)
    except (OSError, UnicodeDecodeError) as error:
        raise PipelineError(f"Cannot read {path}: {error}") from error
    except text_format.ParseError as error:
        raise PipelineError(
            f"Invalid protobuf file: '{path}': Error parsing text-format"
            f" {message.DESCRIPTOR.full_name}: {error}"
        ) from error
