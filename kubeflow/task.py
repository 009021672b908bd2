"""The command of a node's container: runs the node's process, and runs it again if that may help.

Whether Kubeflow starts a task again that was killed, or one that failed, depends on its version and
on who administers it. Here both are started again in their pod, before Kubeflow sees it: after a
kill, and after a failure of the kind that passes. What is whole is not done twice.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from components.child_process import start
from pipeline.exit_code import ExitCode
from pipeline.termination import Terminated, raise_at_sigterm

NODE_MODULE = "kubeflow.node"
"""What does the work."""
PASSING = os.EX_TEMPFAIL
"""The exit code of a node's process after a failure that may pass."""
PAUSES = (10.0, 30.0, 80.0)
"""Seconds to wait before each further start after such a failure: storage that is away for two
minutes is back by then. After a kill nobody waits."""


def run(command: Sequence[str], pauses: Sequence[float] = PAUSES) -> int:
    """Runs a command, and runs it again if it is killed or fails as what passes does.

    Args:
        command: The command line.
        pauses: Seconds before each further start.

    Returns:
        The exit code of the last start; of one that was killed 128 and the signal's number, as
        shells say it.
    """
    process: subprocess.Popen[Any] | None = None
    say = partial(_say, next((word[7:] for word in command if word.startswith("--node=")), "task"))
    raise_at_sigterm()
    try:
        for number, pause in enumerate(pauses, 1):
            process = start(command)
            code = process.wait()
            if code >= 0 and code != PASSING:
                return code
            again = f"start {number + 1} of {len(pauses) + 1}"
            if code < 0:
                say(f"{_killed(-code)}; {again}, from what is whole")
            else:
                say(f"this may pass; {again} in {pause:.0f} s")
                time.sleep(pause)  # until the storage is back
        process = start(command)
        code = process.wait()
    except Terminated:
        return _stopped(process)
    if code < 0:
        say(f"{_killed(-code)} at each of {len(pauses) + 1} starts")
        return 128 - code
    return ExitCode.FAILED if code == PASSING else code


def _stopped(process: "subprocess.Popen[Any] | None") -> int:
    """Passes SIGTERM on, and waits until what is being done is left in order."""
    if process is not None and process.poll() is None:
        process.terminate()
        process.wait()
    return ExitCode.TERMINATED


def _killed(number: int) -> str:
    name = signal.Signals(number).name
    if number == signal.SIGKILL:
        name += ", as the kernel does if memory runs out: raise memory_limit if it happens again"
    return f"killed by {name}"


def _say(node: str, sentence: str) -> None:
    sys.stderr.write(f"{node}: {sentence}\n")
    sys.stderr.flush()


def main() -> None:
    """Runs the node that the command line names; the exit code is its process's."""
    sys.exit(run([sys.executable, "-m", NODE_MODULE, *sys.argv[1:]]))


if __name__ == "__main__":
    main()
