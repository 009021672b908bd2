"""What a cluster lacks, asked for over HTTP from servers that stand for Kubeflow and Kubernetes."""

import json
import os
import subprocess
import sys

import kubernetes_server
import pytest
from kubernetes_server import CLAIM, IMAGE, MOUNT, SEEN

from components.errors import UsageError
from kubeflow import kubernetes_api
from kubeflow.check import check
from kubeflow.compiled import read_compiled
from kubeflow.server import Server


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    return read_compiled(
        kubernetes_server.compile_trainer(tmp_path_factory.mktemp("check") / "pipeline.yaml")
    )


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """A cluster that lacks nothing, as kubectl finds it."""
    with kubernetes_server.running() as running:
        monkeypatch.setenv("KUBECONFIG", str(running.kubeconfig(tmp_path / "kubeconfig")))
        monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
        running.complete()
        yield running


@pytest.fixture
def found(server, pipeline):
    """States and sentences by subject."""

    def look(connect=lambda: Server(server.address), **options):
        given = options.pop("pipeline", pipeline)
        findings = list(check(given, connect, **options))
        assert all(one.sentence.endswith(".") for one in findings)
        assert "hidden" not in str(findings)
        return {one.subject: (one.state, one.sentence) for one in findings}

    return look


def test_a_cluster_that_lacks_nothing(found, cluster):
    lines = found(inside=True)
    assert {state for state, _ in lines.values()} == {"ok"}
    assert lines["version"][1] == "Kubeflow Pipelines 2.17.0."
    assert lines["retries"][1] == (
        "Argo retries a task if its command fails or its pod is lost (Always)."
    )
    assert lines[f"owner of {CLAIM}"][1] == (
        "It belongs to 1000:1000 with mode 755; user 1000 may write it, and 80 GB are free."
    )
    assert lines[f"weights in {MOUNT}/cache"][1] == "They are there."
    assert ("system:serviceaccount:kubeflow:pipeline-runner" in str(cluster.reviews[0])) is True
    assert {one["resourceAttributes"]["resource"] for one in cluster.reviews} == {
        "workflowtaskresults", "pods", "configmaps", "secrets",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("version", "state", "says"),
    [
        ("2.13.1", "missing", "upgrade it to 2.14 or newer"),
        ("2.4.0", "missing", "upgrade it to 2.14 or newer"),
        ("2.14.0", "missing", "Pipelines 2.14 refuses trainer: it does not know secretAsEnv.opt"),
        ("2.15.2", "ok", "Kubeflow Pipelines 2.15.2."),
        ("2.9.0", "missing", "upgrade it to 2.14 or newer"),
        ("3.0.1", "ok", "newer than 2.17, the newest that is known here"),
        ("unknown", "unknown", "does not say its version, which must be 2.14 or newer"),
        ("", "unknown", "does not say its version"),
    ],
)
def test_the_version(found, server, cluster, version, state, says):
    server.version = version
    found_state, said = found()["version"]
    assert (found_state, says in said) == (state, True)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({}, "Argo retries a task if its command fails, but not if its pod is lost; for both, set"),
        ({"config": "workflowDefaults: {spec: {templateDefaults: {retryStrategy: "
                    "{limit: '2', retryPolicy: OnError}}}}"},
         "Argo retries a task if its pod is lost, but not if its command fails; for both, set "
         "templateDefaults.retryStrategy in its workflowDefaults to {limit: '0', retryPolicy: Al"),
        ({"workflowDefaults": "spec: {templateDefaults: null}"}, "(OnFailure)"),
    ],
)  # fmt: skip
def test_what_argo_tries_again(found, cluster, data, says):
    cluster.objects["namespaces/kubeflow/configmaps/workflow-controller-configmap"]["data"] = data
    state, said = found()["retries"]
    assert (state, says in said) == ("ok", True)


@pytest.mark.parametrize("text", ["{", "- spec", "spec: [1]", "7"])
def test_settings_of_argo_that_cannot_be_read(found, cluster, text):
    settings = cluster.objects["namespaces/kubeflow/configmaps/workflow-controller-configmap"]
    settings["data"] = {"workflowDefaults": text}
    state, said = found()["retries"]
    assert (state, "workflowDefaults cannot be read" in said) == ("unknown", True)


@pytest.mark.parametrize("text", ["", "no JSON", "[1]", "{}"])
def test_a_pod_that_says_something_else(found, cluster, text):
    cluster.log = text
    state, said = found(inside=True)["inside the volume"]
    assert (state, "did not say what it saw" in said) == ("unknown", True)


@pytest.mark.parametrize(
    ("claim", "nodes", "state", "says"),
    [
        (None, 2, "missing", "There is no PersistentVolumeClaim mri-work in kubeflow: make one"),
        ((["ReadWriteOnce"], "Bound"), 2, "missing", "so tasks on a second machine would not"),
        ((["ReadWriteOnce"], "Bound"), 1, "ok", "will do on the one machine that there is"),
        ((["ReadWriteOncePod"], "Bound"), 1, "missing", "is ReadWriteOncePod, so"),
        ((["ReadOnlyMany"], "Bound"), 1, "missing", "is ReadOnlyMany, so"),
        ((["ReadWriteMany"], "Lost"), 2, "missing", "is gone"),
        ((["ReadWriteMany"], "Pending"), 2, "unknown", "kubectl describe pvc -n kubeflow mri-wo"),
    ],
)
def test_the_volume(found, cluster, claim, nodes, state, says):
    path = f"namespaces/kubeflow/persistentvolumeclaims/{CLAIM}"
    del cluster.objects[path]
    if claim:
        modes, phase = claim
        cluster.objects[path] = {"spec": {"accessModes": modes}, "status": {"phase": phase}}
    cluster.objects["nodes"] = {"items": [{}] * nodes}
    lines = found(inside=True)
    found_state, said = lines[f"volume {CLAIM}"]
    assert (found_state, says in said) == (state, True), said
    assert bool(cluster.pods) is (state != "missing")  # a pod would wait for what is not there


@pytest.mark.parametrize("data", [None, {}, {"URL": "eA=="}, {"url": ""}])
def test_a_secret_without_its_key(found, cluster, data):
    path = "namespaces/kubeflow/secrets/mri-metadata"
    cluster.objects[path] = {"data": data}
    state, said = found()["Secret mri-metadata/url"]
    assert state == "missing"
    patch = (
        """`kubectl -n kubeflow patch secret mri-metadata -p '{"stringData": {"url": "..."}}'`"""
    )
    assert "There is nothing under url in mri-metadata in kubeflow, from which" in said
    assert patch in said
    del cluster.objects[path]
    said = found()["Secret mri-metadata/url"][1]
    assert "There is no Secret mri-metadata in kubeflow, from which tasks take MRI_METADATA" in said
    assert "kubectl -n kubeflow create secret generic mri-metadata --from-literal=url=..." in said


def test_an_account_that_is_not_there_or_may_too_little(found, cluster):
    cluster.refused = {("patch", "workflowtaskresults"), ("get", "secrets")}
    lines = found(service_account="mri")
    assert lines["account mri"][0] == "missing"
    assert lines["rights"] == (
        "missing",
        "mri may not patch workflowtaskresults, get secrets mlpipeline-minio-artifact in kubeflow: "
        "bind the Role in kubeflow/manifests/base/accounts.yaml to it.",
    )


def test_another_namespace_and_its_account(found, server, cluster):
    server.multi_user = True
    lines = found(lambda: Server(server.address, "radiology"), namespace="radiology")
    assert lines["account default-editor"][0] == "missing"
    assert "in radiology" in lines[f"volume {CLAIM}"][1]
    assert lines["retries"][0] == "ok"  # Argo's settings stay where Kubeflow is


def test_weights_that_each_pod_would_fetch(found, cluster, tmp_path):
    other = read_compiled(
        kubernetes_server.compile_trainer(tmp_path / "pipeline.yaml", "/root/cache")
    )
    state, said = found(pipeline=other)["weights"]
    assert state == "missing"
    assert "compile again with BRAIN_MRI_CACHE below the volume's mount" in said
    cluster.log = json.dumps({**SEEN, "weights": False})
    state, said = found(inside=True)[f"weights in {MOUNT}/cache"]
    assert (state, "first Trainer fetches 58 MB" in said) == ("ok", True)


def test_a_volume_that_belongs_to_root(found, cluster):
    cluster.log = json.dumps({**SEEN, "owner": "0:0", "writable": False})
    state, said = found(inside=True)[f"owner of {CLAIM}"]
    assert state == "missing"
    assert "belongs to 0:0 with mode 755, and tasks run as user 1000, who may not write" in said
    [pod] = cluster.pods
    assert pod["spec"]["containers"][0]["image"] == IMAGE
    assert pod["spec"]["serviceAccountName"] == "pipeline-runner"
    assert not any("/pods/" in path for path in cluster.objects)  # it was removed


def test_a_pod_that_fails_or_never_begins_is_removed_and_says_so(found, cluster, monkeypatch):
    cluster.phase, cluster.log = "Failed", "Traceback\n  no such\nfile"
    state, said = found(inside=True)["inside the volume"]
    assert (state, "is Failed: Traceback no such file." in said) == ("missing", True)
    cluster.phase = "Pending"
    pauses = []
    monkeypatch.setattr(kubernetes_api.time, "sleep", pauses.append)
    state, said = found(inside=True)["inside the volume"]
    assert (state, "`kubectl get events -n kubeflow` says why" in said) == ("missing", True)
    assert sum(pauses) == 120
    assert not any("/pods/" in path for path in cluster.objects)


@pytest.mark.parametrize("weights", [False, True])
def test_what_the_pod_does(tmp_path, weights):
    """Its script, run here on a folder in the place of the volume."""
    (tmp_path / "cache" / "weights").mkdir(parents=True)
    if weights:
        (tmp_path / "cache" / "weights" / "vgg16.npz").touch()
    script = kubernetes_api._SCRIPT
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path, tmp_path / "cache"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    seen = json.loads(done.stdout)
    assert seen.keys() == SEEN.keys()
    assert (seen["user"], seen["writable"], seen["weights"]) == (os.getuid(), True, weights)
    assert seen["owner"] == f"{os.getuid()}:{tmp_path.stat().st_gid}"


def test_what_the_volume_holds_is_not_looked_at_unasked(found, cluster):
    state, said = found()["inside the volume"]
    assert (state, "give --inside" in said) == ("unknown", True)
    assert cluster.pods == []
    assert {method for method, path in cluster.requests if "reviews" not in path} == {"GET"}


def test_what_may_not_be_seen_is_said_and_the_rest_is_looked_at(found, cluster):
    cluster.closed = ["/secrets/", "reviews$", "nodes$", "/pods$"]
    lines = found(inside=True)
    assert lines["Secret mri-metadata/url"] == (
        "unknown", "These credentials may not read secret, so it was not looked at.",
    )  # fmt: skip
    assert lines["rights"][0] == lines["inside the volume"][0] == "unknown"
    assert lines[f"volume {CLAIM}"][0] == "ok"


def test_a_cluster_that_does_not_answer(found, cluster, tmp_path):
    cluster.server_close()
    lines = found()
    assert lines["version"][0] == "ok"
    state, said = lines["Kubernetes"]
    assert (state, "were not looked at: run this where kubectl" in said) == ("unknown", True)
    assert len([subject for subject in lines if subject.startswith("volume")]) == 0


@pytest.mark.parametrize("content", [None, "", "{", "contexts: []"])
def test_without_a_kubeconfig_kubeflow_alone_is_asked(found, cluster, tmp_path, content):
    file = tmp_path / "kubeconfig"
    file.unlink()
    if content is not None:
        file.write_text(content)
    state, said = found()["Kubernetes"]
    assert (state, "Its API is not known here" in said) == ("unknown", True)
    assert "\n" not in said


def test_a_context_that_is_unknown(found, cluster):
    assert "Its API is not known here" in found(context="elsewhere")["Kubernetes"][1]


def test_without_kubeflow_kubernetes_alone_is_asked(found, server, cluster):
    def unnamed():
        raise UsageError("No server is named.")

    lines = found(unnamed)
    assert lines["Kubeflow"] == ("unknown", "Its API was not looked at: No server is named.")
    assert lines[f"volume {CLAIM}"][0] == "ok"
    server.token = "needed"
    lines = found()
    assert lines["Kubeflow"][0] == "missing"
    assert "401" in lines["Kubeflow"][1]


def test_credentials_that_may_not_see_runs(found, server, cluster):
    def forbid():
        connected = Server(server.address)
        server.override = lambda handler: handler.say(403, {"code": 7, "message": "No."})
        return connected

    assert found(forbid)["runs"][0] == "missing"
