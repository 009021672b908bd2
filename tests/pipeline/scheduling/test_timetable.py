import time
from datetime import datetime, timezone

import pytest
import tzlocal

from components.errors import UsageError
from pipeline.scheduling.timetable import parse_cron

# A Wednesday.
NOON = datetime(2026, 7, 1, 12).astimezone()


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
    assert parse_cron(cron).after(NOON) == datetime(2026, *due).astimezone()


@pytest.mark.parametrize(
    "cron", ["", "daily", "* * * *", "61 * * * *", "0 3 * * 8", "0 3 * * fun", "0 3 30 2 *",
             "0 3 * * */0", "* * * * * *"],
)  # fmt: skip
def test_what_is_no_time_is_refused(cron):
    with pytest.raises(UsageError, match="--cron"):
        parse_cron(cron)


@pytest.fixture
def berlin(monkeypatch):
    """The machine's time zone: an hour ahead of UTC, two from 29 March to 25 October 2026."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Europe/Berlin")
        time.tzset()
        tzlocal.reload_localzone()
        yield
    time.tzset()
    tzlocal.reload_localzone()


def _times(cron: str, begin: str, end: str) -> list[str]:
    """The times from one moment to another, all in UTC."""
    due, last = (datetime.fromisoformat(one).replace(tzinfo=timezone.utc) for one in (begin, end))
    times, found = parse_cron(cron), []
    while (due := times.after(due)) < last:
        found.append(f"{due.astimezone(timezone.utc):%d %H:%M}")
    return found


@pytest.mark.parametrize(
    ("cron", "due"),
    [
        ("30 2 * * *", ["28 01:30", "29 01:30", "30 00:30"]),  # 02:30 does not come: at 03:30
        ("0 3 * * *", ["28 02:00", "29 01:00", "30 01:00"]),
        ("0 2,3 * * *", ["28 01:00", "28 02:00", "29 01:00", "30 00:00", "30 01:00"]),
        ("0 */12 * * *", ["28 11:00", "28 23:00", "29 10:00", "29 22:00"]),
    ],
)
def test_when_summer_time_begins_no_run_is_lost(berlin, cron, due):
    assert _times(cron, "2026-03-28 00:00", "2026-03-30 02:00") == due


@pytest.mark.parametrize(
    ("cron", "due"),
    [
        ("30 2 * * *", ["24 00:30", "25 00:30", "26 01:30"]),
        ("30 2 25 * 1", ["25 00:30", "26 01:30"]),
        ("0 2-3 * * *", ["24 00:00", "24 01:00", "25 00:00", "25 02:00", "26 01:00"]),
        ("0 5 * * *", ["24 03:00", "25 04:00"]),
        ("0 */12 * * *", ["24 10:00", "24 22:00", "25 11:00", "25 23:00"]),
    ],
)
def test_when_summer_time_ends_a_named_time_comes_once(berlin, cron, due):
    assert _times(cron, "2026-10-23 23:30", "2026-10-26 02:00") == due


@pytest.mark.parametrize(("cron", "a_day"), [("*/30 * * * *", 48), ("0 * * * *", 24)])
@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])
def test_every_so_often_stays_so_on_both_days(berlin, cron, a_day, day):
    found = _times(cron, f"{day} 00:05", f"{day} 23:59")
    assert len(found) == len(set(found)) == a_day - 1


def test_in_the_hour_that_comes_twice_the_same_expression_starts_in_either(berlin):
    # 02:40 for the second time, an hour and ten minutes after the first 02:30.
    assert _times("30 2 * * *", "2026-10-25 01:40", "2026-10-26 02:00") == ["26 01:30"]
    assert _times("30 5 * * *", "2026-10-25 01:40", "2026-10-26 02:00") == ["25 04:30"]
