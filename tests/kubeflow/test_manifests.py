"""The Kubernetes manifests: valid, consistent among themselves, and in keeping with the code.

They were applied to no cluster here: what a test can see without one is here.
"""

import re
import subprocess
from pathlib import Path
from typing import Any

import httpx
import kubernetes_validate
import kustomization
import pytest
import yaml
from kustomization import containers, template
from model_server import running_server
from web_command import serving as serving_page

from components.free_ports import free_ports
from serving.server.flags import parse_flags
from serving.tf_serving.config import DeploymentConfig
from serving.tf_serving.files import deployment_file

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / "kubeflow" / "manifests"
FOLDERS = ["base", "overlays/local"]
BESIDE = ["overlays/kserve"]
"""What is applied in addition to one of them."""
KUBERNETES = "1.33"
"""The version that docs/deploy.md names."""

Document = dict[str, Any]


@pytest.fixture(scope="module", params=FOLDERS)
def documents(request: pytest.FixtureRequest) -> list[Document]:
    return kustomization.read(MANIFESTS / request.param)


@pytest.fixture(scope="module")
def base() -> list[Document]:
    return kustomization.read(MANIFESTS / "base")


def of(documents: list[Document], kind: str, name: str | None = None) -> list[Document]:
    found = [one for one in documents if one["kind"] == kind]
    return [one for one in found if name in (None, one["metadata"]["name"])]


def pods(documents: list[Document]) -> list[Document]:
    return [pod for pod in map(template, documents) if pod]


def selected(selector: Document, documents: list[Document]) -> list[Document]:
    wanted = selector["matchLabels"].items()
    return [pod for pod in pods(documents) if wanted <= pod["metadata"]["labels"].items()]


def port_names(pod: Document) -> dict[str, int]:
    return {
        port["name"]: port["containerPort"]
        for container in pod["spec"]["containers"]
        for port in container.get("ports", ())
    }


@pytest.mark.parametrize("folder", [*FOLDERS, *BESIDE])
def test_kustomize_makes_the_same_of_them(folder: str) -> None:
    command = kustomization.kustomize()
    if command is None:
        pytest.skip("neither kustomize nor kubectl is on the PATH")

    def comparable(documents: list[Document]) -> dict[tuple[str, str], Document]:
        # The two name a generated ConfigMap by digests of their own.
        text = re.sub(r"mri-serving-[0-9a-z]{10}", "mri-serving-DIGEST", yaml.dump_all(documents))
        named = yaml.safe_load_all(text)
        return {(one["kind"], one["metadata"]["name"]): one for one in named}

    built = comparable(kustomization.build(MANIFESTS / folder, command))
    assert built == comparable(kustomization.read(MANIFESTS / folder))


def test_each_is_what_kubernetes_knows(documents) -> None:
    assert len(documents) > 15
    for document in documents:
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
    names = [(one["kind"], one["metadata"]["name"]) for one in documents]
    assert len(names) == len(set(names))
    assert f"Kubernetes {KUBERNETES}" in (ROOT / "docs" / "deploy.md").read_text()


def test_a_manifest_that_is_wrong_is_seen(base) -> None:
    [deployment] = of(base, "Deployment", "mri-page")
    wrong = {**deployment, "spec": {**deployment["spec"], "replica": 1}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, KUBERNETES, strict=True)


def test_selectors_find_one_workload_each_and_ports_are_its(documents) -> None:
    for service in of(documents, "Service"):
        [pod] = selected({"matchLabels": service["spec"]["selector"]}, documents)
        for port in service["spec"]["ports"]:
            assert port["targetPort"] in port_names(pod)
    for workload in documents:
        if template(workload):
            assert selected(workload["spec"]["selector"], documents) == [template(workload)]
    for budget in of(documents, "PodDisruptionBudget"):
        assert len(selected(budget["spec"]["selector"], documents)) == 1
    [database] = of(documents, "StatefulSet")
    assert of(documents, "Service", database["spec"]["serviceName"])


def test_the_autoscaler_scales_what_asks_for_processors(documents) -> None:
    [scaler] = of(documents, "HorizontalPodAutoscaler")
    target = scaler["spec"]["scaleTargetRef"]
    [deployment] = of(documents, target["kind"], target["name"])
    assert "replicas" not in deployment["spec"]  # applying again would undo the autoscaler's work
    assert all(one["resources"]["requests"]["cpu"] for one in containers(deployment))
    assert scaler["spec"]["minReplicas"] <= scaler["spec"]["maxReplicas"]
    [metric] = scaler["spec"]["metrics"]
    assert metric["resource"]["name"] == "cpu"


def test_what_is_mounted_and_read_is_there_or_documented(documents) -> None:
    documented = dict(
        re.findall(
            r"kubectl create secret generic (\S+)[^\n]*\\?((?:\n\s+--from-literal[^\n]*)+)",
            (ROOT / "docs" / "deploy.md").read_text(),
        )
    )
    for pod in pods(documents):
        volumes = pod["spec"].get("volumes", ())
        for volume in volumes:
            if "configMap" in volume:
                assert of(documents, "ConfigMap", volume["configMap"]["name"])
            if "persistentVolumeClaim" in volume:
                claim = volume["persistentVolumeClaim"]["claimName"]
                assert of(documents, "PersistentVolumeClaim", claim)
        names = {volume["name"] for volume in volumes} | {"data"}
        for container in pod["spec"]["containers"] + pod["spec"].get("initContainers", []):
            assert {mount["name"] for mount in container["volumeMounts"]} <= names
            for variable in container.get("env", ()):
                reference = variable.get("valueFrom", {}).get("secretKeyRef")
                if reference:
                    assert f"--from-literal={reference['key']}=" in documented[reference["name"]]
        assert of(documents, "ServiceAccount", pod["spec"]["serviceAccountName"])
    assert "--from-literal=url=" in documented["mri-metadata"]


def test_no_container_may_more_than_it_needs(documents) -> None:
    for pod in pods(documents):
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
        for container in spec["containers"] + spec.get("initContainers", []):
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["readOnlyRootFilesystem"] is True
            assert context["capabilities"] == {"drop": ["ALL"]}
            for kind in ("requests", "limits"):
                assert set(container["resources"][kind]) == {"cpu", "memory"}
        for container in spec["containers"]:
            assert {"readinessProbe", "livenessProbe", "startupProbe"} <= set(container)
            for mount in container["volumeMounts"]:
                assert mount.get("readOnly") or mount["name"] != "work"


def test_only_tasks_speak_to_kubernetes_and_say_little(documents) -> None:
    assert not of(documents, "ClusterRole") + of(documents, "ClusterRoleBinding")
    [role], [binding] = of(documents, "Role"), of(documents, "RoleBinding")
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    [subject] = binding["subjects"]
    assert of(documents, "ServiceAccount", subject["name"])
    for rule in role["rules"]:
        assert "*" not in rule["verbs"] + rule["resources"] + rule["apiGroups"]
        if {"secrets", "configmaps"} & set(rule["resources"]):
            assert (rule["verbs"], len(rule["resourceNames"])) == (["get"], 1)
        if {"create", "patch", "update", "delete"} & set(rule["verbs"]):
            assert rule["resources"] == ["workflowtaskresults"]


def test_nothing_is_reached_but_what_is_let_through(documents) -> None:
    policies = {one["metadata"]["name"]: one["spec"] for one in of(documents, "NetworkPolicy")}
    deny = policies.pop("mri-default-deny")
    assert deny["policyTypes"] == ["Ingress", "Egress"]
    assert not {"ingress", "egress"} & set(deny)
    assert selected(deny["podSelector"], documents) == pods(documents)
    for policy in policies.values():
        [pod] = selected(policy["podSelector"], documents)
        for rule in policy.get("ingress", ()):
            assert rule["from"]
            assert {port["port"] for port in rule["ports"]} <= set(port_names(pod))
        for rule in policy.get("egress", ()):
            for peer in rule["to"]:
                if set(peer) == {"podSelector"}:
                    [reached] = selected(peer["podSelector"], documents)
                    names = set(port_names(reached))
                    assert {port["port"] for port in rule["ports"]} <= names
    assert set(policies) == {"mri-metadata", "mri-serving", "mri-page"}
    # The page may go to the server, and the server lets it.
    [first, *_] = policies["mri-serving"]["ingress"]
    assert first["from"] == [
        {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "mri-page"}}}
    ]


def test_tensorflow_serving_is_told_what_serve_files_writes(base) -> None:
    config = DeploymentConfig(models=Path("/unused"))
    [files] = of(base, "ConfigMap")
    assert set(files["data"]) == {"models.config", "batching.config", "monitoring.config"}
    for name, text in files["data"].items():
        assert text == deployment_file(name, config)
    compose = yaml.safe_load(deployment_file("docker-compose.yaml", config))["services"]
    [deployment] = of(base, "Deployment", "mri-serving")
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    assert container["args"] == compose["server"]["command"]
    assert {one["image"] for one in containers(deployment)} == {config.image}
    flags, without_effect = parse_flags(container["args"])
    assert not without_effect
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    assert str(Path(flags.model_config_file).parent) in mounts
    assert mounts["/models"]["subPath"] == "serving"  # pipeline.work.Work.serving
    assert port_names(deployment["spec"]["template"]) == {"grpc": 8500, "rest": 8501}


def test_the_page_asks_the_service_that_there_is(base) -> None:
    [deployment] = of(base, "Deployment", "mri-page")
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    words = container["args"]
    host, _, port = words[words.index("--server") + 1].removeprefix("http://").partition(":")
    [service] = of(base, "Service", host)
    assert int(port) in {one["port"] for one in service["spec"]["ports"]}
    assert words[words.index("--port") + 1] == str(
        port_names(deployment["spec"]["template"])["http"]
    )
    values = {one["name"]: one.get("value") for one in container["env"]}
    assert values["MRI_WEB_MODELS"] == f"/models/{DeploymentConfig(models=Path()).name}"


def test_a_server_waits_for_the_first_version(base, tmp_path: Path) -> None:
    [deployment] = of(base, "Deployment", "mri-serving")
    [first] = deployment["spec"]["template"]["spec"]["initContainers"]
    *shell, script = first["command"]
    command = [*shell, script.replace("/work/", f"{tmp_path}/")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as waiting:
        assert waiting.stdout
        assert waiting.stdout.readline() == "no model has been pushed yet\n"
        assert waiting.poll() is None
        waiting.kill()
    version = tmp_path / "serving" / "brain_mri" / "1795465146"
    version.mkdir(parents=True)
    (version / "saved_model.pb").touch()
    assert subprocess.run(command, check=False).returncode == 0


def test_probes_ask_what_a_model_server_answers(base, tmp_path: Path) -> None:
    from small_model import save

    [deployment] = of(base, "Deployment", "mri-serving")
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    ready = container["readinessProbe"]["httpGet"]["path"]
    alive = container["livenessProbe"]["httpGet"]["path"]
    save(tmp_path / "brain_mri" / "3")
    flags = ("--model_name=brain_mri", f"--model_base_path={tmp_path / 'brain_mri'}")
    with running_server(tmp_path, *flags) as server:
        server.wait_for({3: "AVAILABLE"}, "brain_mri")
        assert server.rest(ready)[0] == 200
        assert server.rest(alive)[0] == 200
        (tmp_path / "brain_mri" / "3").rename(tmp_path / "gone")
        server.wait_for({3: "END"}, "brain_mri")
        # Alive, but nothing to send requests to.
        assert server.rest(ready)[0] == 404
        assert server.rest(alive)[0] == 200


def test_probes_ask_what_the_page_answers_without_a_server(base) -> None:
    [deployment] = of(base, "Deployment", "mri-page")
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    paths = {container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness")}
    assert paths == {container["readinessProbe"]["httpGet"]["path"]}
    server_port, port = free_ports(2)
    arguments = ("--server", f"127.0.0.1:{server_port}", "--port", str(port))
    with serving_page(*arguments, SECRET_KEY="a secret of a test") as page:
        for path in paths:
            assert httpx.get(page + path, timeout=300).status_code == 200


def test_tasks_find_what_the_manifests_make(base) -> None:
    cluster = pytest.importorskip("kubeflow.cluster", reason="no compiler here").Cluster()
    assert of(base, "PersistentVolumeClaim", cluster.volume.claim)
    assert (cluster.metadata.secret, cluster.metadata.key) == ("mri-metadata", "url")


def test_istio_puts_no_proxy_beside_them(documents) -> None:
    """A profile's namespace does, and the policies would cut that off from Istio."""
    for pod in pods(documents):
        assert pod["metadata"]["labels"]["sidecar.istio.io/inject"] == "false"


def test_waiting_for_the_first_model_is_no_failure(base) -> None:
    [deployment] = of(base, "Deployment", "mri-serving")
    assert deployment["spec"]["progressDeadlineSeconds"] == 2**31 - 1  # for Kubernetes: none


def _lets_out(rule: Document, port: int, namespace: str, labels: dict[str, str]) -> bool:
    """Whether an egress rule lets UDP out to a pod."""

    def wants(selector: Document, labels: dict[str, str]) -> bool:
        return selector.get("matchLabels", {}).items() <= labels.items() and all(
            labels.get(one["key"]) in one["values"] for one in selector.get("matchExpressions", ())
        )

    ports = {(one["protocol"], one["port"]) for one in rule["ports"]}
    return ("UDP", port) in ports and any(
        wants(peer["namespaceSelector"], {"kubernetes.io/metadata.name": namespace})
        and wants(peer["podSelector"], labels)
        for peer in rule["to"]
        if "namespaceSelector" in peer
    )


@pytest.mark.parametrize(
    ("namespace", "labels", "port", "open_"),
    [
        ("kube-system", {"k8s-app": "kube-dns"}, 53, True),
        ("kube-system", {"k8s-app": "node-local-dns"}, 53, True),
        ("openshift-dns", {"dns.operator.openshift.io/daemonset-dns": "default"}, 5353, True),
        ("kube-system", {"k8s-app": "metrics-server"}, 53, False),
        ("default", {"k8s-app": "kube-dns"}, 53, False),
    ],
)
def test_the_page_may_ask_for_names_wherever_a_cluster_keeps_them(
    base, namespace, labels, port, open_
) -> None:
    [policy] = of(base, "NetworkPolicy", "mri-page")
    rules = policy["spec"]["egress"]
    assert any(_lets_out(rule, port, namespace, labels) for rule in rules) is open_
    blocks = [peer["ipBlock"]["cidr"] for rule in rules for peer in rule["to"] if "ipBlock" in peer]
    assert blocks == ["169.254.20.10/32"]  # where NodeLocal DNSCache listens by default


def test_a_small_cluster_has_room_for_each_task() -> None:
    from kubeflow.cluster import Cluster
    from pipeline import node_ids

    names = [value for name, value in vars(node_ids).items() if name.isupper()]
    asked = {name: Cluster().of(name) for name in names if isinstance(name, str)}
    assert {one.cpu for one in asked.values()} == {"500m"}
    assert {one.cpu_limit for one in asked.values()} == {None}
    assert asked[node_ids.TRAINER].memory_limit == "8Gi"


@pytest.fixture(scope="module")
def inference() -> Document:
    [document] = kustomization.read(MANIFESTS / "overlays" / "kserve")
    return document


def test_the_inference_service_is_what_kserve_knows(inference) -> None:
    import kserve_fields

    assert kserve_fields.faults(inference) == []
    predictor = inference["spec"]["predictor"]
    wrong = {
        **inference,
        "spec": {"predictor": {**predictor, "canaryTraffic": 10, "minReplicas": "1"}},
    }
    assert sorted(kserve_fields.faults(wrong)) == [
        "InferenceService.spec.predictor has no field canaryTraffic",
        "InferenceService.spec.predictor.minReplicas is '1', not a int",
    ]


def test_what_kubernetes_reads_of_the_inference_service(inference) -> None:
    predictor = inference["spec"]["predictor"]
    model = {key: predictor["model"][key] for key in ("resources", "volumeMounts")}
    kubernetes_validate.validate(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "one"},
            "spec": {
                "serviceAccountName": predictor["serviceAccountName"],
                "containers": [{"name": "kserve-container", "image": "any", **model}],
                "volumes": predictor["volumes"],
            },
        },
        KUBERNETES,
        strict=True,
    )


def test_kserve_serves_one_version_of_what_runs_push(inference, base) -> None:
    predictor = inference["spec"]["predictor"]
    model = predictor["model"]
    assert model["modelFormat"] == {"name": "tensorflow", "version": "2"}
    config = DeploymentConfig(models=Path("/unused"))
    assert config.image == f"tensorflow/serving:{model['runtimeVersion']}"
    [mount], [volume] = model["volumeMounts"], predictor["volumes"]
    assert mount["name"] == volume["name"]
    assert mount["readOnly"]
    assert mount["subPath"] == f"serving/{config.name}/VERSION"  # pipeline.work.Work.serving
    assert mount["mountPath"] == "/mnt/models/VERSION"  # KServe's runtime has --model_base_path
    assert of(base, "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"])
    assert of(base, "ServiceAccount", predictor["serviceAccountName"])
    assert predictor["canaryTrafficPercent"] == 100
    said = (ROOT / "docs" / "canary.md").read_text()
    for words in ("s/VERSION/", "canaryTrafficPercent: 100", "canaryTrafficPercent: 10"):
        assert words in said


def test_no_policy_of_ours_shuts_out_knative(inference, base) -> None:
    """KServe gives its pods the labels of the service."""
    labels = inference["metadata"]["labels"].items()
    for policy in of(base, "NetworkPolicy"):
        wanted = policy["spec"]["podSelector"]["matchLabels"].items()
        assert not wanted <= labels, policy["metadata"]["name"]
