"""The DAG of a compiled pipeline: its tasks, what each waits for and what it is given."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from google.protobuf import json_format
from kfp.kubernetes import kubernetes_executor_config_pb2
from kfp.pipeline_spec import pipeline_spec_pb2

from components.errors import UsageError
from kubeflow.backends import Backend, Retry
from kubeflow.compiled import CompiledPipeline, not_compiled

Input: TypeAlias = Callable[[Mapping[str, Any], Mapping[str, Any]], Any]
"""The value of a task's input, from the run's parameters and from how the tasks before ended."""


@dataclass(frozen=True)
class Task:
    """A container task.

    Attributes:
        name: Its name.
        title: What is shown.
        component: Its inputs and outputs.
        container: Image, command, arguments, environment.
        inputs: Where each input comes from.
        after: The tasks that it waits for.
        always: Whether it runs when those have ended, however they ended.
        retry: What is done when it fails; None if the file does not say.
        mounts: Claims of the shared storage by the path at which the task sees them.
        secrets: Secret and key by environment variable.
    """

    name: str
    title: str
    component: Any
    container: Any
    inputs: Mapping[str, Input]
    after: frozenset[str]
    always: bool
    retry: Retry | None
    mounts: Mapping[str, str]
    secrets: Mapping[str, str]


def read_tasks(pipeline: CompiledPipeline, backend: Backend) -> tuple[Task, ...]:
    """Reads the tasks of a compiled pipeline as a backend does.

    Args:
        pipeline: What was compiled.
        backend: The backend.

    Returns:
        The tasks; each stands behind those that it waits for.

    Raises:
        PipelineError: It is cut off, or asks for what open Kubeflow or this rehearsal does not
            have.
    """
    return _Reader(pipeline, backend).read()


class _Reader:
    """Flattens the nested DAGs of a pipeline into tasks."""

    def __init__(self, pipeline: CompiledPipeline, backend: Backend) -> None:
        self._backend = backend
        self._path = pipeline.path
        self._spec = pipeline.spec
        self._kubernetes = pipeline.platform.platforms["kubernetes"].deployment_spec.executors
        executors = pipeline_spec_pb2.PipelineDeploymentConfig()
        json_format.ParseDict(json_format.MessageToDict(self._spec.deployment_spec), executors)
        self._executors = executors.executors
        self._leaves: dict[str, frozenset[str]] = {}

    def read(self) -> tuple[Task, ...]:
        scope: dict[str, Input] = {
            name: _parameter(name) for name in self._spec.root.input_definitions.parameters
        }
        tasks = tuple(self._dag(self._spec.root.dag, scope, frozenset()))
        if not any(task.mounts for task in tasks):
            raise UsageError(
                f"{self._path} mounts no volume in any task, so the tasks share nothing: its end "
                "may have been cut off; compile it again."
            )
        return tasks

    def _dag(self, dag: Any, scope: Mapping[str, Input], after: frozenset[str]) -> Iterator[Task]:
        for name in _in_order(dag.tasks, self._path):
            task = dag.tasks[name]
            self._refuse_unknown(name, task)
            inputs = {
                key: self._input(name, found, scope)
                for key, found in task.inputs.parameters.items()
            }
            waits = after.union(*(self._leaves[before] for before in task.dependent_tasks))
            component = self._spec.components.get(task.component_ref.name)
            if component is None:
                raise not_compiled(self._path)
            if component.HasField("dag"):
                inside = list(self._dag(component.dag, inputs, waits))
                self._leaves[name] = frozenset(task.name for task in inside)
                yield from inside
            else:
                self._leaves[name] = frozenset({name})
                yield self._task(name, task, component, inputs, waits)

    def _task(
        self, name: str, task: Any, component: Any, inputs: dict[str, Input], after: frozenset[str]
    ) -> Task:
        executor = self._executors.get(component.executor_label)
        if executor is None:
            raise not_compiled(self._path)
        kind = executor.WhichOneof("spec")
        if kind != "container":
            raise UsageError(
                f"{name} in {self._path} is of the kind {kind}, which open Kubeflow Pipelines does "
                "not run as a task's container: only containers are rehearsed."
            )
        if not executor.container.image or not executor.container.command:
            raise UsageError(f"{name} in {self._path} has no image or no command.")
        settings = kubernetes_executor_config_pb2.KubernetesExecutorConfig()
        if component.executor_label in self._kubernetes:
            given = json_format.MessageToDict(self._kubernetes[component.executor_label])
            self._backend.check(name, given)
            json_format.ParseDict(given, settings, ignore_unknown_fields=True)
        always = pipeline_spec_pb2.PipelineTaskSpec.TriggerPolicy.ALL_UPSTREAM_TASKS_COMPLETED
        return Task(
            name=name,
            title=task.task_info.name or name,
            component=component,
            container=executor.container,
            inputs=inputs,
            after=after,
            always=task.trigger_policy.strategy == always,
            retry=self._retry(name, task),
            mounts={
                mount.mount_path: mount.pvc_name_parameter.runtime_value.constant.string_value
                or mount.constant
                for mount in settings.pvc_mount
            },
            secrets={
                pair.env_var: f"{secret.secret_name}/{pair.secret_key}"
                for secret in settings.secret_as_env
                for pair in secret.key_to_env
            },
        )

    def _retry(self, name: str, task: Any) -> Retry | None:
        """What KFP makes of a task's policy: what it does not say is 0, fractions are cut off."""
        if not task.HasField("retry_policy"):
            return None
        policy = task.retry_policy
        if not policy.backoff_factor.is_integer():
            raise UsageError(
                f"{name} in {self._path} has the backoff factor {policy.backoff_factor}: Argo "
                "takes whole numbers, and ends the whole run in an error when the first attempt "
                "fails. Compile it again."
            )
        return Retry(
            count=policy.max_retry_count,
            first=policy.backoff_duration.seconds,
            factor=int(policy.backoff_factor),
            window=policy.backoff_max_duration.seconds,
        )

    def _input(self, task: str, found: Any, scope: Mapping[str, Input]) -> Input:
        kind = found.WhichOneof("kind")
        if kind == "runtime_value":
            constant = json_format.MessageToDict(found.runtime_value.constant)
            return lambda _parameters, _status: constant
        if kind == "component_input_parameter":
            return scope[found.component_input_parameter]
        if kind == "task_final_status":
            producer = found.task_final_status.producer_task
            return lambda _, status: {**status, "pipelineTaskName": producer}
        raise UsageError(
            f"{task} in {self._path} takes the output of another task ({kind}): tasks that share "
            "storage and a database alone are rehearsed."
        )

    def _refuse_unknown(self, name: str, task: Any) -> None:
        if task.WhichOneof("iterator") or task.trigger_policy.condition or task.inputs.artifacts:
            raise UsageError(
                f"{name} in {self._path} is a loop, has a condition or takes an artifact: tasks "
                "that share storage and a database alone are rehearsed."
            )


def _parameter(name: str) -> Input:
    """An input that is a parameter of the run."""
    return lambda parameters, _status: parameters[name]


def _in_order(tasks: Mapping[str, Any], path: Path) -> list[str]:
    """Names of tasks, each behind those that it depends on."""
    names: list[str] = []
    left = sorted(tasks)
    while left:
        ready = [name for name in left if set(tasks[name].dependent_tasks) <= set(names)]
        if not ready:
            raise UsageError(
                f"{', '.join(left)} in {path} wait for each other, or for tasks that are not there."
            )
        names += ready
        left = [name for name in left if name not in ready]
    return names
