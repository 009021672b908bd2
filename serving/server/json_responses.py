"""Responses to JSON, written by RapidJSON, which TensorFlow Serving writes with, too."""

from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
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

_AT_ONCE = 4096
"""Floats that are formatted before another thread gets its turn."""
_NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}

_pretty = partial(rapidjson.dumps, ensure_ascii=False, indent=4)
_in_line = partial(_pretty, write_mode=rapidjson.WM_PRETTY | rapidjson.WM_SINGLE_LINE_ARRAY)
_message_json = partial(MessageToJson, always_print_fields_with_no_presence=True, indent=1)


def error_json(error: StatusError) -> bytes:
    """`{"error": ...}`."""
    return _pretty({"error": error.message}).encode()


def predict_json(response: Any, layout: str) -> bytes:
    """The body of a PredictResponse, by layout: `row` (`predictions`) or `columnar` (`outputs`)."""
    if not response.outputs:
        raise invalid_argument("Cannot convert empty tensor map to JSON")
    arrays = {name: to_array(response.outputs[name], name) for name in sorted(response.outputs)}
    if layout == ROW:
        _check_rows(arrays)
    values = {name: _values(name, array) for name, array in arrays.items()}
    one = next(iter(values.values())) if len(values) == 1 else None
    if layout != ROW:
        return _pretty({"outputs": values if one is None else one}).encode()
    if one is not None:
        return _listed("predictions", one)
    rows = [
        {name: rapidjson.RawJSON(_in_line(cell)) for name, cell in zip(values, row, strict=True)}
        for row in zip(*values.values(), strict=True)
    ]
    return _pretty({"predictions": rows}).encode()


def _check_rows(arrays: dict[str, Array]) -> None:
    size = None
    for name, array in arrays.items():
        if array.ndim == 0:
            raise invalid_argument(f"Tensor name: {name} has no shape information ")
        if size not in (None, len(array)):
            raise invalid_argument(
                f"Tensor name: {name} has inconsistent batch size: {len(array)} expecting: {size}"
            )
        size = len(array)


def _values(name: str, array: Array) -> Any:
    """A tensor as lists of lists of what RapidJSON writes."""
    dtype = tf.as_dtype(array.dtype)
    if dtype.is_bool or dtype.is_integer:
        return array.tolist()
    values: Any
    if dtype == tf.string and name.endswith("_bytes"):
        values = ({"b64": b64encode(value).decode()} for value in array.flat)
    elif dtype == tf.string:
        values = (value.decode(errors="replace") for value in array.flat)
    elif dtype.is_floating:
        values = _decimals(array.ravel() if dtype == tf.float64 else array.ravel().astype("f4"))
    else:
        raise invalid_argument(
            f"Failed to write JSON value for tensor type: {type_name(dtype.as_datatype_enum)}"
        )
    return np.fromiter(values, object, array.size).reshape(array.shape).tolist()


def _decimals(values: Array) -> Iterator[Any]:
    """Writes flat float32 or float64: six digits where they say all, else as many as needed."""
    digits = 9 if values.dtype == np.float32 else 17
    for start in range(0, len(values), _AT_ONCE):
        numbers = values[start : start + _AT_ONCE]
        texts = [f"{number:g}" for number in numbers.tolist()]
        for place in np.flatnonzero(np.array(texts, values.dtype) != numbers):
            texts[place] = f"{numbers[place]:.{digits}g}"
        for text in texts:
            whole = "." not in text and "e" not in text and text not in _NOT_FINITE
            yield rapidjson.RawJSON(f"{text}.0" if whole else _NOT_FINITE.get(text, text))


def _listed(name: str, items: Sequence[Any]) -> bytes:
    """One list in one line, with its end in a line of its own."""
    return f'{{\n    "{name}": {_in_line(items)[:-1]}\n    ]\n}}'.encode()


def classification_json(response: Any) -> bytes:
    """The body of a ClassificationResponse: for each example a list of label and score."""
    if not response.result.classifications:
        raise invalid_argument("Cannot convert empty ClassificationResults to JSON")
    rows = []
    for classifications in response.result.classifications:
        scores = _decimals(np.array([c.score for c in classifications.classes], np.float32))
        rows.append([[c.label, s] for c, s in zip(classifications.classes, scores, strict=True)])
    return _listed("results", rows)


def regression_json(response: Any) -> bytes:
    """The body of a RegressionResponse: a value for each example."""
    if not response.result.regressions:
        raise invalid_argument("Cannot convert empty RegressionResults to JSON")
    values = np.array([regression.value for regression in response.result.regressions], np.float32)
    return _in_line({"results": list(_decimals(values))}).encode()


WRITERS: Mapping[str, Callable[..., bytes]] = {
    "Predict": predict_json,
    "Classify": classification_json,
    "Regress": regression_json,
}
"""What writes the response of an API that runs the model."""


def status_json(response: Any) -> bytes:
    """The body of a GetModelStatusResponse."""
    return f"{_message_json(response)}\n".encode()


def metadata_json(response: Any) -> bytes:
    """The body of a GetModelMetadataResponse; its only field is unpacked."""
    signatures = get_model_metadata_pb2.SignatureDefMap()
    response.metadata[SIGNATURE_DEF].Unpack(signatures)
    spec, unpacked = (
        _message_json(message, preserving_proto_field_name=True)
        for message in (response.model_spec, signatures)
    )
    return (f'{{\n"model_spec":{spec},\n"metadata": {{"signature_def": {unpacked}}}\n}}\n').encode()
