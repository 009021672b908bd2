from datetime import datetime, timedelta

import pytest

from pipeline.config import ConfigError
from pipeline.scheduling.timetable import Timetable, parse_cron

# A Wednesday.
NOON = datetime(2026, 7, 1, 12).astimezone()


def _next(cron: str) -> datetime:
    return Timetable(parse_cron(cron), NOON).next()


@pytest.mark.parametrize(
    ("cron", "due"),
    [
        ("0 3 * * *", (7, 2, 3)),
        ("0 3 * * 0", (7, 5, 3)),  # Sunday, as cron counts
        ("0 3 * * 7", (7, 5, 3)),
        ("0 3 * * 1-5", (7, 2, 3)),
        ("0 3 * * sat,sun", (7, 4, 3)),
        ("0 3 15 * 5", (7, 3, 3)),  # the 15th or a Friday, as cron means it
    ],
)
def test_fields_mean_what_cron_means(cron, due):
    assert _next(cron) == datetime(2026, *due).astimezone()


@pytest.mark.parametrize(
    "cron", ["", "daily", "* * * *", "61 * * * *", "0 3 * * 8", "0 3 * * fun", "0 3 30 2 *",
             "0 3 * * */0", "* * * * * *"],
)  # fmt: skip
def test_what_is_no_time_is_refused(cron):
    with pytest.raises(ConfigError, match="--cron"):
        parse_cron(cron)


def test_all_that_was_missed_makes_one_run():
    timetable = Timetable(parse_cron("0 3 * * *"), NOON)
    later = NOON + timedelta(days=9)
    assert timetable.is_due(later)
    timetable.seen_to(later)
    assert not timetable.is_due(later)
    assert timetable.next() == datetime(2026, 7, 11, 3).astimezone()


def test_a_clock_set_back_a_little_repeats_nothing():
    timetable = Timetable(parse_cron("*/10 * * * *"), NOON)
    earlier = NOON - timedelta(minutes=30)
    assert not timetable.is_due(earlier)
    assert not timetable.is_due(NOON)
    assert timetable.is_due(NOON + timedelta(minutes=10))


def test_a_clock_set_back_far_starts_anew():
    timetable = Timetable(parse_cron("0 3 * * *"), NOON + timedelta(days=4000))
    assert not timetable.is_due(NOON)
    assert timetable.is_due(NOON + timedelta(days=1))
