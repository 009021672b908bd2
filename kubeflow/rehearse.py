"""Runs a compiled pipeline on this machine as a cluster would: a process a task."""

import os
import tempfile
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from components.child_process import last_line
from components.errors import UsageError, path_error
from components.validation import nearest_name
from kubeflow.arguments import read_values
from kubeflow.backends import BACKENDS, Backend, Retry
from kubeflow.compiled import read_compiled
from kubeflow.dag import Task, read_tasks
from kubeflow.pod import Pod, PodEnd, Site
from pipeline.database import connect, connection_config
from pipeline.environment import METADATA_VARIABLE
from pipeline.exit_code import ExitCode
from pipeline.termination import STOPPED
from pipeline.work import Work

TaskState = Literal["succeeded", "failed", "skipped"]

_STYLES = {"succeeded": "green", "failed": "bold red", "skipped": "dim"}


@dataclass(frozen=True)
class TaskEnd:
    """What became of a task.

    Attributes:
        task: The task.
        state: In a word.
        attempts: How often it was started.
        last: How the last attempt ended; None if it was not started.
        seconds: From the first start to the last end, waits between attempts included.
    """

    task: Task
    state: TaskState
    attempts: int = 0
    last: PodEnd | None = None
    seconds: float = 0.0


class Clock:
    """Time, as a rehearsal sees it."""

    def now(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()

    def wait(self, stopped: threading.Event, seconds: float) -> bool:
        """Lets time pass.

        Returns:
            Whether the rehearsal was stopped meanwhile.
        """
        return stopped.wait(seconds)


def rehearse(
    path: Path,
    given: Iterable[str],
    storage: Path,
    console: Console,
    *,
    metadata_url: str | None = None,
    parallel: int = 2,
    backend: Backend = BACKENDS[-1],
    lose: Iterable[str] = (),
) -> ExitCode:
    """Rehearses a compiled pipeline.

    Args:
        path: The compiled file.
        given: Run parameters, `NAME=VALUE`.
        storage: The folder that stands for the shared storage; made if it is not there.
        console: Where progress goes.
        metadata_url: The database in the Secret; None for SQLite in `storage`, one task at a time.
        parallel: How many tasks run at once, at most.
        backend: The release of Kubeflow Pipelines that is played.
        lose: Pods to lose, `TASK=SECONDS` after the task's first attempt has begun.

    Returns:
        What the run comes to: the code of the task that ended it, where that is a verdict.

    Raises:
        PipelineError: The file, a parameter, the storage or the database cannot be used.
    """
    pipeline = read_compiled(path)
    values = read_values(pipeline, given)
    tasks = read_tasks(pipeline, backend)
    losses = _losses(tasks, lose)
    work = Work(storage.absolute())
    storage = work.root
    _check_storage(storage)
    with work.shared():
        connect(connection_config(metadata_url, work))  # what is wrong with it is said here
        site = Site(
            pipeline=pipeline.name,
            job_id=str(uuid.uuid4()),
            storage=storage,
            parameters=values,
            secrets=_secrets(tasks, metadata_url),
        )
        site.folder.mkdir(parents=True)
        if metadata_url is None and parallel > 1:
            console.print("SQLite takes one task at a time; with --metadata, several run at once.")
        slots = parallel if metadata_url else 1
        return _Rehearsal(tasks, site, console, slots, backend, losses).run()


def _check_storage(storage: Path) -> None:
    """Finds out whether the folder can be the storage that all tasks share."""
    try:
        storage.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=storage).close()
    except OSError as error:
        raise path_error(error)(
            f"{storage} cannot be the shared storage ({error.strerror}): give --storage a folder "
            "that can be written."
        ) from error


def _secrets(tasks: Sequence[Task], metadata_url: str | None) -> dict[str, str]:
    """Values of the Secrets, from where a person keeps them on this machine."""
    values = {METADATA_VARIABLE: metadata_url} if metadata_url else {}
    for task in tasks:
        for variable, secret in task.secrets.items():
            if variable == METADATA_VARIABLE:
                continue
            if variable not in os.environ:
                raise UsageError(
                    f"{task.title} takes {variable} from the Secret {secret}: set {variable} in "
                    "the environment for the rehearsal."
                )
            values[variable] = os.environ[variable]
    return values


def _losses(tasks: Sequence[Task], texts: Iterable[str]) -> dict[str, float]:
    """After how many seconds the pods of tasks are lost, by the task's name."""
    names = {task.title: task.name for task in tasks}
    losses: dict[str, float] = {}
    for text in texts:
        title, _, seconds = text.partition("=")
        if title not in names:
            raise UsageError(f"--lose: there is no task {title!r}{nearest_name(title, names)}")
        if not seconds.isdecimal():
            raise UsageError(
                f"--lose {text!r} is not of the form TASK=SECONDS, with a whole number of seconds."
            )
        losses[names[title]] = float(seconds)
    return losses


class _Rehearsal:
    """One run."""

    def __init__(
        self,
        tasks: Sequence[Task],
        site: Site,
        console: Console,
        parallel: int,
        backend: Backend,
        losses: Mapping[str, float],
    ) -> None:
        self._tasks = tasks
        self._site = site
        self._console = console
        self._parallel = parallel
        self._backend = backend
        self._losses = losses
        self._clock = Clock()
        self._ends: dict[str, TaskEnd] = {}
        self._pods: dict[str, Pod] = {}
        self._stopped = threading.Event()
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )

    def run(self) -> ExitCode:
        self._console.print(f"run {self._site.job_id}", soft_wrap=True)
        self._console.print(
            f"as Kubeflow Pipelines {self._backend.version}, which {self._backend.retries}",
            soft_wrap=True,
        )
        with self._progress:
            try:
                with ThreadPoolExecutor(self._parallel) as pool:
                    try:
                        self._schedule(pool, [task for task in self._tasks if not task.always])
                    except STOPPED:
                        self._stopped.set()
                        for pod in list(self._pods.values()):
                            pod.kill()
                        raise
            finally:
                for task in self._tasks:
                    if task.always:
                        self._record(self._attempts(task))
        self._console.print(f"logs  {self._site.folder / 'logs'}", soft_wrap=True, markup=False)
        return self._exit_code()

    def _schedule(self, pool: ThreadPoolExecutor, tasks: list[Task]) -> None:
        """As Argo does by default: after a failure nothing new begins, and what runs may end."""
        running: set[Future[TaskEnd]] = set()
        begun: set[str] = set()
        while True:
            failed = any(end.state == "failed" for end in self._ends.values())
            for task in tasks:
                if failed or task.name in begun or len(running) == self._parallel:
                    continue
                if all(self._succeeded(name) for name in task.after):
                    begun.add(task.name)
                    running.add(pool.submit(self._attempts, task))
            if not running:
                break
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                self._record(future.result())
        for task in tasks:
            if task.name not in begun:
                self._record(TaskEnd(task, "skipped"))

    def _succeeded(self, name: str) -> bool:
        return name in self._ends and self._ends[name].state == "succeeded"

    def _attempts(self, task: Task) -> TaskEnd:
        started = self._clock.now()
        shown = self._progress.add_task(task.title)
        attempts = count(1)
        for again in range(self._backend.defaults + 1):
            attempt, end = self._tries(task, attempts)
            if end.fate != "lost" or self._stopped.is_set():
                break
            if again < self._backend.defaults:
                self._say(f"{task.title}: the default policy begins what is around it again")
        self._progress.remove_task(shown)
        state: TaskState = "succeeded" if end.succeeded else "failed"
        return TaskEnd(task, state, attempt, end, self._clock.now() - started)

    def _tries(self, task: Task, attempts: Iterator[int]) -> tuple[int, PodEnd]:
        """Runs a task until it succeeds or its own policy ends.

        Args:
            task: The task.
            attempts: Numbers of the attempts at it.

        Returns:
            The number of the last attempt and how that ended.
        """
        retry = self._backend.policy_of(task.retry)
        started = self._clock.now()
        for tried in count(1):
            attempt = next(attempts)
            pod = self._pods[task.name] = Pod(task, self._site, self._final_status(task))
            end = pod.run(
                attempt,
                stop_after=self._left(retry, started) if tried > 1 else None,
                lose_after=self._losses.get(task.name) if attempt == 1 else None,
            )
            if end.succeeded or self._stopped.is_set():
                break
            next_one = self._backend.after(retry, end.fate, tried, self._clock.now() - started)
            if next_one.wait is None:
                if next_one.why:
                    self._say(f"{task.title} ended with {end}; not again: {next_one.why}")
                break
            self._say(
                f"{task.title} ended with {end}; again in {next_one.wait} s "
                f"(attempt {tried + 1} of {retry.count + 1})"
            )
            if self._clock.wait(self._stopped, next_one.wait):
                break
        return attempt, end

    def _left(self, retry: Retry, started: float) -> float | None:
        """Seconds that a later attempt has."""
        if retry.window is None:
            return None
        return max(retry.window - (self._clock.now() - started), 0.0)

    def _say(self, words: str) -> None:
        self._console.print(words, style="yellow", soft_wrap=True, markup=False)

    def _record(self, end: TaskEnd) -> None:
        self._ends[end.task.name] = end
        words = last_line(self._site.log(end.task, end.attempts)) if end.attempts else ""
        words = words.removeprefix(f"{end.task.title}: ")
        if end.state == "failed" and not words:
            words = f"ended with {end.last}"
        number = f"[{len(self._ends)}/{len(self._tasks)}]"
        line = Text.assemble(
            f"{number:>7} {end.task.title:<18}{end.seconds:7.1f} s  ",
            (f"{end.state:<9}", _STYLES[end.state]),
            f"  {words}",
        )
        self._console.print(line, soft_wrap=True)

    def _final_status(self, task: Task) -> dict[str, Any]:
        """What Kubeflow tells a task that asks how others ended.

        That is the state which the launchers left in ML Metadata: one that was lost or stopped
        leaves none.
        """
        ends = [self._ends[name] for name in task.after if name in self._ends]
        failed = any(
            end.last and not end.last.succeeded and end.last.fate == "ended" for end in ends
        )
        done = all(end.state == "succeeded" for end in ends) and not self._stopped.is_set()
        state = "COMPLETE" if done else "FAILED" if failed else "RUNNING"
        return {"state": state, "pipelineJobResourceName": self._site.job_id, "error": {}}

    def _exit_code(self) -> ExitCode:
        failed = [end for end in self._ends.values() if end.state == "failed"]
        for end in failed:
            if end.last and end.last.code in (ExitCode.STOPPED_BY_GATE, ExitCode.NOT_BLESSED):
                return ExitCode(end.last.code)
        return ExitCode.FAILED if failed else ExitCode.DONE
