"""`mri schedule`: a run whenever a cron time comes."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from apscheduler.triggers.cron import CronTrigger
from rich.console import Console

from components.errors import UsageError
from pipeline.scheduling.cron import WEEKDAYS, read_cron
from pipeline.scheduling.hook import parse_hook
from pipeline.scheduling.record import ScheduleRecord, read_record, write_record
from pipeline.scheduling.runs import now, runs_in
from pipeline.termination import Terminated, stopping_deferred
from pipeline.work import Work

BACKWARDS = timedelta(hours=1)
"""A clock that is set back by more than this makes what was recorded before it void."""

NEVER = datetime.max.replace(tzinfo=timezone.utc)

CLOCK_SECONDS = 20.0
"""How often the clock is looked at, so that one that is set is noticed."""


def schedule_runs(
    work: Work, cron: str, command: Sequence[str], console: Console, *, on_failure: str | None
) -> None:
    """Runs a command at a timetable's times until a signal comes.

    Args:
        work: The work folder.
        cron: A crontab expression.
        command: What a run is started with.
        console: Where to say what happens.
        on_failure: The command that is told of a failure.

    Raises:
        PipelineError: The expression or the hook is wrong, or the folder cannot be used.
    """
    times, hook = parse_cron(cron), parse_hook(on_failure)
    file = work.schedule / "schedule.json"
    with suppress(Terminated), runs_in(work, command, console, hook) as runs:
        record = read_record(file, ScheduleRecord)
        if record is None or record.cron != cron:
            record = ScheduleRecord(cron=cron, last=now())
        write_record(file, record)  # also to learn before the first run that it can be written
        while True:
            clock = now()
            if clock + BACKWARDS < record.last:
                runs.say(
                    f"runs are recorded up to {record.last:%Y-%m-%d %H:%M %Z}, and the clock was "
                    "set back to before that: the timetable starts again from the current time"
                )
                record.last = clock
                write_record(file, record)
            due = times.after(record.last)
            if due > clock:
                left = max(0.1, (due - clock).total_seconds())
                words = f"the next run is due at {due:%Y-%m-%d %H:%M %Z}"
                runs.wait(words, min(CLOCK_SECONDS, left))
                continue
            # Whatever was missed, and why, makes one run; a clock set back a little repeats none.
            ended = runs.run("cron", f"a run was due at {due:%Y-%m-%d %H:%M %Z}")
            with stopping_deferred():
                record.last = max(record.last, ended.begun)
                write_record(file, record)
            runs.tell(ended)


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

    def after(self, moment: datetime) -> datetime:
        """The first time after a moment; NEVER where none comes."""
        while True:
            later = moment.astimezone(timezone.utc) + timedelta(microseconds=1)
            found = [one.get_next_fire_time(None, later) for one in self.triggers]
            due: datetime = min(filter(None, found), key=datetime.timestamp, default=NEVER)
            if self.goes_on or not _is_second(due):
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
        UsageError: It is not a crontab expression, or it never comes.
    """
    _, minute, hour, day, month, weekday = read_cron(expression)
    named = ",".join(WEEKDAYS[number] for number in weekday.values)
    days = [{"day": day.listed, "day_of_week": named}]
    if not day.is_open and not weekday.is_open:
        days = [{"day": day.listed}, {"day_of_week": named}]
    fixed = {"month": month.listed, "hour": hour.listed, "minute": minute.listed}
    triggers = tuple(CronTrigger(**fixed, **one) for one in days)
    cron = Cron(triggers, goes_on=minute.is_open or hour.is_open)
    if cron.after(datetime.now(timezone.utc)) == NEVER:
        raise UsageError(f"--cron {expression!r} never occurs.")
    return cron
