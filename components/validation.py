"""What a person is told of a name or a value that cannot be used."""

import difflib
from collections.abc import Callable, Container, Iterable
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

_MOST_LISTED = 30
"""Names that are listed where none is near; more of them would hide the sentence."""


def nearest_name(name: str, known: Iterable[str]) -> str:
    """Ends the sentence that says that a name is unknown.

    Args:
        name: The name.
        known: Those that there are.

    Returns:
        The nearest, as in `; did you mean 'epochs'?`; otherwise all, unless they are too many.
    """
    names = sorted(known)
    if matches := difflib.get_close_matches(name, names, n=1):
        return f"; did you mean {matches[0]!r}?"
    return f"; known are {', '.join(names)}." if 0 < len(names) <= _MOST_LISTED else "."


def refusals(
    error: ValidationError,
    model: type[BaseModel],
    *,
    name: Callable[[str], str] = str,
    secret: Container[str] = (),
) -> str:
    """Says what pydantic refused.

    Args:
        error: What it raised.
        model: The model that was to be made.
        name: What a person calls a setting, by its path, such as `train.epochs`.
        secret: Paths of the settings whose values are not shown.

    Returns:
        A sentence for each setting.
    """
    return " ".join(_refusal(problem, model, name, secret) for problem in error.errors())


def _refusal(
    problem: Any, model: type[BaseModel], name: Callable[[str], str], secret: Container[str]
) -> str:
    path = ".".join(str(part) for part in problem["loc"] if part != "[key]")
    if problem["type"] == "extra_forbidden":
        *section, last = problem["loc"]
        return f"There is no setting {path!r}{nearest_name(str(last), _fields_at(model, section))}"
    reason: str = problem["msg"].removeprefix("Value error, ")
    if not reason.endswith(("?", ".")):
        reason += "."
    if not path:
        return reason
    value = problem["input"]
    shown = "" if path in secret or isinstance(value, dict | BaseModel) else f"={_text(value)}"
    return f"{name(path)}{shown} is refused: {reason}"


def _text(value: Any) -> str:
    return repr(str(value) if isinstance(value, Path) else value)


def _fields_at(model: type[BaseModel], path: list[int | str]) -> list[str]:
    """Names of the fields of the section at a path; all in a list or a mapping have the same."""
    section, in_container = model, False
    for part in path:
        if in_container:  # an index or a key
            in_container = False
            continue
        annotation = section.model_fields[str(part)].annotation
        in_container = get_origin(annotation) in (dict, list, tuple)
        section = next(
            kind
            for kind in (annotation, *get_args(annotation))
            if get_origin(kind) is None  # which Python 3.10 takes for a class
            and isinstance(kind, type)
            and issubclass(kind, BaseModel)
        )
    return list(section.model_fields)
