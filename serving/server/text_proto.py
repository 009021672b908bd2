"""Reads protocol buffer text files whose messages no Python package carries.

A message is described by a table of its fields, from which protobuf makes a class; so comments,
quoting, lists and wrong fields mean exactly what they mean to TensorFlow Serving.
"""

from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

from components.errors import PipelineError

_FIELD = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "int64": _FIELD.TYPE_INT64,
    "bool": _FIELD.TYPE_BOOL,
    "string": _FIELD.TYPE_STRING,
}

_MESSAGES = {
    "Int64Value": {"value": (1, "int64")},
    "BoolValue": {"value": (1, "bool")},
    "StringValue": {"value": (1, "string")},
    "BatchingParameters": {
        "max_batch_size": (1, "Int64Value"),
        "batch_timeout_micros": (2, "Int64Value"),
        "max_enqueued_batches": (3, "Int64Value"),
        "num_batch_threads": (4, "Int64Value"),
        "thread_pool_name": (5, "StringValue"),
        "allowed_batch_sizes": (6, "repeated int64"),
        "pad_variable_length_inputs": (7, "bool"),
        "enable_large_batch_splitting": (8, "BoolValue"),
        "max_execution_batch_size": (9, "Int64Value"),
    },
    "PrometheusConfig": {"enable": (1, "bool"), "path": (2, "string")},
    "MonitoringConfig": {"prometheus_config": (1, "PrometheusConfig")},
}
"""The fields of each message: number and type, which may be a message of this table."""


@cache
def _pool() -> descriptor_pool.DescriptorPool:
    file = descriptor_pb2.FileDescriptorProto(
        name="serving.proto", package="serving", syntax="proto3"
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            scalar = kind.removeprefix("repeated ")
            message.field.add(
                name=field,
                number=number,
                label=_FIELD.LABEL_REPEATED if kind != scalar else _FIELD.LABEL_OPTIONAL,
                type=_SCALARS.get(scalar, _FIELD.TYPE_MESSAGE),
                type_name=None if scalar in _SCALARS else f".serving.{scalar}",
            )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def new_message(name: str) -> Any:
    """An empty message: `BatchingParameters` or `MonitoringConfig`."""
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"serving.{name}"))()


def read_text_proto(path: Path, message: Any) -> None:
    """Fills a message from a text file.

    Raises:
        PipelineError: The file cannot be read or is not that message, said as TensorFlow Serving
            says it.
    """
    try:
        text_format.Parse(path.read_text(), message)
    except (OSError, UnicodeDecodeError) as error:
        raise PipelineError(f"Cannot read {path}: {error}") from error
    except text_format.ParseError as error:
        raise PipelineError(
            f"Invalid protobuf file: '{path}': Error parsing text-format"
            f" {message.DESCRIPTOR.full_name}: {error}"
        ) from error
