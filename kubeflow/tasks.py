"""The tasks of a compiled pipeline: a container a node, and what it is told."""

import inspect
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kfp import dsl, kubernetes

from components.trainer.weights.vgg16 import CACHE_VARIABLE
from kubeflow.cluster import Cluster
from kubeflow.parameters import PARAMETERS
from kubeflow.ui_artifacts import CONFUSION, EXIT_TASK, METRICS, PAGE
from pipeline import node_ids
from pipeline.environment import METADATA_VARIABLE
from pipeline.work import CACHE_FOLDER

NODE_MODULE = "kubeflow.task"
"""What runs a node in its container."""
EXIT_MODULE = "kubeflow.ending"
"""What runs at the end, however that comes."""
EXECUTOR_INPUT = "{{$}}"
"""Kubeflow's placeholder for everything that a task is given, as JSON."""

SHOWN: dict[str, dict[str, Any]] = {
    node_ids.STATISTICS: {PAGE: dsl.HTML},
    node_ids.GATE: {PAGE: dsl.HTML},
    node_ids.TRAINER: {METRICS: dsl.Metrics},
    node_ids.PREDICTIONS: {CONFUSION: dsl.ClassificationMetrics},
    node_ids.EVALUATOR: {METRICS: dsl.Metrics},
    node_ids.REPORT: {PAGE: dsl.HTML},
    EXIT_TASK: {PAGE: dsl.HTML},
}
"""What Kubeflow's page shows of a node, by the name and type of the task's output."""


@dataclass(frozen=True)
class NodeSpec:
    """What is fixed about every task when the pipeline is compiled.

    Attributes:
        image: The container image.
        config: The configuration, JSON.
        graph: The graph's digest, which the image's own must equal.
        cluster: Storage, secrets, resources.
    """

    image: str
    config: str
    graph: str
    cluster: Cluster

    def component(self, node_id: str) -> Any:
        """The container component that runs a node."""
        words = [f"--node={node_id}", f"--graph={self.graph}", f"--config={self.config}"]
        return self._component(node_id, NODE_MODULE, words, {"run_id": str, **PARAMETERS})

    def exit_component(self) -> Any:
        """The container component that runs at the end."""
        takes = {"run_id": str, "run_name": str, "status": dsl.PipelineTaskFinalStatus}
        uri = json.loads(self.config)["tracking_uri"]
        words = [f"--tracking-uri={uri}"] if uri else []
        return self._component(EXIT_TASK, EXIT_MODULE, words, takes)

    def place(self, task: dsl.PipelineTask, node_id: str) -> dsl.PipelineTask:
        """Gives a task its name, resources, storage, secrets and place on the cluster."""
        cluster, resources = self.cluster, self.cluster.of(node_id)
        task.set_display_name(node_id)
        task.set_caching_options(False)
        task.set_retry(
            resources.retries,
            backoff_duration=cluster.backoff.first,
            backoff_factor=cluster.backoff.factor,
        )
        task.set_cpu_request(resources.cpu)
        task.set_memory_request(resources.memory)
        if resources.cpu_limit:
            task.set_cpu_limit(resources.cpu_limit)
        if resources.memory_limit:
            task.set_memory_limit(resources.memory_limit)
        if resources.accelerator:
            task.set_accelerator_type(resources.accelerator)
            task.set_accelerator_limit(resources.accelerators)
        # Weights are fetched once, and lie where every task finds them.
        cache = {CACHE_VARIABLE: f"{cluster.volume.mount}/{CACHE_FOLDER}"}
        for name, value in {**cache, **cluster.environment}.items():
            task.set_env_variable(name, value)
        kubernetes.mount_pvc(task, cluster.volume.claim, cluster.volume.mount)
        database = cluster.metadata
        _give_secret(task, database.secret, database.key, METADATA_VARIABLE)
        for secret in cluster.secrets:
            _give_secret(task, secret.secret, secret.key, secret.variable)
        for label, value in cluster.node_selector.items():
            kubernetes.add_node_selector(task, label, value)
        for toleration in cluster.tolerations:
            kubernetes.add_toleration(task, **toleration.model_dump())
        kubernetes.set_image_pull_policy(task, cluster.image_pull_policy)
        if cluster.image_pull_secrets:
            kubernetes.set_image_pull_secrets(task, list(cluster.image_pull_secrets))
        return task

    def _component(
        self, node_id: str, module: str, fixed: Iterable[str], takes: dict[str, Any]
    ) -> Any:
        """A component whose command passes on each thing that it takes, by its own name."""
        shown = {name: dsl.Output[kind] for name, kind in SHOWN.get(node_id, {}).items()}

        def component(*values: Any) -> dsl.ContainerSpec:
            # What is shown comes after what is taken, and is told by the executor input.
            arguments = [f"--work={self.cluster.volume.mount}", *fixed]
            for name, value in zip(takes, values, strict=False):
                arguments.append(f"--{name.replace('_', '-')}={value}")
            if shown:
                arguments.append(f"--executor-input={EXECUTOR_INPUT}")
            return dsl.ContainerSpec(
                image=self.image, command=["python", "-m", module], args=arguments
            )

        component.__name__ = task_name(node_id).replace("-", "_")
        component.__doc__ = f"Runs {node_id}."
        declare(component, {**takes, **shown})
        return dsl.container_component(component)


def _give_secret(task: dsl.PipelineTask, secret: str, key: str, variable: str) -> None:
    """Gives a task a Secret's key; whether it may be missing is left out, which KFP 2.14 refuses.

    (KFP issue 12495. A Secret that is not there is an error without it too.)
    """
    kubernetes.use_secret_as_env(task, secret, {key: variable}, optional=None)


def declare(
    function: Callable[..., Any], takes: Mapping[str, Any], defaults: Mapping[str, Any] = {}
) -> None:
    """Gives a function of any arguments the parameters that KFP is to see.

    Args:
        function: The function.
        takes: The parameters' types by name.
        defaults: Their values by name, if they have any.
    """
    empty, kind = inspect.Parameter.empty, inspect.Parameter.POSITIONAL_OR_KEYWORD
    function.__dict__["__signature__"] = inspect.Signature(
        [
            inspect.Parameter(name, kind, default=defaults.get(name, empty), annotation=annotation)
            for name, annotation in takes.items()
        ]
    )


def task_name(node_id: str) -> str:
    """What a node's task is called: ExampleValidator is example-validator."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", node_id).lower()
