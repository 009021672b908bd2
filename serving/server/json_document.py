"""JSON text: read with TensorFlow Serving's words for what is wrong, written in its form.

TensorFlow Serving reads with RapidJSON; Python's reader names the same mistakes otherwise.
"""

import json
from collections.abc import Iterable, Sequence
from math import isinf
from typing import Any

import numpy as np

from serving.server.errors import StatusError, invalid_argument
from serving.server.tensors import Array

_WORDS = (
    ("Expecting value", "Invalid value."),
    ("Expecting property name", "Missing a name for object member."),
    ("Illegal trailing comma before end of object", "Missing a name for object member."),
    ("Illegal trailing comma before end of array", "Invalid value."),
    ("Expecting ':' delimiter", "Missing a colon after a name of object member."),
    ("Unterminated string", "Missing a closing quotation mark in string."),
    ("Invalid control character", "Invalid encoding in string."),
    ("Invalid \\u", "Incorrect hex digit after \\u escape in string."),
    ("Invalid \\", "Invalid escape character in string."),
    ("Unexpected UTF-8 BOM", "Invalid value."),
    ("Extra data", "The document root must not be followed by other values."),
)


def parse_object(body: bytes) -> dict[str, Any]:
    """Reads a JSON object; NaN, Infinity and -Infinity are numbers.

    Raises:
        StatusError: The text is no JSON, or no object.
    """
    if not body:
        raise invalid_argument("JSON Parse error: The document is empty")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _parse_error("Invalid encoding in string.", error.start) from None
    if not text.strip():
        raise _parse_error("The document is empty.", len(body))
    try:
        document = json.loads(text, parse_float=_finite)
        # Halves of surrogate pairs are no text, wherever they stand.
        if "\\ud" in text or "\\uD" in text:
            json.dumps(document, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        offset = len(text[: error.pos].encode(errors="replace"))
        raise _parse_error(_rapidjson_words(error, text), offset) from None
    except UnicodeEncodeError:
        raise _parse_error("The surrogate pair in string is invalid.", 0) from None
    except RecursionError:
        raise _parse_error("Terminate parsing due to Handler error.", 0) from None
    except ValueError:  # also an integer of more than 4,300 digits
        raise _parse_error("Number too big to be stored in double.", 0) from None
    if not isinstance(document, dict):
        raise invalid_argument(f"JSON Value: {shown(document)} Is not object")
    return document


def _finite(text: str) -> float:
    """A number with a point or an exponent; one beyond a double's range is no Infinity."""
    number = float(text)
    if isinf(number):
        raise ValueError
    return number


def _parse_error(words: str, offset: int) -> StatusError:
    return invalid_argument(f"JSON Parse error: {words} at offset: {offset}")


def _rapidjson_words(error: json.JSONDecodeError, text: str) -> str:
    if error.msg.startswith("Expecting ',' delimiter"):
        if _innermost(text[: error.pos]) == "{":
            return "Missing a comma or } after an object member."
        return "Missing a comma or ] after an array element."
    return next(words for start, words in _WORDS if error.msg.startswith(start))


def _innermost(text: str) -> str:
    """The bracket that is open at the end of a text; what stands in strings does not count."""
    open_brackets: list[str] = []
    in_string = escaped = False
    for character in text:
        if in_string:
            in_string = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character == '"':
            in_string = True
        elif character in "[{":
            open_brackets.append(character)
        elif character in "]}" and open_brackets:
            open_brackets.pop()
    return open_brackets[-1] if open_brackets else ""


def shown(value: object) -> str:
    """A JSON value in an error message."""
    try:
        return json.dumps(value, indent=4, ensure_ascii=False)
    except RecursionError:
        return "..."


def json_type(value: object) -> str:
    """RapidJSON's name of a value's type."""
    if isinstance(value, bool):
        return str(value)
    names = {type(None): "Null", dict: "Object", list: "Array", str: "String"}
    return names.get(type(value), "Number")


def decimals(values: Array) -> list[str]:
    """Writes floats: six digits where they say all, else as many as are needed.

    Args:
        values: Flat float32 or float64.
    """
    digits = 9 if values.dtype == np.float32 else 17
    numbers = values.tolist()
    texts = [f"{number:g}" for number in numbers]
    for place in np.flatnonzero(np.array(texts, values.dtype) != values):
        texts[place] = f"{numbers[place]:.{digits}g}"
    names = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
    return [
        names.get(text) or (text if "." in text or "e" in text else f"{text}.0") for text in texts
    ]


def nested(tokens: Sequence[str], shape: Sequence[int], indent: int | None = None) -> str:
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
        nested(tokens[row * step : (row + 1) * step], shape[1:], inner) for row in range(shape[0])
    )
    return bracketed("[", parts, "]", indent)


def bracketed(left: str, parts: Iterable[str], right: str, indent: int | None) -> str:
    """Puts parts between brackets, in one line or a part a line."""
    if indent is None:
        return f"{left}{', '.join(parts)}{right}"
    inner = " " * (indent + 4)
    lines = f",\n{inner}".join(parts)
    return f"{left}\n{inner}{lines}\n{' ' * indent}{right}"
