import pytest

from kubeflow.cron import six_fields
from pipeline.config import ConfigError


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("0 3 * * *", "0 0 3 * * *"),
        ("*/15 * * * *", "0 */15 * * * *"),
        ("30 0 3 * * MON-FRI", "30 0 3 * * MON-FRI"),
        ("0 3 1,15 jan-jun ?", "0 0 3 1,15 jan-jun ?"),
        ("0  3 * * 0", "0 0 3 * * 0"),
        ("@daily", "@daily"),
        ("@every 1h30m", "@every 1h30m"),
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
        ("60 3 * * *", "'60' is no minute"),
        ("0 24 * * *", "'24' is no hour"),
        ("0 3 0 * *", "'0' is no day of the month"),
        ("0 3 * 13 *", "'13' is no month"),
        ("0 3 * * 7", "'7' is no day of the week (0-6 or SUN-SAT"),
        ("0 3 * * FUN", "'FUN' is no day of the week"),
        ("0 5-3 * * *", "'5-3' is no hour"),
        ("*/0 3 * * *", "'*/0' is no minute"),
        ("? 3 * * *", "'?' is no minute"),
        ("@nightly", "is not known"),
    ],
)
def test_what_is_no_time_is_refused(given, says):
    with pytest.raises(ConfigError) as refused:
        six_fields(given)
    assert says in str(refused.value)
