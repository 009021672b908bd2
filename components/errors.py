"""The exceptions whose messages are written for the person who runs the pipeline."""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager


class PipelineError(Exception):
    """Work that cannot go on for a reason that its user can act on.

    The message is one or two sentences: what was found, what was expected, what to do. Whoever
    shows it shows the message alone; anything else that is raised is a defect and keeps its trace.

    Attributes:
        exit_code: What it ends a process with; pipeline.exit_code says what each means.
    """

    exit_code: int = 1


class UsageError(PipelineError):
    """What the user gave is wrong, and stays wrong until they give something else.

    An argument, a flag, a setting or an environment variable has a value that cannot be used, or
    names a file, folder, model, version, run or class that is not there.
    """

    exit_code = 2  # USAGE, as pipeline.exit_code calls it


def path_error(error: OSError) -> type[PipelineError]:
    """What to raise about a path that a user named: whether the path is wrong, or the machine.

    Args:
        error: What the operating system said.

    Returns:
        UsageError if another path is needed, or other permissions. PipelineError if the same one
        may work a little later, on a disk that is full or fails now.
    """
    return UsageError if error.errno in _OF_THE_PATH else PipelineError


_OF_THE_PATH = (
    *(errno.ENOENT, errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.EACCES, errno.EPERM),
    *(errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO, errno.EROFS, errno.EINVAL),
)
_WHERE = re.compile(r" \[while running .*\]\s*\Z")
_KINDS = {kind.__name__: kind for kind in (PipelineError, UsageError)}
_RAISED = re.compile(rf"^{re.escape(__name__)}\.({'|'.join(_KINDS)}): (.*)$", re.MULTILINE)


@contextmanager
def through_beam() -> Iterator[None]:
    """Around a Beam pipeline: raises a worker's PipelineError with its kind and message.

    Beam adds where it was raised; from another process it sends no exception but a trace.
    """
    try:
        yield
    except PipelineError as error:
        kind = UsageError if isinstance(error, UsageError) else PipelineError
        raise kind(_WHERE.sub("", str(error))) from error
    except RuntimeError as error:
        if raised := _RAISED.findall(str(error)):
            name, message = raised[-1]
            raise _KINDS[name](_WHERE.sub("", message)) from error
        raise
