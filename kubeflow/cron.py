"""Cron expressions as Kubeflow Pipelines reads them: with seconds first."""

import re

from components.errors import UsageError
from pipeline.scheduling.cron import read_cron

_EVERY = r"every (?=.*[1-9])(\d+[hms])+"
_WORDS = re.compile(f"@(yearly|annually|monthly|weekly|daily|midnight|hourly|{_EVERY})")


def six_fields(expression: str) -> str:
    """Gives a cron expression the form that Kubeflow Pipelines reads.

    Its scheduler (robfig/cron) counts seconds first, and takes five fields for seconds to month,
    which would run a nightly pipeline every hour. Sunday is 0 there, and never 7. What begins with
    `@` it reads as it is. A UsageError says what is wrong with an expression.
    """
    if expression.startswith("@"):
        if _WORDS.fullmatch(expression):
            return expression
        raise UsageError(f"--cron {expression!r} is not known; @daily, for one, or @every 6h is.")
    if "TZ=" in expression:
        raise UsageError(
            f"--cron {expression!r} names a time zone: Kubeflow counts in the cluster's, which is "
            "UTC unless CRON_SCHEDULE_TIMEZONE of ml-pipeline-scheduledworkflow is set."
        )
    *others, weekday = read_cron(expression, seconds=True)
    seven = "7" in weekday.text and not weekday.is_open
    return " ".join([*(field.text for field in others), weekday.listed if seven else weekday.text])
