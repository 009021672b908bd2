"""What each release of Kubeflow Pipelines accepts, and when it begins a task again.

Read from the sources of the releases: KFP's `backend/src/v2/compiler/argocompiler/container.go` (a
task's retry policy becomes Argo's `retryStrategy`), `kubernetes_platform/proto` and
`manifests/kustomize/third-party/argo` of its tags, and `processNodeRetries` in Argo's
`workflow/controller/operator.go` of the tag that each of them installs.
"""

from dataclasses import dataclass
from typing import Any, Literal

from components.errors import UsageError

PodFate = Literal["ended", "lost", "late"]
"""A pod's command ended by itself; the pod went away; it was stopped at the deadline."""


@dataclass(frozen=True)
class Retry:
    """How often a task is begun again, as the compiled file says it.

    Attributes:
        count: How often, at most.
        first: Seconds before the first time.
        factor: How many times longer each wait is than the one before; 0 for waits that stay.
        window: Seconds from the first attempt's start. No attempt begins after it, and a later
            attempt is stopped at its end. A file that does not say it means 0; None for no end.
    """

    count: int
    first: int
    factor: int
    window: int | None

    def wait(self, attempt: int) -> int:
        """Seconds until the next attempt, after the given one (from 1) has failed."""
        wait: int = self.first * (self.factor or 1) ** (attempt - 1)
        return wait


@dataclass(frozen=True)
class NextAttempt:
    """What follows a failed attempt.

    Attributes:
        wait: Seconds until the next attempt; None if there is none.
        why: Why there is none, if attempts were left.
    """

    wait: int | None
    why: str = ""


@dataclass(frozen=True)
class Backend:
    """A release of Kubeflow Pipelines as its own manifests install it.

    Attributes:
        version: Its major and minor version.
        argo: The version of Argo Workflows that it installs.
        policy: Argo's `retryPolicy` for its tasks: after OnFailure a task whose command failed is
            begun again and a lost pod is not; after OnError it is the reverse.
        defaults: The `limit` of the `templateDefaults`: so often is begun again what has no policy
            of its own, such as what is around a task, and the task with it.
        unknown: Fields of a task's Kubernetes part that it refuses.
    """

    version: str
    argo: str
    policy: Literal["OnFailure", "OnError"] = "OnFailure"
    defaults: int = 0
    unknown: frozenset[tuple[str, str]] = frozenset()

    @property
    def retries(self) -> str:
        """What it begins again, as a clause."""
        if self.policy == "OnError":
            return "retries a task if its pod is lost, but not if its command fails"
        return "retries a task if its command fails, but not if its pod is lost"

    def policy_of(self, retry: Retry | None) -> Retry:
        """The policy of a task, which the file may not have given one."""
        return retry or Retry(self.defaults, first=0, factor=0, window=None)

    def after(self, retry: Retry, fate: PodFate, attempt: int, elapsed: float) -> NextAttempt:
        """What it does after an attempt that did not succeed.

        Args:
            retry: The task's policy.
            fate: How the attempt's pod ended.
            attempt: Its number, from 1.
            elapsed: Seconds since the first attempt began.

        Returns:
            Whether there is another attempt, and when.
        """
        if attempt > retry.count:
            return NextAttempt(None)
        if (fate == "lost") != (self.policy == "OnError"):
            return NextAttempt(None, f"Kubeflow Pipelines {self.version} {self.retries}")
        wait = retry.wait(attempt)
        if retry.window is not None and elapsed + wait > retry.window:
            return NextAttempt(
                None,
                f"{elapsed:.0f} s after the first attempt began and a wait of {wait} s are beyond "
                f"the window of {retry.window} s",
            )
        return NextAttempt(wait)

    def check(self, task: str, kubernetes: dict[str, Any]) -> None:
        """Refuses what it would not take.

        Args:
            task: The task's name.
            kubernetes: The task's Kubernetes part.

        Raises:
            UsageError: There is a field that it does not know.
        """
        for section, field in sorted(self.unknown):
            if any(field in entry for entry in kubernetes.get(section, ())):
                raise UsageError(
                    f"Kubeflow Pipelines {self.version} refuses {task}: it does not know "
                    f"{section}.{field}. Compile the pipeline again, which leaves that out."
                )


BACKENDS = (
    # KFP issue 12495: the field came with 2.15.
    Backend("2.14", "3.6.7", unknown=frozenset({("secretAsEnv", "optional")})),
    Backend("2.15", "3.7.3"),
    Backend("2.16", "3.7.3"),
    # KFP pull request 13485: templateDefaults in workflow-controller-configmap.
    Backend("2.17", "4.0.5", policy="OnError", defaults=2),
)
"""The releases that are supported, the oldest first."""

NEWEST_BACKEND = BACKENDS[-1].version


def find_backend(version: str) -> Backend:
    """Finds a release.

    Args:
        version: Such as 2.17 or 2.17.1.

    Returns:
        What is known about it.

    Raises:
        UsageError: It is not supported, or is not a version.
    """
    major, _, rest = version.partition(".")
    minor = rest.partition(".")[0]
    for backend in BACKENDS:
        if backend.version == f"{major}.{minor}":
            return backend
    known = ", ".join(backend.version for backend in BACKENDS)
    raise UsageError(
        f"--backend {version!r} is not among the releases of Kubeflow Pipelines that are known: "
        f"{known}. Older ones lack the retries of a task, the volume's name as a parameter or the "
        "exit handler's final state: install one of these. For a newer one, give the newest of "
        "these, and see what it says of retries."
    )
