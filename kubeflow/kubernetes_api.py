"""What Kubernetes says of the things that a pipeline's tasks ask for."""

import json
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

import kubernetes
import yaml
from kubernetes.client import ApiException
from urllib3.exceptions import HTTPError

from kubeflow.cluster_finding import ClusterFinding, HiddenError, UnreachedError

KUBEFLOW = "kubeflow"
"""The namespace that Kubeflow Pipelines is installed in."""
_CONTROLLER = "workflow-controller-configmap"
"""Argo's settings there."""
_SHARED = "ReadWriteMany"
_RIGHTS = (
    ("create", "argoproj.io", "workflowtaskresults", ""),
    ("patch", "argoproj.io", "workflowtaskresults", ""),
    ("get", "", "pods", ""),
    ("get", "", "configmaps", "kfp-launcher"),
    ("get", "", "secrets", "mlpipeline-minio-artifact"),
)
"""Verb, group, resource and name of what Argo's executor, Kubeflow's driver and its launcher do in
a task's pod; kubeflow/manifests/base/accounts.yaml allows it."""
_TIMEOUT = 10
"""Seconds that an answer may take."""
_LOOKS = 120
"""Looks at a pod, a second between them: its image may have to be fetched first."""
_SCRIPT = """
import json, os, shutil, sys
mount, cache = sys.argv[1:]
status, weights = os.stat(mount), os.path.join(cache, "weights")
print(json.dumps({
    "user": os.getuid(), "owner": f"{status.st_uid}:{status.st_gid}",
    "mode": f"{status.st_mode & 0o7777:o}", "writable": os.access(mount, os.W_OK),
    "free": shutil.disk_usage(mount).free // 10**9,
    "weights": bool(cache and os.path.isdir(weights) and os.listdir(weights)),
}))
"""


class KubernetesApi:
    """The API, as far as it lets itself be asked.

    Every method raises a HiddenError if the caller may not see what it asks for, or the API fails
    itself, and an UnreachedError if there is no answer.
    """

    def __init__(self, namespace: str, context: str | None) -> None:
        """Finds the API as kubectl does, or as a pod does.

        Args:
            namespace: Where the runs are.
            context: The kubectl context; None for the current one.

        Raises:
            UnreachedError: None is known here.
        """
        self._namespace = namespace
        client = _client(context)
        self._core = kubernetes.client.CoreV1Api(client)
        self._rights = kubernetes.client.AuthorizationV1Api(client)

    def retries(self) -> ClusterFinding:
        """What Argo begins again."""
        found = _ask(self._core.read_namespaced_config_map, _CONTROLLER, KUBEFLOW)
        if found is None:
            said = (
                f"There is no ConfigMap {_CONTROLLER} in {KUBEFLOW}: is Kubeflow Pipelines "
                "installed elsewhere, or without Argo?"
            )
            return ClusterFinding("retries", said, "unknown")
        try:
            policy = _retry_policy(found.data or {})
        except (yaml.YAMLError, AttributeError):
            said = f"workflowDefaults cannot be read in the ConfigMap {_CONTROLLER} in {KUBEFLOW}."
            return ClusterFinding("retries", said, "unknown")
        both = (
            "; for both, set templateDefaults.retryStrategy in its workflowDefaults to "
            "{limit: '0', retryPolicy: Always}"
        )
        again = {
            "Always": "if its command fails or its pod is lost",
            "OnError": f"if its pod is lost, but not if its command fails{both}",
        }.get(policy, f"if its command fails, but not if its pod is lost{both}")
        return ClusterFinding("retries", f"Argo retries a task {again} ({policy}).")

    def volume(self, claim: str) -> ClusterFinding:
        """Whether a claim is there, and whether all tasks can mount it."""
        subject = f"volume {claim}"
        read = self._core.read_namespaced_persistent_volume_claim
        found = _ask(read, claim, self._namespace)
        if found is None:
            said = (
                f"There is no PersistentVolumeClaim {claim} in {self._namespace}: make one with "
                f"{_SHARED}, or name another as volume.claim in --cluster and compile again."
            )
            return ClusterFinding(subject, said, "missing")
        phase, modes = found.status.phase, found.spec.access_modes or []
        if phase == "Lost":
            said = (
                f"The volume behind {claim} is gone: create the claim again, and restore its data."
            )
            return ClusterFinding(subject, said, "missing")
        alone = ""
        if _SHARED not in modes:
            machines = self._machines()
            if machines != 1 or "ReadWriteOnce" not in modes:
                said = (
                    f"{claim} is {', '.join(modes)}, so tasks on a second machine would not start: "
                    f"make one of a class with {_SHARED} (NFS, CephFS, EFS, Filestore)."
                )
                return ClusterFinding(subject, said, "missing" if machines else "unknown")
            alone = ", which will do on the one machine that there is"
        if phase != "Bound":
            said = (
                f"{claim} is {phase}: that is well if its class waits for a first pod; otherwise "
                f"`kubectl describe pvc -n {self._namespace} {claim}` says what is missing."
            )
            return ClusterFinding(subject, said, "unknown")
        return ClusterFinding(subject, f"{claim} is bound, {', '.join(modes)}{alone}.")

    def secret(self, name: str, variable: str) -> ClusterFinding:
        """Whether a Secret has a key; its value goes nowhere.

        Args:
            name: Secret and key, a slash between them.
            variable: What tasks get it as.
        """
        secret, _, key = name.partition("/")
        found = _ask(self._core.read_namespaced_secret, secret, self._namespace)
        if found is None or not (found.data or {}).get(key):
            what, put = "no Secret", f"create secret generic {secret} --from-literal={key}=..."
            if found is not None:
                value = json.dumps({"stringData": {key: "..."}})
                what, put = f"nothing under {key} in", f"patch secret {secret} -p '{value}'"
            said = (
                f"There is {what} {secret} in {self._namespace}, from which tasks take {variable}: "
                f"`kubectl -n {self._namespace} {put}` puts it there."
            )
            return ClusterFinding(f"Secret {name}", said, "missing")
        return ClusterFinding(f"Secret {name}", f"It is there, for {variable}.")

    def account(self, account: str) -> ClusterFinding:
        """Whether the tasks' account is there."""
        found = _ask(self._core.read_namespaced_service_account, account, self._namespace)
        if found is None:
            said = (
                f"There is no ServiceAccount {account} in {self._namespace}: give another as "
                "--service-account here and to `submit`, or apply kubeflow/manifests."
            )
            return ClusterFinding(f"account {account}", said, "missing")
        return ClusterFinding(f"account {account}", f"It is in {self._namespace}.")

    def rights(self, account: str) -> ClusterFinding:
        """Whether the tasks' account may do what their pods do."""
        refused = []
        for verb, group, resource, name in _RIGHTS:
            asked = {"namespace": self._namespace, "verb": verb, "group": group,
                     "resource": resource, "name": name}  # fmt: skip
            user = f"system:serviceaccount:{self._namespace}:{account}"
            body = {
                "metadata": {"namespace": self._namespace},
                "spec": {"user": user, "resourceAttributes": asked},
            }
            review = self._rights.create_namespaced_local_subject_access_review
            if not _ask(review, self._namespace, body).status.allowed:
                refused.append(f"{verb} {resource} {name}".rstrip())
        if refused:
            said = (
                f"{account} may not {', '.join(refused)} in {self._namespace}: bind the Role in "
                "kubeflow/manifests/base/accounts.yaml to it."
            )
            return ClusterFinding("rights", said, "missing")
        return ClusterFinding("rights", f"{account} may do all that a task's pod does.")

    def inside(
        self, claim: str, mount: str, image: str, cache: str, account: str
    ) -> Iterator[ClusterFinding]:
        """Starts a pod as a task's, which looks into the volume, and removes it.

        Args:
            claim: The volume's claim.
            mount: Where tasks see it.
            image: Their image.
            cache: Where they keep the weights; empty for nowhere.
            account: Their account.
        """
        name = f"mri-look-{uuid.uuid4().hex[:8]}"
        pod = _pod(name, image, claim, mount, cache, account)
        _ask(self._core.create_namespaced_pod, self._namespace, pod)
        try:
            phase, said = self._ended(name)
        finally:
            _ask(self._core.delete_namespaced_pod, name, self._namespace)
        if phase != "Succeeded":
            why = said or f"`kubectl get events -n {self._namespace}` says why"
            failed = f"A pod of {image} that mounts {claim} is {phase}: {why}."
            yield ClusterFinding("inside the volume", failed, "missing")
            return
        try:
            seen = json.loads(said.splitlines()[-1])
            owner = f"It belongs to {seen['owner']} with mode {seen['mode']}"
        except (ValueError, LookupError, TypeError):
            odd = f"A pod of {image} did not say what it saw: {said[:100]!r}."
            yield ClusterFinding("inside the volume", odd, "unknown")
            return
        if seen["writable"]:
            may = f"{owner}; user {seen['user']} may write it, and {seen['free']} GB are free."
            yield ClusterFinding(f"owner of {claim}", may)
        else:
            may = (
                f"{owner}, and tasks run as user {seen['user']}, who may not write it: `chown "
                f"{seen['user']} {mount}` in a pod that runs as root, as Kubeflow sets no fsGroup."
            )
            yield ClusterFinding(f"owner of {claim}", may, "missing")
        if cache:
            there = "They are there." if seen["weights"] else (
                "They are not there yet: the first Trainer fetches 58 MB, for which its pod needs "
                "a way to the internet."
            )  # fmt: skip
            yield ClusterFinding(f"weights in {cache}", there)

    def _ended(self, name: str) -> tuple[str, str]:
        """How a pod ended, and what it said; nothing if it did not begin."""
        phase = "Pending"
        for _ in range(_LOOKS):
            phase = _ask(self._core.read_namespaced_pod, name, self._namespace).status.phase
            if phase in ("Succeeded", "Failed"):
                # Read as it is: the client would make another notation of JSON.
                read = self._core.read_namespaced_pod_log
                log = _ask(read, name, self._namespace, _preload_content=False).data.decode()
                return phase, log if phase == "Succeeded" else " ".join(log.split())[-200:]
            time.sleep(1)
        return phase, ""

    def _machines(self) -> int | None:
        """How many machines there are; None if that is not to be known."""
        try:
            return len(_ask(self._core.list_node).items)
        except HiddenError:
            return None


def _ask(method: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """The answer; None for what is not there."""
    try:
        return method(*arguments, _request_timeout=_TIMEOUT, **options)
    except ApiException as error:
        if error.status == HTTPStatus.NOT_FOUND:
            return None
        what = method.__name__.replace("namespaced_", "").replace("_", " ")
        if error.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise HiddenError(f"These credentials may not {what}") from error
        raise HiddenError(f"Kubernetes failed to {what} ({error.status})") from error
    except HTTPError as error:
        reason = " ".join(str(getattr(error, "reason", None) or error).split())
        raise UnreachedError(f"does not answer ({reason})") from error


def _client(context: str | None) -> Any:
    configuration = kubernetes.client.Configuration()
    configuration.retries = False
    try:
        kubernetes.config.load_kube_config(
            os.environ.get("KUBECONFIG"), context, client_configuration=configuration
        )
    except (kubernetes.config.ConfigException, yaml.YAMLError, OSError) as error:
        if context or "KUBERNETES_SERVICE_HOST" not in os.environ:
            why = " ".join(str(error).split())
            raise UnreachedError(f"is not known here ({why})") from error
        kubernetes.config.load_incluster_config(client_configuration=configuration)
    return kubernetes.client.ApiClient(configuration)


def _retry_policy(data: Mapping[str, str]) -> str:
    """The policy that Argo's settings give a task whose own strategy names none."""
    found: Any = yaml.safe_load(data.get("workflowDefaults") or "")
    if not found:
        found = (yaml.safe_load(data.get("config") or "") or {}).get("workflowDefaults")
    for key in ("spec", "templateDefaults", "retryStrategy", "retryPolicy"):
        found = (found or {}).get(key)
    return str(found or "OnFailure")


def _pod(name: str, image: str, claim: str, mount: str, cache: str, account: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": {"sidecar.istio.io/inject": "false"}},
        "spec": {
            "restartPolicy": "Never",
            "serviceAccountName": account,
            "volumes": [{"name": "work", "persistentVolumeClaim": {"claimName": claim}}],
            "containers": [
                {
                    "name": "main",
                    "image": image,
                    "command": ["python", "-c", _SCRIPT, mount, cache],
                    "securityContext": {
                        "runAsNonRoot": True,
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                    "volumeMounts": [{"name": "work", "mountPath": mount}],
                }
            ],
        },
    }
