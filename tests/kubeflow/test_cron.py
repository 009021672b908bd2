import pytest

from components.errors import UsageError
from kubeflow.cron import six_fields


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("0 3 * * *", "0 0 3 * * *"),
        ("*/15 * * * *", "0 */15 * * * *"),
        ("30 0 3 * * MON-FRI", "30 0 3 * * MON-FRI"),
        ("0 3 1,15 jan-jun ?", "0 0 3 1,15 jan-jun ?"),
        ("0  3 * * 0", "0 0 3 * * 0"),
        ("0 3 * * 7", "0 0 3 * * 0"),
        ("0 3 * * 5-7", "0 0 3 * * 0,5,6"),
        ("0 3 15 * */7", "0 0 3 15 * */7"),
        ("@daily", "@daily"),
        ("@every 1h30m", "@every 1h30m"),
        ("@every 0h10m", "@every 0h10m"),
    ],
)
def test_five_fields_get_a_second_and_six_stay(given, sent):
    assert six_fields(given) == sent


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("0 3 * *", "has 4 fields"),
        ("", "has 0 fields"),
        ("1 2 3 4 5 6 7", "has 7 fields"),
        ("60 3 * * *", "'60' does not fit the minute (0-59"),
        ("0 24 * * *", "'24' does not fit the hour"),
        ("0 3 0 * *", "'0' does not fit the day of the month"),
        ("0 3 * 13 *", "'13' does not fit the month (1-12 or jan-dec"),
        ("0 3 * * 8", "'8' does not fit the day of the week (0-7 or sun-sat"),
        ("0 3 * * FUN", "'FUN' does not fit the day of the week"),
        ("0 5-3 * * *", "'5-3' does not fit the hour"),
        ("*/0 3 * * *", "'*/0' does not fit the minute"),
        ("0 5-3/-1 * * *", "'5-3/-1' does not fit the hour"),
        ("1_0 3 * * *", "'1_0' does not fit the minute"),
        ("0 3 * * 1,", "'' does not fit the day of the week"),
        ("? 3 * * *", "'?' does not fit the minute"),
        ("@nightly", "is not known"),
        ("@every 0s", "'@every 0s' is not known"),
        ("@every 0h0m", "is not known"),
        ("@every 1.5h", "is not known"),
        ("CRON_TZ=Europe/Berlin 0 3 * * *", "names a time zone: Kubeflow counts in the cluster's"),
        ("TZ=UTC 0 0 3 * * *", "CRON_SCHEDULE_TIMEZONE"),
    ],
)
def test_what_is_no_time_is_refused(given, says):
    with pytest.raises(UsageError) as refused:
        six_fields(given)
    assert says in str(refused.value)
