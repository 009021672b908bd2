"""What the exit code of `mri` and of the node launcher means."""

import os
from enum import IntEnum


class ExitCode(IntEnum):
    """One meaning a code, for commands, for a node's process and for a task on a cluster.

    Attributes:
        DONE: Done, and the model was blessed if it was evaluated.
        FAILED: The work failed; one sentence says why, `--debug` shows the trace.
        USAGE: A value that was given is wrong, or names something that is not there.
        STOPPED_BY_GATE: The data gate stopped the run.
        NOT_BLESSED: The model was not blessed, could not be served, or a person has decided
            against it, so nothing was pushed.
        DRIFT: `mri monitor` found drift.
        INTERRUPTED: By ctrl-C; as shells say it, 128 and the number of SIGINT.
        TERMINATED: By SIGTERM, likewise.
    """

    DONE = 0
    FAILED = 1
    USAGE = 2
    STOPPED_BY_GATE = 3
    NOT_BLESSED = 4
    DRIFT = 5
    INTERRUPTED = 130
    TERMINATED = 143


PASSING = os.EX_TEMPFAIL
"""What a node's process on a cluster ends with after a failure that may pass: its task starts it
again, and nobody else sees this."""
