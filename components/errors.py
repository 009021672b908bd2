"""The one exception whose message is written for the person who runs the pipeline."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar


class PipelineError(Exception):
    """Work that cannot go on for a reason that its user can act on.

    The message is one or two sentences: what was found, what was expected, what to do. Whoever
    shows it shows the message alone; anything else that is raised is a defect and keeps its trace.

    Attributes:
        exit_code: What it ends a process with; pipeline.exit_code says what each means.
    """

    exit_code: ClassVar[int] = 1


_WHERE = re.compile(r" \[while running .*\]\s*\Z")
_RAISED = re.compile(rf"^{PipelineError.__module__}\.{PipelineError.__name__}: (.*)$", re.MULTILINE)


@contextmanager
def through_beam() -> Iterator[None]:
    """Around a Beam pipeline: raises a worker's PipelineError with the message that it had.

    Beam adds where it was raised; from another process it sends no exception but a trace.
    """
    try:
        yield
    except PipelineError as error:
        raise PipelineError(_WHERE.sub("", str(error))) from error
    except RuntimeError as error:
        if raised := _RAISED.findall(str(error)):
            raise PipelineError(_WHERE.sub("", raised[-1])) from error
        raise
