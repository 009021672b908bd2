"""Becomes another program, which ends when the process that started it does.

Run as a script by `components.child_process.start`, with the standard library alone: this process
is the child, so that its id, its output and its exit code are the program's own.
"""

import ctypes
import os
import select
import signal
import sys

_PR_SET_PDEATHSIG = 1


def ask_the_kernel(ends_by: int) -> None:
    """Has Linux send this process a signal when the thread that forked it is gone.

    It holds for the program that this process becomes, unless that one changes its user, as sudo
    does.

    Raises:
        OSError: The kernel refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, ends_by):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def leave_a_watcher(ends_by: int, lifeline: int, failure: int) -> None:
    """Has a process wait beside this one, which sends the signal, where no kernel does.

    Args:
        ends_by: The signal.
        lifeline: A pipe that the parent alone can write to; it closes when the parent is gone.
        failure: A pipe that is not the watcher's to hold open.
    """
    alive, held = os.pipe()
    program = os.getpid()
    if os.fork():
        os.close(alive)
        os.set_inheritable(held, True)  # closes when the program has ended
        return
    os.close(held)
    os.close(failure)
    ended, _, _ = select.select([lifeline, alive], [], [])
    if alive not in ended and os.getppid() == program:
        os.kill(program, ends_by)
    os._exit(0)


def main(way: str, *words: str) -> None:
    """Ties this process to its parent, and becomes a program.

    Args:
        way: `kernel` to ask it, or `watched` to leave a watcher.
        *words: Numbers: the parent's id, the signal that this process is to get at its death, the
            lifeline of `leave_a_watcher`, and a pipe for the number of the error, where the program
            cannot be started. Then the program's command line.
    """
    parent, ends_by, lifeline, failure = map(int, words[:4])
    command = words[4:]
    if way == "watched":
        leave_a_watcher(ends_by, lifeline, failure)
    else:
        ask_the_kernel(ends_by)
    os.close(lifeline)
    if os.getppid() != parent:  # it died before the kernel was asked
        os._exit(1)
    os.set_inheritable(failure, False)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python's own, which a program would inherit
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)  # noqa: S606 - no shell is wanted
    except OSError as error:
        os.write(failure, str(error.errno).encode())
        os._exit(127)


if __name__ == "__main__":
    main(*sys.argv[1:])
