"""Responses to JSON, laid out as TensorFlow Serving lays them out."""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import rapidjson
import tensorflow as tf
from google.protobuf.json_format import MessageToJson
from tensorflow_serving.apis import get_model_metadata_pb2

from serving.server.errors import StatusError, invalid_argument
from serving.server.inference import SIGNATURE_DEF
from serving.server.json_tensors import ROW
from serving.server.tensors import Array, to_array, type_name

_BYTES_SUFFIX = "_bytes"
_AT_ONCE = 4096
"""Floats that are written before another thread gets its turn."""


def error_json(error: StatusError) -> bytes:
    """`{"error": ...}`."""
    message = error.message.encode(errors="replace").decode()
    return _bracketed("{", [f'"error": {_quoted(message)}'], "}", 0).encode()


def predict_json(response: Any, layout: str) -> bytes:
    """The body of a PredictResponse.

    Args:
        response: The message.
        layout: `row` (`predictions`) or `columnar` (`outputs`).

    Raises:
        StatusError: The outputs cannot be written in that layout.
    """
    if not response.outputs:
        raise invalid_argument("Cannot convert empty tensor map to JSON")
    arrays = {name: to_array(response.outputs[name], name) for name in sorted(response.outputs)}
    write = _rows if layout == ROW else _columns
    return write(arrays).encode()


def _rows(arrays: dict[str, Array]) -> str:
    size = None
    for name, array in arrays.items():
        if array.ndim == 0:
            raise invalid_argument(f"Tensor name: {name} has no shape information ")
        if size not in (None, len(array)):
            raise invalid_argument(
                f"Tensor name: {name} has inconsistent batch size: {len(array)} expecting: {size}"
            )
        size = len(array)
    columns = [_cells(name, array) for name, array in arrays.items()]
    if len(columns) == 1:
        return f'{{\n    "predictions": [{", ".join(columns[0])}\n    ]\n}}'
    rows = (_bracketed("{", _named(arrays, row), "}", 8) for row in zip(*columns, strict=True))
    return _bracketed("{", [f'"predictions": {_bracketed("[", rows, "]", 4)}'], "}", 0)


def _cells(name: str, array: Array) -> list[str]:
    tokens = _tokens(name, array)
    if array.ndim == 1:
        return tokens
    step = len(tokens) // max(len(array), 1)
    return [
        _nested(tokens[row * step : (row + 1) * step], array.shape[1:]) for row in range(len(array))
    ]


def _columns(arrays: dict[str, Array]) -> str:
    indent = 4 if len(arrays) == 1 else 8
    parts = [_nested(_tokens(name, array), array.shape, indent) for name, array in arrays.items()]
    outputs = parts[0] if len(parts) == 1 else _bracketed("{", _named(arrays, parts), "}", 4)
    return _bracketed("{", [f'"outputs": {outputs}'], "}", 0)


def _named(names: Iterable[str], values: Iterable[str]) -> Iterable[str]:
    return (f"{_quoted(name)}: {value}" for name, value in zip(names, values, strict=True))


def _tokens(name: str, array: Array) -> list[str]:
    """Each value as JSON."""
    dtype = tf.as_dtype(array.dtype)
    flat = array.ravel()
    if dtype == tf.string and name.endswith(_BYTES_SUFFIX):
        return [f'{{"b64": "{b64encode(value).decode()}"}}' for value in flat]
    if dtype == tf.string:
        return [_quoted(value.decode(errors="replace")) for value in flat]
    if dtype.is_floating:
        return _decimals(flat if dtype == tf.float64 else flat.astype(np.float32))
    if dtype.is_bool or dtype.is_integer:
        return [str(value).lower() for value in flat.tolist()]
    raise invalid_argument(
        f"Failed to write JSON value for tensor type: {type_name(dtype.as_datatype_enum)}"
    )


def _decimals(values: Array) -> list[str]:
    """Writes floats: six digits where they say all, else as many as are needed.

    Args:
        values: Flat float32 or float64.
    """
    digits = 9 if values.dtype == np.float32 else 17
    names = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
    written: list[str] = []
    for start in range(0, len(values), _AT_ONCE):
        numbers = values[start : start + _AT_ONCE]
        texts = [f"{number:g}" for number in numbers.tolist()]
        for place in np.flatnonzero(np.array(texts, values.dtype) != numbers):
            texts[place] = f"{numbers[place]:.{digits}g}"
        written += (
            names.get(text) or (text if "." in text or "e" in text else f"{text}.0")
            for text in texts
        )
    return written


def _nested(tokens: Sequence[str], shape: Sequence[int], indent: int | None = None) -> str:
    """Puts brackets around values.

    Args:
        tokens: The values, as JSON, in row-major order.
        shape: The shape that they have; none: a single value.
        indent: Columns to indent by, a value a line; None: all in one line.
    """
    if not shape:
        return tokens[0]
    if not shape[0]:
        return "[]"
    step = len(tokens) // shape[0]
    inner = None if indent is None else indent + 4
    parts = (
        _nested(tokens[row * step : (row + 1) * step], shape[1:], inner) for row in range(shape[0])
    )
    return _bracketed("[", parts, "]", indent)


def _bracketed(left: str, parts: Iterable[str], right: str, indent: int | None) -> str:
    """Puts parts between brackets, in one line or a part a line."""
    if indent is None:
        return f"{left}{', '.join(parts)}{right}"
    inner = " " * (indent + 4)
    lines = f",\n{inner}".join(parts)
    return f"{left}\n{inner}{lines}\n{' ' * indent}{right}"


def _quoted(text: str) -> str:
    quoted: str = rapidjson.dumps(text, ensure_ascii=False)
    return quoted


def classification_json(response: Any) -> bytes:
    """The body of a ClassificationResponse: for each example a list of label and score."""
    if not response.result.classifications:
        raise invalid_argument("Cannot convert empty ClassificationResults to JSON")
    rows = []
    for classifications in response.result.classifications:
        scores = _decimals(np.array([c.score for c in classifications.classes], np.float32))
        labels = (_quoted(c.label) for c in classifications.classes)
        pairs = (f"[{label}, {score}]" for label, score in zip(labels, scores, strict=True))
        rows.append(f"[{', '.join(pairs)}]")
    return f'{{\n    "results": [{", ".join(rows)}\n    ]\n}}'.encode()


def regression_json(response: Any) -> bytes:
    """The body of a RegressionResponse: a value for each example."""
    if not response.result.regressions:
        raise invalid_argument("Cannot convert empty RegressionResults to JSON")
    values = np.array([regression.value for regression in response.result.regressions], np.float32)
    return f'{{\n    "results": [{", ".join(_decimals(values))}]\n}}'.encode()


def status_json(response: Any) -> bytes:
    """The body of a GetModelStatusResponse."""
    text: str = MessageToJson(response, always_print_fields_with_no_presence=True, indent=1)
    return f"{text}\n".encode()


def metadata_json(response: Any) -> bytes:
    """The body of a GetModelMetadataResponse; its only field is unpacked."""
    signatures = get_model_metadata_pb2.SignatureDefMap()
    response.metadata[SIGNATURE_DEF].Unpack(signatures)
    spec, unpacked = (
        MessageToJson(
            message,
            always_print_fields_with_no_presence=True,
            preserving_proto_field_name=True,
            indent=1,
        )
        for message in (response.model_spec, signatures)
    )
    return (f'{{\n"model_spec":{spec},\n"metadata": {{"signature_def": {unpacked}}}\n}}\n').encode()
