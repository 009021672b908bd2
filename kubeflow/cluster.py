"""What is chosen about the cluster that a pipeline is compiled for: storage, secrets, resources."""

import re
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from components.errors import UsageError
from components.strict_config import StrictConfig
from components.validation import refusals
from pipeline import node_ids
from pipeline.config import read_mapping

_UNITS = ("", "K", "M", "G", "T", "P", "E")


def _whole(memory: str) -> str:
    """KFP takes no fraction of a unit."""
    if not re.fullmatch(r"[0-9]+([EPTGMK]i?)?", memory):
        raise ValueError("takes a whole number and a unit, such as 4Gi or 1536Mi")
    return memory


def _duration(text: str) -> str:
    """Neither KFP nor Argo takes a fraction of a unit."""
    if not re.fullmatch(r"[0-9]{1,5}[smh]", text):
        raise ValueError("takes a whole number and s, m or h, such as 90s or 2h")
    return text


def _whole_factor(factor: object) -> object:
    if isinstance(factor, float) and not factor.is_integer():
        raise ValueError(
            "takes a whole number: Argo reads no other, and would end the whole run in an error "
            "when a task fails for the first time"
        )
    return factor


_Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
_Variable = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
_Duration = Annotated[str, AfterValidator(_duration)]
_Factor = Annotated[int, BeforeValidator(_whole_factor), Field(ge=1, le=100)]
_Cpu = Annotated[str, StringConstraints(pattern=r"^\d+(\.\d+|m)?$")]
_Memory = Annotated[str, AfterValidator(_whole)]
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

    @model_validator(mode="after")
    def _fit(self) -> "Resources":
        """Kubernetes refuses a limit below what is kept; a default gives way, see `over`."""
        for kept, limit in _LIMITS.items():
            if {kept, limit} <= self.model_fields_set and _exceeds(self, kept, limit):
                raise ValueError(
                    f"{limit} {getattr(self, limit)} is less than {kept} {getattr(self, kept)}: "
                    "raise the one or lower the other"
                )
        return self

    def over(self, defaults: "Resources") -> "Resources":
        """Fills in what was not given.

        Args:
            defaults: Where it comes from. What is kept and its limit fit together: of the two, the
                one that was not given becomes the other.

        Returns:
            All of it.
        """
        given = self.model_fields_set
        merged = defaults.model_copy(update={name: getattr(self, name) for name in given})
        for kept, limit in _LIMITS.items():
            if _exceeds(merged, kept, limit):
                follows, leads = (kept, limit) if limit in given else (limit, kept)
                merged = merged.model_copy(update={follows: getattr(merged, leads)})
        return merged


_LIMITS = {"cpu": "cpu_limit", "memory": "memory_limit"}
"""What is kept for a task, and the limit of it."""


def _exceeds(resources: Resources, kept: str, limit: str) -> bool:
    most = getattr(resources, limit)
    return most is not None and _amount(getattr(resources, kept)) > _amount(most)


def _amount(quantity: str) -> Fraction:
    """What Kubernetes takes a quantity for."""
    number = quantity.rstrip("mKMGTPEi")
    unit = quantity.removeprefix(number)
    if unit == "m":
        return Fraction(number) / 1000
    base = 1024 if unit.endswith("i") else 1000
    return Fraction(number) * Fraction(base) ** _UNITS.index(unit.removesuffix("i"))


class Backoff(StrictConfig):
    """How long a failed task waits until it is started again, and until when that is done.

    Attributes:
        first: The wait before the first time.
        factor: How many times longer each wait is than the one before.
        window: From the start of a task's first attempt. None begins after it, and one that has
            begun is stopped at its end: it must cover all attempts of the node that takes longest,
            and the waits between.
    """

    first: _Duration = "30s"
    factor: _Factor = 2
    window: _Duration = "24h"

    @property
    def seconds(self) -> int:
        """The window."""
        return _seconds(self.window)

    def waits(self, retries: int) -> int:
        """All waits of so many retries, in seconds."""
        return sum(_seconds(self.first) * self.factor**attempt for attempt in range(retries))


def _seconds(duration: str) -> int:
    return int(duration[:-1]) * {"s": 1, "m": 60, "h": 3600}[duration[-1]]


class Toleration(StrictConfig):
    """A taint that tasks may be scheduled beside, as Kubernetes defines it."""

    key: str | None = None
    operator: Literal["Equal", "Exists"] = "Equal"
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    toleration_seconds: int | None = None


_WORKING = Resources(memory="4Gi", memory_limit="8Gi")
"""Of processors these keep no more than others: they use what is free, and a small cluster would
have no machine with several to spare."""
_DECIDING = Resources(retries=0)
"""The gate and Pusher say no by failing, and would say it again."""
_NODES = {
    node_ids.INGEST: _WORKING,
    node_ids.TRANSFORM: _WORKING,
    node_ids.TUNER: _WORKING,
    node_ids.TRAINER: _WORKING,
    node_ids.SERVE_CHECK: _WORKING,
    node_ids.PREDICTIONS: _WORKING,
    node_ids.ROBUSTNESS: _WORKING,
    node_ids.GATE: _DECIDING,
    node_ids.PUSHER: _DECIDING,
}
"""What tasks ask for, by the node's name, as far as it is not what all ask for."""


class Cluster(StrictConfig):
    """Everything that a compiled pipeline says about the cluster.

    Attributes:
        volume: The shared storage.
        metadata: The Secret with the URL of ML Metadata's database.
        secrets: More Secrets, for instance a patient salt as MRI_PATIENT_SALT.
        environment: Plain environment variables.
        resources: What every task asks for.
        nodes: What tasks ask for instead, by the node's name; what is not given here is as for
            all, but for the nodes that need more or are not to be tried again.
        backoff: How long a failed task waits.
        node_selector: Labels of the machines that tasks run on.
        tolerations: Taints that they may be scheduled beside.
        image_pull_policy: When the image is fetched.
        image_pull_secrets: Secrets for the image's registry.
        artifact_root: Where Kubeflow keeps the pages and figures that it shows, such as
            s3://BUCKET/PATH; None for what the installation is set to.
    """

    volume: Volume = Volume()
    metadata: MetadataSecret = MetadataSecret()
    secrets: tuple[Secret, ...] = ()
    environment: dict[_Variable, str] = {}
    resources: Resources = Resources()
    nodes: dict[str, Resources] = {}
    backoff: Backoff = Backoff()
    node_selector: dict[str, str] = {}
    tolerations: tuple[Toleration, ...] = ()
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    image_pull_secrets: tuple[_Name, ...] = ()
    artifact_root: Annotated[str, StringConstraints(pattern=r"^(s3|gs|minio)://\S+$")] | None = None

    @model_validator(mode="after")
    def _waits_fit(self) -> "Cluster":
        """A retry that cannot begin within the window never will."""
        retries = max(node.retries for node in (self.resources, *self.nodes.values()))
        backoff = self.backoff
        if retries and backoff.waits(retries) >= backoff.seconds:
            raise ValueError(
                f"backoff: the waits of {retries} retries, {backoff.first} and then "
                f"{backoff.factor} times as long each, do not fit into the window of "
                f"{backoff.window}, so the last would never begin: take a longer window, fewer "
                "retries or a smaller factor"
            )
        return self

    def of(self, node_id: str) -> Resources:
        """What the task of a node asks for."""
        usual = Resources()
        everywhere = self.resources.over(usual)
        return self.nodes.get(node_id, usual).over(_NODES.get(node_id, usual).over(everywhere))


def read_cluster(path: Path | None) -> Cluster:
    """Reads the cluster's description.

    Args:
        path: A YAML file; None for the defaults.

    Returns:
        The validated description.

    Raises:
        UsageError: It cannot be read, or a key or value is refused.
    """
    if path is None:
        return Cluster()
    try:
        return Cluster.model_validate(read_mapping(path, "cluster's description"))
    except ValidationError as error:
        raise UsageError(f"{path}: {refusals(error, Cluster)}") from error
