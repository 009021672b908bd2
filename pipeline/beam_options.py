"""The options that Apache Beam gets, checked before anything runs.

Beam itself drops an option that it does not know with a line in the log, and ends the process at a
value that it does not understand.
"""

import argparse
import re
from collections.abc import Sequence
from typing import NoReturn

from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

from components.errors import UsageError
from components.validation import nearest_name

_LOCAL = frozenset({"fnapirunner", "directrunner", "prismrunner"})
"""Runners whose every option is Beam's own; job servers have more, and read them themselves."""


def checked_beam_options(options: Sequence[str]) -> list[str]:
    """Makes sure that Beam will understand its options.

    Args:
        options: As in `--direct_num_workers=2`.

    Returns:
        The same options.

    Raises:
        UsageError: A runner or option does not exist, or a value is refused.
    """
    names: set[str] = set()

    def see(parser: argparse.ArgumentParser) -> None:
        names.update(re.findall(r"--[\w-]+", parser.format_usage()))
        parser.error = _refuse  # type: ignore[method-assign]

    PipelineOptions(list(options)).get_all_options(
        add_extra_args_fn=see, retain_unknown_options=True
    )
    given = [option.partition("=") for option in options]
    runner = next((value for name, _, value in given if name == "--runner"), "DirectRunner")
    runners = StandardOptions.KNOWN_RUNNER_NAMES
    if "." not in runner and runner.lower() not in {name.lower() for name in runners}:
        raise UsageError(f"beam: there is no runner {runner!r}{nearest_name(runner, runners)}")
    if runner.lower() in _LOCAL:
        for name, _, _ in given:
            if name not in names:
                raise UsageError(
                    f"beam: {runner} has no option {name!r}{nearest_name(name, names)}"
                )
    return list(options)


def _refuse(message: str) -> NoReturn:
    raise UsageError(f"beam: {message}.")
