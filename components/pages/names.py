"""How the names of files and classes are shown: anybody may have chosen them."""

import os

_LONGEST = 120


def shown(name: str) -> str:
    """Makes a name fit to be printed.

    Args:
        name: Any name, with undecodable bytes as surrogates, as Python reads it from a disk.

    Returns:
        The name on one line, control and undecodable characters written as escapes, its middle left
        out where it is long. Markup is the business of whoever prints it.
    """
    decodable = os.fsencode(name).decode("utf-8", "backslashreplace")
    visible = "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in decodable
    )
    if len(visible) <= _LONGEST:
        return visible
    half = _LONGEST // 2 - 1
    return f"{visible[:half]}…{visible[-half:]}"
