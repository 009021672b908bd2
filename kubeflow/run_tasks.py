"""What became of a run's tasks, read from the rows that Kubeflow's server makes of Argo's nodes.

A task has a row for its driver, one for the DAG around its container, one for the container, and
one for each attempt; the last two are called the same in every task. A row has no pod's name and no
error. What links rows are the ids of their children, which Argo makes of the nodes' names.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from graphlib import TopologicalSorter
from itertools import product
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel

Row = Mapping[str, Any]
Time = Annotated[
    datetime | None, AfterValidator(lambda time: time if time and time.timestamp() > 0 else None)
]
"""A time; the server's zero times, of the years 1 and 1970, mean that there is none yet."""
_ALWAYS = "ALL_UPSTREAM_TASKS_COMPLETED"
"""The strategy of a task that runs at the end, in a hook of what it waits for."""


class KubeflowTask(BaseModel, frozen=True):
    """What became of a task, in words; how often its container was started, and when.

    Attributes:
        look: The command that shows why it failed.
    """

    name: str
    state: str
    tries: int = 0
    began: Time = None
    ended: Time = None
    look: str | None = None


def read_tasks(run: Row, namespace: str, *, has_ended: bool) -> tuple[KubeflowTask, ...]:
    """Reads a run's tasks in the order of the graph; none if the pipeline is not in the answer."""
    source: Row = run.get("pipeline_spec") or {}
    spec: Row = source.get("pipeline_spec") or source
    rows = _Rows(run, namespace, has_ended)
    return tuple(rows.task(*found) for found in _leaves(spec, spec.get("root"), ("root",)))


def pods_command(run_id: str, namespace: str) -> str:
    """The command that lists the pods of a run."""
    return f"kubectl get pods -n {namespace} -l pipeline/runid={run_id}"


def _leaves(
    spec: Row, component: Row | None, way: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Row]]:
    """The container tasks, each with the way to it through Argo's DAGs and hooks."""
    tasks: Row = component["dag"]["tasks"] if component else {}
    before = {key: task.get("dependentTasks", ()) for key, task in tasks.items()}
    for key in TopologicalSorter(before).static_order():
        always = tasks[key].get("triggerPolicy", {}).get("strategy") == _ALWAYS
        inner = (*way, *(f"{one}.onExit" for one in before[key] if always), key)
        component = spec["components"].get(tasks[key]["componentRef"]["name"], {})
        if "dag" in component:
            yield from _leaves(spec, component, inner)
        else:
            yield inner, tasks[key]


class _Rows:
    """The rows of one run."""

    def __init__(self, run: Row, namespace: str, has_ended: bool) -> None:
        self._namespace, self._has_ended = namespace, has_ended
        self._run_id = run["run_id"]
        self._rows: dict[str, Row] = {}
        self._children: set[str] = set()
        for row in (run.get("run_details") or {}).get("task_details", ()):
            self._rows.setdefault(row.get("display_name", ""), row)
            self._children |= {one.get("pod_name", "") for one in row.get("child_tasks", ())}
        self._workflow = next(iter(self._children), "").rpartition("-")[0]

    def task(self, way: Sequence[str], task: Row) -> KubeflowTask:
        *outer, key = way
        driver, row = self._rows.get(f"{key}-driver", {}), self._rows.get(key, {})
        state, look, attempts = row.get("state"), None, list[str]()
        if driver.get("state") == "FAILED":
            words, row = "failed before it began", driver
            look = self._log(self._nodes(*outer, f"{key}-driver"), "system-container-driver")
        elif state is None and (self._has_ended or not driver.get("state")):
            # A row without a state is Argo's for what it leaves out.
            words, driver, row = "never ran" if self._has_ended or row else "waits", {}, {}
        else:
            words, attempts = (state or "PENDING").lower(), self._nodes(*outer, key, "executor")
            template = f"{'retry-' if 'retryPolicy' in task else ''}system-container-impl"
            look = self._log(attempts, template) if state == "FAILED" else None
        return KubeflowTask(
            name=task.get("taskInfo", {}).get("name") or key,
            state=words,
            tries=len(attempts),
            began=driver.get("start_time") or row.get("start_time"),
            ended=row.get("end_time"),
            look=look,
        )

    def _nodes(self, *way: str) -> list[str]:
        """Names of a node's attempts, or its own if there are none, the first one first.

        Whether Argo tries again what lies around it, and so adds a number to that name, depends on
        its settings: all names that there may be are made, and those count whose id is known.
        """
        ways = product(*(self._attempts(step) for step in (self._workflow, *way)))
        names = [".".join(way) for way in ways]
        known = [name for name in names if f"{self._workflow}-{_hash(name)}" in self._children]
        return [name for name in known if name.endswith(")")] or known

    def _attempts(self, shown: str) -> list[str]:
        found = [one for one in self._rows if re.fullmatch(rf"{re.escape(shown)}\(\d+\)", one)]
        return [shown, *sorted(found, key=lambda one: (len(one), one))]

    def _log(self, nodes: Sequence[str], template: str) -> str:
        if not nodes:
            return pods_command(self._run_id, self._namespace)
        pod = f"{self._workflow}-{template}-{_hash(nodes[-1])}"
        return f"kubectl logs -n {self._namespace} {pod} -c main"


def _hash(name: str) -> int:
    """FNV-1a of 32 bits (http://www.isthe.com/chongo/tech/comp/fnv): the end of a node's id."""
    value = 0x811C9DC5
    for byte in name.encode():
        value = (value ^ byte) * 0x01000193 % 2**32
    return value
