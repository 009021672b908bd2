"""Responses to JSON, laid out as TensorFlow Serving lays them out."""

import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf.json_format import MessageToJson
from tensorflow_serving.apis import get_model_metadata_pb2

from serving.server.errors import StatusError, invalid_argument
from serving.server.inference import SIGNATURE_DEF
from serving.server.json_document import bracketed, decimals, nested
from serving.server.json_tensors import ROW
from serving.server.tensors import Array, to_array, type_name

_BYTES_SUFFIX = "_bytes"


def error_json(error: StatusError) -> bytes:
    """`{"error": ...}`."""
    body = json.dumps({"error": error.message}, indent=4, ensure_ascii=False)
    return body.encode(errors="replace")


def predict_json(response: Any, layout: str) -> bytes:
    """The body of a PredictResponse.

    Args:
        response: The message.
        layout: `row` (`predictions`) or `columnar` (`outputs`).

    Raises:
        StatusError: The outputs cannot be written in that layout.
    """
    arrays = {name: to_array(response.outputs[name], name) for name in sorted(response.outputs)}
    if not arrays:
        raise invalid_argument("Cannot convert empty tensor map to JSON")
    tokens = {name: _tokens(name, array) for name, array in arrays.items()}
    write = _rows if layout == ROW else _columns
    return write(arrays, tokens).encode()


def _rows(arrays: Mapping[str, Array], tokens: Mapping[str, list[str]]) -> str:
    size = None
    for name, array in arrays.items():
        if array.ndim == 0:
            raise invalid_argument(f"Tensor name: {name} has no shape information ")
        if size is not None and len(array) != size:
            raise invalid_argument(
                f"Tensor name: {name} has inconsistent batch size: {len(array)} expecting: {size}"
            )
        size = len(array)
    rows = range(size or 0)
    cells = {name: [_cell(arrays[name], tokens[name], row) for row in rows] for name in arrays}
    if len(arrays) == 1:
        (column,) = cells.values()
        return f'{{\n    "predictions": [{", ".join(column)}\n    ]\n}}'
    parts = (
        bracketed("{", (f"{json.dumps(name)}: {cells[name][row]}" for name in arrays), "}", 8)
        for row in rows
    )
    return bracketed("{", [f'"predictions": {bracketed("[", parts, "]", 4)}'], "}", 0)


def _cell(array: Array, tokens: list[str], row: int) -> str:
    step = len(tokens) // len(array)
    return nested(tokens[row * step : (row + 1) * step], array.shape[1:])


def _columns(arrays: Mapping[str, Array], tokens: Mapping[str, list[str]]) -> str:
    single = len(arrays) == 1
    indent = 4 if single else 8
    parts = [nested(tokens[name], array.shape, indent) for name, array in arrays.items()]
    if single:
        return bracketed("{", [f'"outputs": {parts[0]}'], "}", 0)
    named = (f"{json.dumps(name)}: {part}" for name, part in zip(arrays, parts, strict=True))
    return bracketed("{", [f'"outputs": {bracketed("{", named, "}", 4)}'], "}", 0)


def _tokens(name: str, array: Array) -> list[str]:
    """Each value as JSON."""
    dtype = tf.as_dtype(array.dtype)
    flat = array.ravel()
    if dtype == tf.string:
        if name.endswith(_BYTES_SUFFIX):
            return [f'{{"b64": "{b64encode(value).decode()}"}}' for value in flat]
        return [_quoted(value.decode(errors="replace")) for value in flat]
    if dtype.is_floating:
        return decimals(flat if dtype == tf.float64 else flat.astype(np.float32))
    if dtype.is_complex:
        raise invalid_argument(
            f"Failed to write JSON value for tensor type: {type_name(dtype.as_datatype_enum)}"
        )
    return [str(value).lower() for value in flat.tolist()]  # whole numbers, true and false


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def classification_json(response: Any) -> bytes:
    """The body of a ClassificationResponse: for each example a list of label and score."""
    rows = []
    for classifications in response.result.classifications:
        scores = decimals(np.array([c.score for c in classifications.classes], np.float32))
        pairs = (
            f"[{_quoted(c.label)}, {score}]"
            for c, score in zip(classifications.classes, scores, strict=True)
        )
        rows.append(f"[{', '.join(pairs)}]")
    return f'{{\n    "results": [{", ".join(rows)}\n    ]\n}}'.encode()


def regression_json(response: Any) -> bytes:
    """The body of a RegressionResponse: a value for each example."""
    values = np.array([regression.value for regression in response.result.regressions], np.float32)
    return f'{{\n    "results": [{", ".join(decimals(values))}]\n}}'.encode()


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
