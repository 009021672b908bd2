"""What is chosen about the cluster that a pipeline is compiled for: storage, secrets, resources."""

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field, StringConstraints, ValidationError

from components.strict_config import StrictConfig
from pipeline import node_ids
from pipeline.config import ConfigError

_Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
_Variable = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
_Duration = Annotated[str, StringConstraints(pattern=r"^\d+[smh]$")]
_Cpu = Annotated[str, StringConstraints(pattern=r"^\d+(\.\d+|m)?$")]
_Memory = Annotated[str, StringConstraints(pattern=r"^\d+(\.\d+)?([EPTGMK]i?)?$")]
_MountPath = Annotated[str, StringConstraints(pattern=r"^/[^\s:]+$")]


class Volume(StrictConfig):
    """The storage that all tasks share: artifacts, pushed models, caches.

    Attributes:
        claim: A PersistentVolumeClaim that several nodes may write (ReadWriteMany); its driver may
            also mount a bucket.
        mount: Where tasks see it.
    """

    claim: _Name = "mri-work"
    mount: _MountPath = "/mnt/mri"


class Secret(StrictConfig):
    """A key of a Kubernetes Secret as an environment variable.

    Attributes:
        secret: The Secret's name.
        key: The key in it.
        variable: The environment variable.
    """

    secret: _Name
    key: str
    variable: _Variable


class MetadataSecret(StrictConfig):
    """The key of a Kubernetes Secret that holds the URL of ML Metadata's database.

    Attributes:
        secret: The Secret's name.
        key: The key in it.
    """

    secret: _Name = "mri-metadata"  # noqa: S105 - the name of one
    key: str = "url"


class Resources(StrictConfig):
    """What a task asks for.

    Attributes:
        cpu: Processors that are kept for it.
        cpu_limit: Processors that it may use; None for as many as there are.
        memory: Memory that is kept for it.
        memory_limit: More than this, and it is killed.
        accelerator: Such as nvidia.com/gpu; None for none.
        accelerators: How many.
        retries: How often it is started again when it fails.
    """

    cpu: _Cpu = "500m"
    cpu_limit: _Cpu | None = None
    memory: _Memory = "2Gi"
    memory_limit: _Memory | None = "4Gi"
    accelerator: str | None = None
    accelerators: int = Field(1, ge=1)
    retries: int = Field(2, ge=0, le=100)


class Backoff(StrictConfig):
    """How long a failed task waits until it is started again.

    Attributes:
        first: Before the first time.
        factor: How many times longer each wait is than the one before.
        longest: The longest.
    """

    first: _Duration = "30s"
    factor: float = Field(2.0, ge=1)
    longest: _Duration = "10m"


class Toleration(StrictConfig):
    """A taint that tasks may be scheduled beside, as Kubernetes defines it."""

    key: str | None = None
    operator: Literal["Equal", "Exists"] = "Equal"
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    toleration_seconds: int | None = None


_WORKING = Resources(cpu="2", memory="4Gi", memory_limit="8Gi")
_DECIDING = Resources(retries=0)
"""The gate and Pusher say no by failing, and would say it again."""


class Cluster(StrictConfig):
    """Everything that a compiled pipeline says about the cluster.

    Attributes:
        volume: The shared storage.
        metadata: The Secret with the URL of ML Metadata's database.
        secrets: More Secrets, for instance a patient salt as MRI_PATIENT_SALT.
        environment: Plain environment variables.
        resources: What a task asks for that is not in `nodes`.
        nodes: What tasks ask for, by the node's name.
        backoff: How long a failed task waits.
        node_selector: Labels of the machines that tasks run on.
        tolerations: Taints that they may be scheduled beside.
        image_pull_policy: When the image is fetched.
        image_pull_secrets: Secrets for the image's registry.
        artifact_root: Where Kubeflow keeps the pages and figures that it shows, such as
            s3://BUCKET/PATH; None for what the installation is set to.
        final_status: Whether the exit handler asks Kubeflow for the run's end state, which backends
            before 2.15 refuse; without it, ML Metadata alone tells.
    """

    volume: Volume = Volume()
    metadata: MetadataSecret = MetadataSecret()
    secrets: tuple[Secret, ...] = ()
    environment: dict[_Variable, str] = {}
    resources: Resources = Resources()
    nodes: dict[str, Resources] = {
        node_ids.INGEST: _WORKING,
        node_ids.TRANSFORM: _WORKING,
        node_ids.TUNER: _WORKING,
        node_ids.TRAINER: _WORKING,
        node_ids.SERVE_CHECK: _WORKING,
        node_ids.PREDICTIONS: _WORKING,
        node_ids.GATE: _DECIDING,
        node_ids.PUSHER: _DECIDING,
    }
    backoff: Backoff = Backoff()
    node_selector: dict[str, str] = {}
    tolerations: tuple[Toleration, ...] = ()
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    image_pull_secrets: tuple[_Name, ...] = ()
    artifact_root: Annotated[str, StringConstraints(pattern=r"^(s3|gs|minio)://\S+$")] | None = None
    final_status: bool = True

    def of(self, node_id: str) -> Resources:
        """What the task of a node asks for."""
        return self.nodes.get(node_id, self.resources)


def read_cluster(path: Path | None) -> Cluster:
    """Reads the cluster's description.

    Args:
        path: A YAML file; None for the defaults. Nodes that it does not name keep theirs.

    Returns:
        The validated description.

    Raises:
        ConfigError: It cannot be read, or a key or value is refused.
    """
    if path is None:
        return Cluster()
    try:
        fields = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise ConfigError(f"The cluster's description {path} cannot be read: {reason}.") from error
    if not isinstance(fields, dict | None):
        raise ConfigError(f"The cluster's description {path} must be a mapping of keys to values.")
    defaults = Cluster()
    try:
        cluster = Cluster.model_validate(fields or {})
    except ValidationError as error:
        sentences = [
            f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}."
            for problem in error.errors()
        ]
        raise ConfigError(f"{path} is refused: {' '.join(sentences)}") from error
    return cluster.model_copy(update={"nodes": {**defaults.nodes, **cluster.nodes}})
