"""When runs are due: a crontab expression, and what was due last."""

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from apscheduler.triggers.cron import CronTrigger

from pipeline.config import ConfigError

BACKWARDS = timedelta(hours=1)
"""A clock that is set back by more than this makes what was recorded before it void."""

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


@dataclass(frozen=True)
class Cron:
    """Times of day, as cron means them, also where the clock shows an hour twice.

    Attributes:
        triggers: When runs are due; any of them is enough.
        goes_on: Whether the minute or the hour is `*` or a step of it: then the hour that comes
            twice counts twice. A named time counts once, the first time.
    """

    triggers: tuple[CronTrigger, ...]
    goes_on: bool = False

    def after(self, moment: datetime) -> datetime | None:
        """The first time after a moment; None where none ever comes."""
        while True:
            later = moment.astimezone(timezone.utc) + timedelta(microseconds=1)
            found = [one.get_next_fire_time(None, later) for one in self.triggers]
            due = min(filter(None, found), key=datetime.timestamp, default=None)
            if due is None or self.goes_on or not _is_second(due):
                return due
            moment = due


def _is_second(due: datetime) -> bool:
    """Whether the clock has shown this time before."""
    return bool(due.fold) and due.replace(fold=0).timestamp() < due.timestamp()


def parse_cron(expression: str) -> Cron:
    """Reads five crontab fields, as cron means them.

    APScheduler counts weekdays from Monday and wants day of month and weekday to fit both; cron
    counts from Sunday, and takes either where both are given.

    Args:
        expression: Minute, hour, day of month, month, weekday, in the machine's time zone.

    Returns:
        The times.

    Raises:
        ConfigError: It is no crontab expression, or it never comes.
    """
    fields = expression.split()
    try:
        if len(fields) != 5:
            raise ValueError(f"it has {len(fields)} fields")
        minute, hour, day, month, weekday = fields
        names = _weekdays(weekday)
        days = [(day, names)]
        if not day.startswith("*") and not weekday.startswith("*"):
            days = [(day, "*"), ("*", names)]
        triggers = tuple(
            CronTrigger(minute=minute, hour=hour, day=one, month=month, day_of_week=other)
            for one, other in days
        )
        cron = Cron(triggers, goes_on=minute.startswith("*") or hour.startswith("*"))
        due = cron.after(datetime.now().astimezone())
    except ValueError as error:
        raise ConfigError(
            f"--cron {expression!r} is refused: {error}. It takes minute, hour, day of month, "
            "month and weekday, as in '0 3 * * *'."
        ) from error
    if due is None:
        raise ConfigError(f"--cron {expression!r} is a time that never comes.")
    return cron


def _weekdays(field: str) -> str:
    """A weekday field with names for numbers, each day on its own."""
    if field.startswith("*"):
        if field == "*":
            return field
        step = int(field.removeprefix("*/"))
        if step < 1:
            raise ValueError("a step of a weekday must be at least 1")
        return ",".join(_DAYS[::step])
    found = []
    for part in field.lower().split(","):
        days, _, step_text = part.partition("/")
        first, dash, last = days.partition("-")
        step = int(step_text or 1)
        start = _weekday(first)
        end = _weekday(last) if dash else 6 if step_text else start
        if end < start or step < 1:
            raise ValueError(f"the weekdays {part!r} are no range")
        found += [_DAYS[number % 7] for number in range(start, end + 1, step)]
    return ",".join(dict.fromkeys(found))


def _weekday(text: str) -> int:
    number = _DAYS.index(text) if text in _DAYS else int(text)
    if not 0 <= number <= 7:
        raise ValueError(f"{text} is no weekday")
    return number


@dataclass
class Timetable:
    """Which run is due, by one rule: times that have come since the last one make one run.

    It does not matter why they were missed: nothing was running, a run took longer, or the clock
    jumped forwards.

    Attributes:
        cron: When runs are due.
        last: The time up to which everything that was due has been seen to.
    """

    cron: Cron
    last: datetime

    def next(self) -> datetime:
        """The first time after the last one."""
        return self.cron.after(self.last) or datetime.max.replace(tzinfo=timezone.utc)

    def begins_anew(self, now: datetime) -> bool:
        """Begins from now where the clock was set back far; returns whether it did."""
        if now + BACKWARDS >= self.last:
            return False
        self.last = now
        return True

    def is_due(self, now: datetime) -> bool:
        """Whether a time has come."""
        return self.next() <= now

    def seen_to(self, now: datetime) -> None:
        """Everything that was due by now is done; the record never goes back by a little."""
        self.last = max(now, self.last)
