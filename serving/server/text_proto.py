"""Reads protocol buffer text files whose messages no Python package carries.

A message is described by a table of its fields, from which protobuf makes a class; so comments,
quoting, lists and wrong fields mean exactly what they mean to TensorFlow Serving.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from google.protobuf.message import Message

from components.errors import PipelineError

_FIELD = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "int64": _FIELD.TYPE_INT64,
    "bool": _FIELD.TYPE_BOOL,
    "string": _FIELD.TYPE_STRING,
}

Fields = Mapping[str, tuple[int, str]]
"""By field name: its number and its type, which may begin with `repeated ` and may be one of
`int64`, `bool`, `string` or a message of the same table."""


@cache
def _package(
    package: str, messages: tuple[tuple[str, tuple[tuple[str, int, str], ...]], ...]
) -> Any:
    file = descriptor_pb2.FileDescriptorProto(
        name=f"{package}.proto", package=package, syntax="proto3"
    )
    for name, fields in messages:
        message = file.message_type.add(name=name)
        for field, number, kind in fields:
            scalar = kind.removeprefix("repeated ")
            message.field.add(
                name=field,
                number=number,
                label=_FIELD.LABEL_REPEATED if kind != scalar else _FIELD.LABEL_OPTIONAL,
                type=_SCALARS.get(scalar, _FIELD.TYPE_MESSAGE),
                type_name=None if scalar in _SCALARS else f".{package}.{scalar}",
            )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def message_class(package: str, messages: Mapping[str, Fields], name: str) -> type[Message]:
    """Makes a message class.

    Args:
        package: A name for the messages' package.
        messages: The fields of each message, by the message's name.
        name: The message wanted.
    """
    table = tuple(
        (message, tuple((field, *rest) for field, rest in fields.items()))
        for message, fields in messages.items()
    )
    pool = _package(package, table)
    found: type[Message] = message_factory.GetMessageClass(
        pool.FindMessageTypeByName(f"{package}.{name}")
    )
    return found


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
        raise PipelineError(f"Invalid protobuf file: '{path}': {error}") from error
