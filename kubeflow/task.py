"""The command of a node's container: runs the node's process, and runs it again if that may help.

Whether Kubeflow starts a task again that was killed, or one that failed, depends on its version and
on who administers it. Here both are started again in their pod, before Kubeflow sees it: after a
kill, and after a failure of the kind that passes. What is whole is not done twice.
"""

import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from components.leash import ask_the_kernel
from kubeflow.task_log import say
from pipeline.exit_code import PASSING, ExitCode
from pipeline.termination import Terminated, raise_at_sigterm

PAUSES = (10.0, 30.0, 80.0)
"""Seconds to wait before each further start after such a failure: storage that is away for two
minutes is back by then. After a kill nobody waits."""


def start(node: str, pauses: Sequence[float] = PAUSES) -> None:
    """Starts a process for the node's work, and another if that is killed or may yet succeed.

    It returns in each process that is to do the work, and never in this one, which ends as the last
    of them does. A fork is enough: this process has no thread, and has loaded next to nothing.

    Args:
        node: The node's name, for the log.
        pauses: Seconds before each further start.
    """
    tell = partial(say, node)
    child = 0
    raise_at_sigterm()
    try:
        for number, pause in enumerate((*pauses, None), 1):
            child = _fork()
            if not child:
                return
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            child = 0
            if (code >= 0 and code != PASSING) or pause is None:
                break
            again = f"start {number + 1} of {len(pauses) + 1}"
            if code < 0:
                tell(f"{_killed(-code)}; {again}, from what is complete")
            else:
                tell(f"this may pass; {again} in {pause:.0f} s")
                time.sleep(pause)  # until the storage is back
    except Terminated:
        if child:  # has it leave in order what it does, unless it has just ended
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGTERM)
                os.waitpid(child, 0)
        sys.exit(ExitCode.TERMINATED)
    if code < 0:
        tell(f"{_killed(-code)} at each of {len(pauses) + 1} starts")
        sys.exit(128 - code)  # as shells say it
    sys.exit(ExitCode.FAILED if code == PASSING else code)


def _fork() -> int:
    """Forks; the child has no handler of ours, and ends when its parent does."""
    parent = os.getpid()
    child = os.fork()
    if not child:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if sys.platform == "linux":
            ask_the_kernel(signal.SIGKILL)
        if os.getppid() != parent:  # it died before the kernel was asked
            os._exit(ExitCode.FAILED)
    return child


def _killed(number: int) -> str:
    name = signal.Signals(number).name
    if number == signal.SIGKILL:
        name += ", as the kernel does if memory runs out: raise memory_limit if it happens again"
    return f"killed by {name}"


def main() -> None:
    """Runs the node that the command line names; the exit code is its process's."""
    start(next((word[7:] for word in sys.argv if word.startswith("--node=")), "task"))
    from kubeflow import node  # not in the process that waits

    node.main()


if __name__ == "__main__":
    main()
