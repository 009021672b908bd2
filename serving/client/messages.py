"""The messages of TensorFlow Serving's gRPC, as far as the client sends and reads them.

The package `tensorflow-serving-api` has all of them, and imports TensorFlow for that of a tensor.
The few that are needed are described here, by the numbers and types of the public protocol, in a
pool of their own: a process that loads the package besides may do so.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from numpy.typing import NDArray

_PACKAGE = "tensorflow.serving.client"
_MAP_OF_TENSORS = "TensorProto by name"
_MESSAGES: dict[str, tuple[str, ...]] = {
    "Version": ("value 1 int64",),
    "ModelSpec": (
        "name 1 string", "version 2 Version", "signature_name 3 string", "version_label 4 string",
    ),
    "Dimension": ("size 1 int64",),
    "Shape": ("dim 2 Dimension*",),
    "TensorProto": (
        "dtype 1 int32", "tensor_shape 2 Shape", "tensor_content 4 bytes", "float_val 5 float*",
        "double_val 6 double*", "int_val 7 int32*", "string_val 8 bytes*", "int64_val 10 int64*",
        "bool_val 11 bool*", "half_val 13 int32*", "uint32_val 16 uint32*", "uint64_val 17 uint64*",
    ),
    "PredictRequest": ("model_spec 1 ModelSpec", f"inputs 2 {_MAP_OF_TENSORS}"),
    "PredictResponse": (f"outputs 1 {_MAP_OF_TENSORS}", "model_spec 2 ModelSpec"),
    "StatusProto": ("error_code 1 int32", "error_message 2 string"),
    "VersionState": ("version 1 int64", "state 2 int32", "status 3 StatusProto"),
    "GetModelStatusRequest": ("model_spec 1 ModelSpec",),
    "GetModelStatusResponse": ("model_version_status 1 VersionState*",),
}  # fmt: skip
"""Fields by message: name, number, type; a star: repeated. Enumerations are numbers, as they are on
the wire. The names of messages are not on the wire."""

STATES = {0: "UNKNOWN", 10: "START", 20: "LOADING", 30: "AVAILABLE", 40: "UNLOADING", 50: "END"}
"""What a version can be in, by number."""

_STRING = 7
_DTYPES: dict[int, tuple[str, str]] = {
    1: ("<f4", "float_val"),
    2: ("<f8", "double_val"),
    3: ("<i4", "int_val"),
    4: ("u1", "int_val"),
    5: ("<i2", "int_val"),
    6: ("i1", "int_val"),
    9: ("<i8", "int64_val"),
    10: ("?", "bool_val"),
    17: ("<u2", "int_val"),
    19: ("<f2", "half_val"),
    22: ("<u4", "uint32_val"),
    23: ("<u8", "uint64_val"),
}
"""NumPy's type, and the field that holds values one by one, by TensorFlow's number of the type."""
_MOST_VALUES = 16_000_000
"""Values of a tensor: a message may claim more than it holds, and they are made all the same."""


def _field(message: descriptor_pb2.DescriptorProto, text: str) -> None:
    name, number, kind = text.split(maxsplit=2)
    field = message.field.add(name=name, number=int(number))
    field.label = field.LABEL_REPEATED if kind.endswith(("*", "by name")) else field.LABEL_OPTIONAL
    kind = kind.removesuffix("*")
    if kind == _MAP_OF_TENSORS:
        entry = message.nested_type.add(name=f"{name.title()}Entry")
        entry.options.map_entry = True
        for part in ("key 1 string", "value 2 TensorProto"):
            _field(entry, part)
        kind = f"{message.name}.{entry.name}"
    if kind[0].isupper():
        field.type, field.type_name = field.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
    else:
        field.type = getattr(field, f"TYPE_{kind.upper()}")


def _classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(
        name="serving_client.proto", package=_PACKAGE, syntax="proto3"
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for text in fields:
            _field(message, text)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
        for name in _MESSAGES
    }


_CLASS = _classes()
PredictRequest: Any = _CLASS["PredictRequest"]
PredictResponse: Any = _CLASS["PredictResponse"]
GetModelStatusResponse: Any = _CLASS["GetModelStatusResponse"]


def predict_request(spec: Any, signature: str, images: Sequence[bytes]) -> Any:
    """Asks a signature about images.

    Args:
        spec: What `model_spec` gave.
        signature: One that takes `image_bytes`.
        images: The bytes of image files.

    Returns:
        A PredictRequest.
    """
    request = PredictRequest(model_spec=spec)
    request.model_spec.signature_name = signature
    tensor = request.inputs["image_bytes"]
    tensor.dtype = _STRING
    tensor.tensor_shape.dim.add(size=len(images))
    tensor.string_val.extend(images)
    return request


def status_request(spec: Any) -> Any:
    """Asks for the states of a model's versions: a GetModelStatusRequest."""
    return _CLASS["GetModelStatusRequest"](model_spec=spec)


def model_spec(name: str, version: int | None = None, label: str | None = None) -> Any:
    """Names a model, and a version by its number or label where only that is asked."""
    spec = _CLASS["ModelSpec"](name=name)
    if version is not None:
        spec.version.value = version
    elif label is not None:
        spec.version_label = label
    return spec


def array_of(tensor: Any) -> NDArray[Any]:
    """The values of a tensor.

    Args:
        tensor: A TensorProto.

    Returns:
        An array of its shape; strings are bytes, of dtype object.

    Raises:
        ValueError: It claims more values than it may have, has no rows, or has not as many values
            as its shape says.
        KeyError: Its type is none that a model of images gives.
    """
    shape = [int(one.size) for one in tensor.tensor_shape.dim]
    if not shape or min(shape) < 0 or math.prod(shape) > _MOST_VALUES:
        raise ValueError(shape)
    if tensor.dtype == _STRING:
        values = np.empty(len(tensor.string_val), object)
        values[:] = list(tensor.string_val)
        return _filled(values, shape)
    kind, field = _DTYPES[tensor.dtype]
    if tensor.tensor_content:
        return np.frombuffer(tensor.tensor_content, kind).reshape(shape)
    listed = list(getattr(tensor, field))
    if field == "half_val":
        return _filled(np.array(listed, "<u2").view(kind), shape)
    return _filled(np.array(listed, kind), shape)


def _filled(values: NDArray[Any], shape: list[int]) -> NDArray[Any]:
    """Values in a shape; TensorFlow leaves out those at the end that are like the last."""
    missing = math.prod(shape) - len(values)
    if missing > 0 and len(values):
        values = np.concatenate([values, np.repeat(values[-1:], missing)])
    return values.reshape(shape)
