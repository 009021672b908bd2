"""The command that is told when a run fails."""

import json
import os
import shlex
import shutil
import subprocess
import time

from rich.console import Console

from components.child_process import start
from pipeline.config import ConfigError
from pipeline.scheduling.runs import GRACE_SECONDS, LOOK_SECONDS, Ended, end_group, say
from pipeline.scheduling.stop import Stop
from pipeline.work import Work

HOOK_SECONDS = 60.0
"""How long a hook may take; then it is killed."""


def parse_hook(command: str | None) -> list[str]:
    """Splits a command into words; no shell sees it.

    Raises:
        ConfigError: It is no command, or its program is not there.
    """
    if command is None:
        return []
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ConfigError(f"--on-failure {command!r} cannot be split: {error}.") from error
    if not words or shutil.which(words[0]) is None:
        raise ConfigError(
            f"--on-failure: there is no program {words[0] if words else command!r}. The command "
            "runs without a shell; for one, write sh -c '...'."
        )
    return words


def tell(
    hook: list[str],
    work: Work,
    title: str,
    ended: Ended,
    console: Console,
    stop: Stop,
    *,
    seconds: float = HOOK_SECONDS,
) -> None:
    """Runs the hook; whatever it does, the scheduler goes on.

    Args:
        hook: Its words; nothing happens without any.
        work: The work folder.
        title: What the run was for.
        ended: How it ended.
        console: Where to say that the hook failed.
        stop: What ends the scheduler; a hook then has no longer than a run has.
        seconds: How long it may take.
    """
    if not hook:
        return
    facts = {
        "reason": ended.reason,
        "exit_code": ended.code,
        "log": str(ended.log),
        "for": title,
        "work": str(work.root),
    }
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
        say(console, f"the hook cannot be started ({error.strerror}): {hook[0]}")
        return
    begun = time.monotonic()
    until, stopping = begun + seconds, False
    given: bytes | None = json.dumps(facts).encode()
    while True:
        try:
            child.communicate(given, timeout=min(LOOK_SECONDS, seconds))
            break
        except subprocess.TimeoutExpired:
            given = None  # it is on its way, and is not given twice
        now = time.monotonic()
        if stop.signal is not None and not stopping:
            until, stopping = min(until, now + GRACE_SECONDS), True
        if now >= until:
            end_group(child, 2.0)
            say(console, f"the hook had not ended after {now - begun:.0f} s and was killed")
            return
    if child.returncode:
        say(console, f"the hook ended with exit code {child.returncode}")
