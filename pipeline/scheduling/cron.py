"""The one grammar of cron expressions: for `mri schedule`, and for schedules on Kubeflow."""

from typing import NamedTuple

from components.errors import UsageError

WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MONTHS = (
    *("jan", "feb", "mar", "apr", "may", "jun"),
    *("jul", "aug", "sep", "oct", "nov", "dec"),
)


class Field(NamedTuple):
    """What one field of an expression says.

    Attributes:
        text: As it was written.
        values: The numbers that it stands for, the lowest first; of weekdays, 0 is Sunday.
    """

    text: str
    values: tuple[int, ...]

    @property
    def is_open(self) -> bool:
        """Whether it is `*` or a step of it, which cron takes for no choice."""
        return self.text.startswith(("*", "?"))

    @property
    def listed(self) -> str:
        """All numbers, with commas between."""
        return ",".join(map(str, self.values))


class _Range(NamedTuple):
    name: str
    lowest: int
    highest: int
    names: tuple[str, ...] = ()

    def numbers(self, part: str) -> range:
        """The numbers of one part of a list; a ValueError says what would fit."""
        span, slash, step = part.partition("/")
        first, dash, last = span.partition("-")
        highest = self.highest + (self.names == WEEKDAYS)  # Sunday is 7, too
        try:
            if span == "*" or (span == "?" and "day" in self.name):
                begin, end = self.lowest, self.highest
            else:
                begin = self._number(first)
                end = self._number(last) if dash else self.highest if slash else begin
            every = 1 if not slash else int(step) if step.isdecimal() else 0
            found = range(begin, end + 1, every)
        except ValueError:
            found = range(0)
        if not found or begin < self.lowest or end > highest:
            names = f" or {self.names[0]}-{self.names[-1]}" if self.names else ""
            raise ValueError(
                f"{part!r} does not fit the {self.name} ({self.lowest}-{highest}{names}, *, "
                "ranges, lists and steps)"
            )
        return found

    def _number(self, text: str) -> int:
        if text.lower() in self.names:
            return self.names.index(text.lower()) + self.lowest
        if not text.isdecimal():
            raise ValueError(text)
        return int(text)


_RANGES = (
    _Range("second", 0, 59),
    _Range("minute", 0, 59),
    _Range("hour", 0, 23),
    _Range("day of the month", 1, 31),
    _Range("month", 1, 12, _MONTHS),
    _Range("day of the week", 0, 6, WEEKDAYS),
)


def read_cron(expression: str, *, seconds: bool = False) -> list[Field]:
    """Reads a cron expression.

    Args:
        expression: Minute, hour, day of the month, month and day of the week.
        seconds: Whether seconds may stand before them.

    Returns:
        Six fields, the second's first: `0` where it is not given.

    Raises:
        UsageError: It has another number of fields, or a field is out of its range.
    """
    parts = expression.split()
    if len(parts) == len(_RANGES) - 1:
        parts = ["0", *parts]
    elif not (seconds and len(parts) == len(_RANGES)):
        more = ", with seconds before them if need be" if seconds else ""
        raise UsageError(
            f"--cron {expression!r} has {len(parts)} fields: give minute, hour, day of the month, "
            f"month and day of the week, as in '0 3 * * *'{more}."
        )
    fields = []
    for one, text in zip(_RANGES, parts, strict=True):
        try:
            values = {number for part in text.split(",") for number in one.numbers(part)}
        except ValueError as error:
            raise UsageError(f"--cron {expression!r}: {error}.") from error
        if one.names == WEEKDAYS:
            values = {number % 7 for number in values}
        fields.append(Field(text, tuple(sorted(values))))
    return fields
