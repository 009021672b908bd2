"""JSON text, read by RapidJSON as TensorFlow Serving reads it, within a limit of memory."""

from base64 import b64decode
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import numpy as np
import rapidjson

from serving.server.errors import StatusError, invalid_argument

MOST_BYTES = 2**28
"""Bytes that the values of one document may take, as estimated: 6 million numbers, or 256 MB of
base64."""
_WEIGHTS = {ord(","): 40, ord(":"): 192, ord('"'): 16, ord("["): 128, ord("{"): 128}
"""Bytes that Python takes for what these characters bring: a number, a member, half of a string,
an array, an object."""
_PIECE = 2**16
"""Bytes that are read in a few milliseconds, whatever they are."""
_AT_ONCE = 2**22
"""The weight of a larger text that is read as fast, and in one go faster than in pieces."""
_BOM = b"\xef\xbb\xbf"
_NUMBERS = rapidjson.NM_NATIVE | rapidjson.NM_NAN
_MOST_SHOWN = 256
"""Bytes of a value in an error message, as in `json_tensor.cc`."""


class Members(list[tuple[str, Any]]):
    """A JSON object: its members in their order. A name may stand more than once."""

    __slots__ = ()

    def first(self, name: str, default: Any = None) -> Any:
        """The first value of a name: the one that RapidJSON finds."""
        return next((value for key, value in self if key == name), default)


class _Reader(rapidjson.Decoder):
    start_object = Members


class _Pieces(BytesIO):
    """A text that Python reads piece by piece: in between, other threads get their turn."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(size)


_READER = _Reader(number_mode=_NUMBERS)


def parse_object(body: bytes) -> Members:
    """Reads a JSON object; NaN, Infinity and -Infinity are numbers, and what follows is ignored."""
    if not body:
        raise invalid_argument("JSON Parse error: The document is empty")
    start = len(_BOM) if body.startswith(_BOM) else 0
    text = body[start:]
    light = len(text) <= _PIECE or _weight(text) <= _AT_ONCE
    source: Any = text if light else _Pieces(text)
    try:
        document = _READER(source)
    except rapidjson.JSONDecodeError as error:
        place, words = str(error).removeprefix("Parse error at offset ").split(": ", 1)
        offset = start + int(place)
        if "followed" in words:
            return parse_object(body[:offset])
        words = words.replace("'", "")  # as the version of RapidJSON in TensorFlow Serving has it
        raise invalid_argument(f"JSON Parse error: {words} at offset: {offset}") from None
    except UnicodeDecodeError:
        raise invalid_argument("JSON Parse error: Invalid encoding in string.") from None
    except RecursionError:
        raise invalid_argument("JSON Parse error: Nested too deeply.") from None
    if not isinstance(document, Members):
        raise format_error(document, "Is not object")
    return document


def _weight(text: bytes) -> int:
    """Bytes that a text and its values take, as estimated; too many are refused."""
    total = len(text)
    for start in range(0, len(text), _PIECE):
        piece = np.frombuffer(text, np.uint8, min(_PIECE, len(text) - start), start)
        total += sum(each * np.count_nonzero(piece == mark) for mark, each in _WEIGHTS.items())
        if total > MOST_BYTES:
            raise invalid_argument(
                f"The JSON would take more than {MOST_BYTES >> 20} MB of memory: send fewer values"
                " at once, or use gRPC"
            )
    return total


def signature_name(document: Members) -> str:
    """The signature that a request names; empty: the default one."""
    name = document.first("signature_name", "")
    if not isinstance(name, str):
        words = "not formatted correctly. 'signature_name' key must be a string value."
        raise format_error(document, words)
    return name


def format_error(value: object, words: str) -> StatusError:
    """The error of a value that is not as it should be."""
    return invalid_argument(f"JSON Value: {shown(value)} {words}")


def shown(value: object) -> str:
    """A JSON value in an error message: its first 256 bytes."""
    text = rapidjson.dumps(
        _beginning(value, iter(range(_MOST_SHOWN))),
        ensure_ascii=False,
        number_mode=_NUMBERS,
        write_mode=rapidjson.WM_SINGLE_LINE_ARRAY,
        indent=4,
    )
    return text.encode()[:_MOST_SHOWN].decode(errors="ignore")


def _beginning(value: Any, room: Iterator[int]) -> Any:
    """As many values of a value as there is room for."""
    if isinstance(value, list):
        first = (item for item, _ in zip(value, room, strict=False))
        if isinstance(value, Members):
            return {key[:_MOST_SHOWN]: _beginning(item, room) for key, item in first}
        return [_beginning(item, room) for item in first]
    return value[:_MOST_SHOWN] if isinstance(value, str) else value


def is_base64(value: Any) -> bool:
    """Whether a JSON value is bytes: an object of the form `{"b64": ...}`."""
    kinds = [(name, type(item)) for name, item in value[:2]] if isinstance(value, Members) else []
    return kinds == [("b64", str)]


def decoded_base64(value: Any) -> bytes:
    """The bytes of such an object."""
    if not is_base64(value):
        raise format_error(value, "not formatted correctly for base64 data")
    # As absl reads it: space counts for nothing, and the padding may be missing.
    text = b"".join(value[0][1].encode().split())
    body = text.rstrip(b"=")
    padding = b"=" * (-len(body) % 4)
    try:
        if len(padding) > 2 or len(text) - len(body) not in (0, len(padding)):
            raise ValueError
        return b64decode(body + padding, validate=True)
    except ValueError:
        raise invalid_argument("Unable to base64 decode") from None
