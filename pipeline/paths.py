"""Paths that people name: what the libraries below cannot hold is refused before they are met."""

import os
from pathlib import Path

from components.errors import UsageError
from components.plain_path import special_in

_LONGEST = 3_000
"""Bytes: systems allow some 4,000 to what lies below."""


_CONTROLS = (*range(9), *range(11, 32), *range(0x7F, 0xA0))
_TURNS = (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x2028, 0x2029)
"""What makes a terminal show a text in another order, or break its line."""
_ESCAPES = {
    code: ascii(chr(code))[1:-1]  # as in \x1b
    for code in (*_CONTROLS, *_TURNS)
}


def printable(path: str) -> str:
    """A path as text that any file and terminal can hold."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def harmless(text: str) -> str:
    r"""A text without the characters that a terminal obeys, as in `\x1b`; lines and tabs stay."""
    return text.translate(_ESCAPES)


def shorter(path: Path | str) -> str:
    """A path as it is, or from the current folder if that contains it."""
    folder = Path.cwd()
    is_below = folder != Path(folder.anchor) and Path(path).is_relative_to(folder)
    return str(Path(path).relative_to(folder) if is_below else path)


def demand_text(path: Path, what: str) -> None:
    """Refuses a path that neither ML Metadata nor TensorFlow could hold.

    Args:
        path: The path.
        what: What it is of.

    Raises:
        PipelineError: Its bytes are not UTF-8.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise UsageError(
            f"The name of the {what} {printable(str(path))} is not UTF-8, and cannot be recorded: "
            "rename it."
        ) from error


def demand_plain(folder: Path, what: str) -> None:
    """Refuses a folder that libraries would take for a pattern of files, or could not record.

    TFX and Beam ask for `FOLDER/*`, and TensorFlow looks for a model's variables by a pattern;
    none of them can be told where it begins.

    Args:
        folder: The folder, absolute.
        what: What it is, and how another is chosen.

    Raises:
        PipelineError: It is.
    """
    demand_text(folder, what)
    if found := special_in(folder):
        raise UsageError(
            f"The {what} {folder} has {' '.join(found)} in its path, which TensorFlow and Beam "
            "take for a pattern of files: choose or name another."
        )
    if (length := len(os.fsencode(folder))) > _LONGEST:
        raise UsageError(
            f"The path of the {what} has {length:,} bytes, and {_LONGEST:,} are the most that "
            "leave room for the files below it: choose another."
        )
