"""What a person is told of a name or a value that cannot be used."""

import difflib
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

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
    """Says what pydantic refused, in our words.

    Args:
        error: What it raised.
        model: The model that was to be made.
        name: What a person calls a setting, by its path, such as `train.epochs`.
        secret: Paths of the settings whose values are not shown.

    Returns:
        A sentence for each setting.
    """
    # Of a setting that takes several forms, pydantic has something to say of each.
    by_path: dict[str, list[Any]] = {}
    for problem in error.errors():
        by_path.setdefault(_path(model, problem["loc"]), []).append(problem)
    return " ".join(
        _refusal(path, problems, model, name, secret) for path, problems in by_path.items()
    )


def _refusal(
    path: str,
    problems: Sequence[Any],
    model: type[BaseModel],
    name: Callable[[str], str],
    secret: Container[str],
) -> str:
    first = problems[0]
    if first["type"] == "extra_forbidden":
        *section, last = first["loc"]
        return f"There is no setting {path!r}{nearest_name(str(last), _fields_at(model, section))}"
    if first["type"] == "missing":
        return f"{name(path)} is missing."
    expected = [_expected(problem) for problem in problems]
    if None in expected:  # a sentence of ours
        reason = str(problems[expected.index(None)]["msg"]).removeprefix("Value error, ")
    else:
        reason = f"it must be {', or '.join(dict.fromkeys(filter(None, expected)))}"
    if not reason.endswith(("?", ".")):
        reason += "."
    if not path:
        return reason
    value = first["input"]
    shown = "" if path in secret or isinstance(value, dict | BaseModel) else f"={_text(value)}"
    return f"{name(path)}{shown} is refused: {reason}"


_EXPECTED = {
    "bool": "true or false",
    "bytes": "text",
    "dataclass": "a section of settings",
    "date": "a date, as in 2026-01-31",
    "datetime": "a time, as in 2026-01-31T06:00",
    "dict": "a section of keys and values",
    "finite_number": "a finite number",
    "float": "a number",
    "frozen_set": "a list, as in [a, b]",
    "int": "a whole number",
    "is_instance_of": "of another kind",
    "iterable": "a list, as in [a, b]",
    "list": "a list, as in [a, b]",
    "mapping": "a section of keys and values",
    "model": "a section of settings",
    "model_attributes": "a section of settings",
    "none_required": "null",
    "path": "a path",
    "set": "a list, as in [a, b]",
    "string": "text",
    "tuple": "a list, as in [a, b]",
    "url": "a URL",
}
"""What is expected, by the first words of pydantic's name for an error."""

_BOUNDED = {
    "greater_than": "more than {gt:,}",
    "greater_than_equal": "at least {ge:,}",
    "less_than": "less than {lt:,}",
    "less_than_equal": "at most {le:,}",
    "multiple_of": "a multiple of {multiple_of}",
    "string_pattern_mismatch": "text of the form {pattern}",
    "string_too_long": "at most {max_length:,} characters long",
    "string_too_short": "at least {min_length:,} characters long",
    "too_long": "a list of at most {max_length:,}",
    "too_short": "a list of at least {min_length:,}",
}
"""The same by the whole name, with what the error says besides."""


def _expected(problem: Any) -> str | None:
    """What a value must be; None where the message is a sentence of ours."""
    kind = problem["type"]
    if kind in ("value_error", "assertion_error"):
        return None
    if kind in _BOUNDED:
        return _BOUNDED[kind].format(**problem["ctx"])
    if kind in ("literal_error", "enum"):
        words = problem["ctx"]["expected"].replace(" or ", ", ").replace("'", "")
        return f"one of: {words}" if ", " in words else str(words)
    words = next((kind[: len(name)] for name in _LONGEST_FIRST if kind.startswith(name)), None)
    return _EXPECTED[words] if words else "of another kind"


_LONGEST_FIRST = sorted(_EXPECTED, key=len, reverse=True)


def _path(model: type[BaseModel], place: Sequence[int | str]) -> str:
    """The path of a setting, without what pydantic adds: the form that it tried, a key's mark."""
    path: list[str] = []
    kinds: list[Any] = [model]
    for part in place:
        below = _below(kinds, part)
        if below is None:
            if part == "[key]" or path[-1:] == [str(part)] or not _is_unknown(kinds):
                continue
            below = []
        path.append(str(part))
        kinds = below
    return ".".join(path)


def _is_unknown(kinds: Sequence[Any]) -> bool:
    """Whether a name at this place is one that a person gave."""
    return any(isinstance(kind, type) and issubclass(kind, BaseModel) for kind in kinds)


def _below(kinds: Sequence[Any], part: int | str) -> list[Any] | None:
    """The kinds of value that may stand below a name, a key or an index; None if there is none."""
    for kind in kinds:
        if get_origin(kind) in (dict, list, tuple):
            return [leaf for one in get_args(kind) for leaf in _leaves(one)]
        if isinstance(kind, type) and issubclass(kind, BaseModel) and part in kind.model_fields:
            return list(_leaves(kind.model_fields[str(part)].annotation))
    return None


def _leaves(annotation: Any) -> Iterator[Any]:
    """The members of a union, and what is annotated, as they are without it."""
    if get_origin(annotation) in (Union, UnionType, Annotated):
        for one in get_args(annotation):
            yield from _leaves(one)
    else:
        yield annotation


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
