"""What is missing on a cluster for a compiled pipeline, before it runs.

Two servers are asked: Kubeflow's own, and Kubernetes'. Whoever may ask only one of them, or may not
read everything there, learns what could not be looked at.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from components.errors import PipelineError, UsageError
from components.trainer.weights.vgg16 import CACHE_VARIABLE
from kubeflow.backends import BACKENDS, NEWEST_BACKEND
from kubeflow.cluster_finding import ClusterFinding, HiddenError, UnreachedError
from kubeflow.compiled import CompiledPipeline
from kubeflow.dag import Task, read_tasks
from kubeflow.kubernetes_api import KUBEFLOW, KubernetesApi
from kubeflow.server import Server
from pipeline import node_ids


def check(
    pipeline: CompiledPipeline,
    connect: Callable[[], Server],
    *,
    namespace: str | None = None,
    service_account: str | None = None,
    context: str | None = None,
    inside: bool = False,
) -> Iterator[ClusterFinding]:
    """Looks at a cluster.

    Args:
        pipeline: What is to run there.
        connect: Connects to Kubeflow's server.
        namespace: The namespace of the runs; None for the server's, or Kubeflow's own.
        service_account: The account of the tasks; None for Kubeflow's.
        context: The kubectl context of the cluster; None for the current one, or a pod's own.
        inside: Whether to start a pod that looks into the volume.

    Yields:
        What was found, in the order of looking.
    """
    tasks = read_tasks(pipeline, BACKENDS[-1])
    server = None
    try:
        server = connect()
    except UsageError as error:
        yield ClusterFinding("Kubeflow", f"Its API was not looked at: {error}", "unknown")
    except PipelineError as error:
        yield ClusterFinding("Kubeflow", str(error), "missing")
    if server:
        yield _version(server, pipeline)
        yield _runs(server)
    yield _cache(tasks)
    where = namespace or (server.namespace if server else None) or KUBEFLOW
    account = service_account or ("pipeline-runner" if where == KUBEFLOW else "default-editor")
    try:
        yield from _cluster(KubernetesApi(where, context), tasks, account, inside=inside)
    except UnreachedError as error:
        yield ClusterFinding(
            "Kubernetes",
            f"Its API {error}, so retries, volume, Secrets and the account were not looked at: run "
            "this where kubectl reaches the cluster, or give --context.",
            "unknown",
        )


def _version(server: Server, pipeline: CompiledPipeline) -> ClusterFinding:
    """Whether the release is known, and takes the file."""
    oldest = BACKENDS[0].version
    match = re.match(r"v?(\d+)\.(\d+)", server.version)
    if not match:
        said = f"{server.host} does not say its version, which must be {oldest} or newer."
        return ClusterFinding("version", said, "unknown")
    release = f"Kubeflow Pipelines {server.version}"
    backend = next((one for one in BACKENDS if one.version == f"{match[1]}.{match[2]}"), None)
    if backend:
        try:
            read_tasks(pipeline, backend)
        except PipelineError as error:
            return ClusterFinding("version", str(error), "missing")
        return ClusterFinding("version", f"{release}.")
    if [int(match[1]), int(match[2])] > [int(part) for part in NEWEST_BACKEND.split(".")]:
        newer = f"{release}, newer than {NEWEST_BACKEND}, the newest that is known here."
        return ClusterFinding("version", newer)
    said = (
        f"{release} refuses compiled files, or does not try tasks again: upgrade it to {oldest} or "
        "newer."
    )
    return ClusterFinding("version", said, "missing")


def _runs(server: Server) -> ClusterFinding:
    try:
        server.ask("GET", "runs", namespace=server.namespace, page_size=1)
    except PipelineError as error:
        return ClusterFinding("runs", str(error), "missing")
    return ClusterFinding("runs", f"These credentials may see the runs at {server.host}.")


def _trainer(tasks: tuple[Task, ...]) -> tuple[Task, str]:
    """The task that needs the weights, and where it keeps them."""
    task = next((task for task in tasks if task.title == node_ids.TRAINER), tasks[0])
    return task, {one.name: one.value for one in task.container.env}.get(CACHE_VARIABLE, "")


def _cache(tasks: tuple[Task, ...]) -> ClusterFinding:
    trainer, cache = _trainer(tasks)
    if any(cache.startswith(f"{mount.rstrip('/')}/") for mount in trainer.mounts):
        return ClusterFinding("weights", f"They are kept on the volume, in {cache}.")
    said = (
        "Each Trainer's pod fetches 58 MB of weights, and fails without a way to the internet: "
        f"compile again with {CACHE_VARIABLE} below the volume's mount."
    )
    return ClusterFinding("weights", said, "missing")


def _cluster(
    api: KubernetesApi, tasks: tuple[Task, ...], account: str, *, inside: bool
) -> Iterator[ClusterFinding]:
    """What Kubernetes says of all that the tasks ask for."""
    claims = dict.fromkeys(claim for task in tasks for claim in task.mounts.values())
    secrets = {name: variable for task in tasks for variable, name in task.secrets.items()}
    looks: list[tuple[str, Callable[..., ClusterFinding], tuple[Any, ...]]] = [
        ("retries", api.retries, ()),
        *((f"volume {claim}", api.volume, (claim,)) for claim in claims),
        *((f"Secret {item[0]}", api.secret, item) for item in secrets.items()),
        (f"account {account}", api.account, (account,)),
        ("rights", api.rights, (account,)),
    ]
    can_mount = True
    for subject, look, arguments in looks:
        try:
            found = look(*arguments)
        except HiddenError as error:
            found = ClusterFinding(subject, f"{error}, so it was not looked at.", "unknown")
        can_mount &= not (look == api.volume and found.state == "missing")
        yield found
    subject = "inside the volume"
    if not inside:
        said = "Only a pod can see who owns it and whether the weights are there: give --inside."
        yield ClusterFinding(subject, said, "unknown")
    elif can_mount:
        trainer, cache = _trainer(tasks)
        mount, claim = next(pair for task in tasks for pair in task.mounts.items())
        try:
            yield from api.inside(claim, mount, trainer.container.image, cache, account)
        except HiddenError as error:
            yield ClusterFinding(subject, f"{error}, so it was not looked at.", "unknown")
