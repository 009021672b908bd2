"""Cron expressions: five fields, as everywhere, and the six that Kubeflow Pipelines reads."""

import re
from dataclasses import dataclass

from pipeline.config import ConfigError

_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
_EVERY = re.compile(r"@every (\d+(h|m|s))+")
_NAMED = frozenset(
    {"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"}
)


@dataclass(frozen=True)
class _Field:
    name: str
    lowest: int
    highest: int
    names: tuple[str, ...] = ()
    question_mark: bool = False


_FIELDS = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31, question_mark=True),
    _Field("month", 1, 12, tuple(_MONTHS)),
    _Field("day of the week", 0, 6, tuple(_DAYS), question_mark=True),
)


def six_fields(expression: str) -> str:
    """Gives a cron expression the form that Kubeflow Pipelines reads.

    Its scheduler (robfig/cron) counts seconds first, and takes five fields for seconds to month,
    which would run a nightly pipeline every hour.

    Args:
        expression: Five fields, six fields, or one such as `@daily` or `@every 6h`.

    Returns:
        Six fields; what begins with `@` as it is.

    Raises:
        ConfigError: It is neither, or a field is out of its range.
    """
    if expression.startswith("@"):
        if expression in _NAMED or _EVERY.fullmatch(expression):
            return expression
        raise ConfigError(
            f"--cron {expression!r} is not known; {', '.join(sorted(_NAMED))} and `@every 6h` are."
        )
    parts = expression.split()
    if len(parts) == len(_FIELDS) - 1:
        parts = ["0", *parts]
    if len(parts) != len(_FIELDS):
        raise ConfigError(
            f"--cron {expression!r} has {len(parts)} fields: give minute, hour, day of the month, "
            "month and day of the week, as in '0 3 * * *', with seconds before them if need be."
        )
    for field, part in zip(_FIELDS, parts, strict=True):
        for item in part.split(","):
            if not _fits(field, item):
                names = f" or {field.names[0]}-{field.names[-1]}" if field.names else ""
                raise ConfigError(
                    f"--cron {expression!r}: {item!r} is no {field.name} "
                    f"({field.lowest}-{field.highest}{names}, *, ranges, lists and steps)."
                )
    return " ".join(parts)


def _fits(field: _Field, item: str) -> bool:
    span, slash, step = item.partition("/")
    if slash and not (step.isdecimal() and int(step) > 0):
        return False
    if span == "*" or (span == "?" and field.question_mark):
        return True
    first, dash, last = span.partition("-")
    numbers = [_number(field, first), *([_number(field, last)] if dash else [])]
    known = [number for number in numbers if number is not None]
    return (
        len(known) == len(numbers)
        and all(field.lowest <= number <= field.highest for number in known)
        and known == sorted(known)
    )


def _number(field: _Field, text: str) -> int | None:
    if text.upper() in field.names:
        return field.names.index(text.upper()) + field.lowest
    return int(text) if text.isdecimal() else None
