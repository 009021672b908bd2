"""The command that is told when a run fails, and how a process is ended with all that it began."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from components.child_process import start
from components.errors import UsageError
from pipeline.termination import STOPPED

GRACE_SECONDS = 15.0
"""How long a run or a hook has to end after SIGTERM; then it is killed."""

HOOK_SECONDS = 60.0
"""How long a hook may take; then it is killed."""


def parse_hook(command: str | None) -> list[str]:
    """Splits a command into words; no shell sees it.

    Raises:
        UsageError: It is not a command, or its program is not there.
    """
    if command is None:
        return []
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"--on-failure {command!r} cannot be split: {error}.") from error
    if not words or shutil.which(words[0]) is None:
        raise UsageError(
            f"--on-failure: there is no program {words[0] if words else command!r}. The command "
            "runs without a shell; to use one, write sh -c '...'."
        )
    return words


def tell(hook: list[str], facts: Mapping[str, object], say: Callable[[str], None]) -> None:
    """Runs the hook; whatever it does, the scheduler goes on.

    Args:
        hook: Its words; nothing happens without any.
        facts: What it is told, as JSON on standard input and in its environment.
        say: Is told that the hook failed.
    """
    if not hook:
        return
    environment = {f"MRI_{name.upper()}": str(value) for name, value in facts.items()}
    try:
        child = start(
            hook,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, **environment},
        )
    except OSError as error:
        say(f"the hook cannot be started ({error.strerror}): {hook[0]}")
        return
    begun = time.monotonic()
    try:
        child.communicate(json.dumps(facts).encode(), HOOK_SECONDS)
    except STOPPED:
        with suppress(subprocess.TimeoutExpired):
            child.communicate(timeout=GRACE_SECONDS)
        raise
    except subprocess.TimeoutExpired:
        pass  # said below
    finally:
        if child.poll() is None:
            end_group(child, 2.0)
            taken = time.monotonic() - begun
            say(f"the hook had not ended after {taken:.0f} s and was killed")
        elif child.returncode:
            say(f"the hook ended with exit code {child.returncode}")


def end_group(child: "subprocess.Popen[bytes]", grace: float) -> None:
    """Tells a process and what it started to end; kills what has not after a while."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        # A hook that has changed its user, as sudo does, cannot be told.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, number)
        with suppress(subprocess.TimeoutExpired):
            child.wait(grace)
