"""A task's pod, played by a process with a scratch folder of its own."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from kfp.local import executor_input_utils, placeholder_utils
from kfp.pipeline_spec import pipeline_spec_pb2

from components.child_process import start
from kubeflow.backends import PodFate
from kubeflow.dag import Task
from pipeline.environment import METADATA_VARIABLE
from pipeline.work import Work

_INTEGER = pipeline_spec_pb2.ParameterType.NUMBER_INTEGER
_PYTHONS = ("python", "python3")
_GRACE = 30.0
"""Seconds that Kubernetes gives a command between SIGTERM and SIGKILL."""


@dataclass(frozen=True)
class Site:
    """Where a run is rehearsed.

    Attributes:
        pipeline: The pipeline's name.
        job_id: The run's id.
        storage: The folder that stands for the shared storage.
        parameters: Values of the run's parameters.
        secrets: Values of environment variables that come from Secrets.
    """

    pipeline: str
    job_id: str
    storage: Path
    parameters: Mapping[str, Any]
    secrets: Mapping[str, str]

    @property
    def folder(self) -> Path:
        """Where logs and what Kubeflow would show are kept."""
        return self.storage / "runs" / self.job_id

    def log(self, task: Task, attempt: int) -> Path:
        """The log of an attempt, from 1, at a task."""
        return self.folder / "logs" / f"{task.name}-{attempt}.txt"


@dataclass(frozen=True)
class PodEnd:
    """How an attempt ended.

    Attributes:
        code: The command's exit code, negative for a signal.
        fate: What became of the pod.
    """

    code: int
    fate: PodFate = "ended"

    @property
    def succeeded(self) -> bool:
        """Whether Kubeflow sees the task succeed."""
        return self.code == 0 and self.fate == "ended"

    def __str__(self) -> str:
        """What Kubeflow shows; its launcher makes 1 of every exit code that is not 0."""
        if self.fate == "lost":
            return "its pod lost"
        if self.fate == "late":
            return "exit code 143: the window for all attempts is over"
        own = f"signal {-self.code}" if self.code < 0 else f"exit code {self.code}"
        return own if self.code == 1 else f"exit code 1 (the command's own: {own})"


class Pod:
    """One attempt at a task."""

    def __init__(self, task: Task, site: Site, final_status: Mapping[str, Any]) -> None:
        """Prepares the attempt.

        Args:
            task: The task.
            site: Where.
            final_status: What the task is told of how those before it ended, if it asks.
        """
        self._task = task
        self._site = site
        self._final_status = final_status
        self._process: subprocess.Popen[bytes] | None = None
        self._killed = threading.Event()

    def run(
        self, attempt: int, *, stop_after: float | None = None, lose_after: float | None = None
    ) -> PodEnd:
        """Runs the task's command to its end.

        Args:
            attempt: Its number, from 1.
            stop_after: Seconds after which the command is stopped; None for never.
            lose_after: Seconds after which the pod is lost, or at the command's end if that comes
                first; None if it is not lost.

        Returns:
            How it ended.
        """
        log = self._site.log(self._task, attempt)
        log.parent.mkdir(parents=True, exist_ok=True)
        # Where the next run removes it if a kill leaves it.
        place = Work(self._site.storage).temporary
        place.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"{self._task.name}-", dir=place) as scratch:
            outputs = Path(scratch) / "outputs"
            outputs.mkdir()
            words = self.command(outputs)
            with log.open("wb") as file:
                self._process = start(
                    words,
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    env=self._environment(scratch),
                    cwd=scratch,
                    start_new_session=True,
                )
                if self._killed.is_set():
                    self.kill()
                end = self._wait(self._process, stop_after, lose_after)
            if end.succeeded:
                self._keep(outputs)
        return end

    def _wait(
        self,
        process: subprocess.Popen[bytes],
        stop_after: float | None,
        lose_after: float | None,
    ) -> PodEnd:
        try:
            if lose_after is not None:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(lose_after)
                self.kill()
                return PodEnd(process.wait(), "lost")
            return PodEnd(process.wait(stop_after))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE)
            self.kill()
            return PodEnd(process.wait(), "late")

    def kill(self) -> None:
        """Ends the process and all that it started."""
        self._killed.set()
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)

    def command(self, outputs: Path) -> list[str]:
        """The command line, as the pod would be started with it.

        Args:
            outputs: The folder for what Kubeflow collects.

        Returns:
            Its words; paths below the volume's mount point are below the storage folder.
        """
        container = self._task.container
        arguments = {
            name: value(self._site.parameters, self._final_status)
            for name, value in self._task.inputs.items()
        }
        given = json_format.MessageToDict(
            executor_input_utils.construct_executor_input(
                self._task.component, arguments, str(outputs), block_input_artifact=True
            )
        )
        definitions = self._task.component.input_definitions.parameters
        values = given.get("inputs", {}).get("parameterValues", {})
        for name, value in values.items():
            if definitions[name].parameter_type == _INTEGER:
                values[name] = int(value)  # JSON knows no whole numbers
        words: list[str] = placeholder_utils.replace_placeholders(
            full_command=[*container.command, *container.args],
            executor_input_dict=given,
            pipeline_resource_name=self._site.pipeline,
            task_resource_name=self._task.name,
            pipeline_root=str(self._site.folder),
            unique_pipeline_id=self._site.job_id,
        )
        program, *rest = (self._mounted(word) for word in words)
        return [sys.executable if program in _PYTHONS else program, *rest]

    def _environment(self, scratch: str) -> dict[str, str]:
        """The machine's environment with the task's own in it, and no secret that it has not."""
        secrets = self._site.secrets
        hidden = {METADATA_VARIABLE, *secrets}
        return {
            **{name: value for name, value in os.environ.items() if name not in hidden},
            "TMPDIR": scratch,
            "PYTHONUNBUFFERED": "1",
            **{name: secrets[name] for name in self._task.secrets if name in secrets},
            **{one.name: self._mounted(one.value) for one in self._task.container.env},
        }

    def _mounted(self, word: str) -> str:
        """What the storage's mount point would show, without mounting it."""
        for mount in sorted(self._task.mounts, key=len, reverse=True):
            path = rf"(?<![\w./-]){re.escape(mount)}(?=/|$|[\s\"',:])"
            word = re.sub(path, lambda _: str(self._site.storage), word)
        return word

    def _keep(self, outputs: Path) -> None:
        """Keeps what Kubeflow would collect from a task that has succeeded."""
        if any(outputs.iterdir()):
            kept = self._site.folder / "kubeflow" / self._task.name
            shutil.copytree(outputs, kept, dirs_exist_ok=True)
