"""Paths below a work folder as its database holds them: wherever the folder is, they lead there."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

PLACEHOLDER = "mri-work:"
"""Stands for the work folder at the beginning of a path that is recorded."""

_END = r'(?=[/\\"]|\Z)'
"""What follows the folder's path where it is this folder's: more of the path, or a string's end."""

_Message = TypeVar("_Message", bound=Message)


class PortablePaths:
    """Replaces the path of a work folder by a placeholder, and the placeholder by the path.

    It does so at the beginning of a text, and of each string in a text that is JSON: nodes'
    settings are.
    """

    def __init__(self, root: Path) -> None:
        """Looks which names the folder has.

        Args:
            root: The work folder, absolute, where it is now.
        """
        self._here = str(root)
        names = dict.fromkeys((str(root), str(root.resolve())))
        written = {
            re.escape(form)
            for name in names
            for form in (name, _quoted(name), _quoted(name, only_ascii=True))
        }
        self._path = re.compile(rf'(^|")(?:{"|".join(sorted(written))}){_END}')
        self._placeholder = re.compile(rf'(^|"){PLACEHOLDER}{_END}')

    def recorded(self, text: str) -> str:
        """A text as it is recorded: without the folder's path."""
        return self._path.sub(rf"\1{PLACEHOLDER}", text)

    def here(self, text: str) -> str:
        """A recorded text as it is to be read here."""

        def path(match: re.Match[str]) -> str:
            return f'"{_quoted(self._here)}' if match[1] else self._here

        return self._placeholder.sub(path, text)

    def record(self, message: _Message) -> _Message:
        """Changes all texts of a message to what is recorded, and returns it."""
        _replace(message, self.recorded)
        return message

    def read(self, message: _Message) -> _Message:
        """Changes all texts of a message to what is to be read here, and returns it."""
        _replace(message, self.here)
        return message


def _quoted(text: str, *, only_ascii: bool = False) -> str:
    """A text as JSON has it between quotation marks."""
    return json.dumps(text, ensure_ascii=only_ascii)[1:-1]


def _replace(message: Message, change: Callable[[str], str]) -> None:
    for field, value in message.ListFields():
        kind = field.message_type
        if kind is not None and kind.GetOptions().map_entry:
            inner = kind.fields_by_name["value"]
            for key in value:
                if inner.message_type is not None:
                    _replace(value[key], change)
                elif inner.type == FieldDescriptor.TYPE_STRING:
                    value[key] = change(value[key])
        elif kind is not None:
            for part in value if field.is_repeated else (value,):
                _replace(part, change)
        elif field.type == FieldDescriptor.TYPE_STRING:
            if field.is_repeated:
                value[:] = map(change, value)
            else:
                setattr(message, field.name, change(value))
