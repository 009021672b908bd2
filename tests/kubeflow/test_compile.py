"""The compiled file is one that open Kubeflow Pipelines takes, and says what was asked for."""

import importlib.util

import pytest
import yaml
from compiled import IMAGE, compile_toy, shell
from google.protobuf import json_format
from kfp import components
from kfp.kubernetes import kubernetes_executor_config_pb2
from toy_run import mri

from components.errors import PipelineError, UsageError
from kubeflow.cluster import Cluster, Resources, Toleration, read_cluster
from kubeflow.image import check_image
from kubeflow.ir import upstream_nodes
from kubeflow.tasks import task_name

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def loaded(toy):
    return components.load_component_from_file(str(toy.file))


@pytest.fixture(scope="module")
def nodes(loaded):
    [group] = [
        component
        for component in loaded.pipeline_spec.components.values()
        if component.HasField("dag")
    ]
    return group.dag.tasks


@pytest.fixture
def _graph_is_there(toy, monkeypatch):
    """Spares a test, to which it does not matter, the making of TFX's graph."""
    monkeypatch.setattr("kubeflow.compile.create_pipeline", lambda *_: None)
    monkeypatch.setattr("kubeflow.compile.compile_pipeline", lambda _: toy.graph)


def test_kubeflows_own_loader_takes_it(loaded):
    spec = loaded.pipeline_spec
    assert spec.schema_version == "2.1.0"
    assert spec.pipeline_info.name == "brain-mri"


def test_it_holds_containers_and_nothing_that_the_open_backend_refuses(loaded, toy):
    executors = loaded.pipeline_spec.deployment_spec["executors"]
    assert len(executors) == 16
    for executor in executors.values():
        assert set(executor) == {"container"}
        assert executor["container"]["image"] == IMAGE
    text = toy.file.read_text().lower()
    for word in ("importer", "resolver:", "lifecycle", "precachecheck", "iterator"):
        assert word not in text


def test_every_command_is_a_module_of_the_package(loaded):
    for executor in loaded.pipeline_spec.deployment_spec["executors"].values():
        python, flag, module = executor["container"]["command"]
        assert (python, flag) == ("python", "-m")
        assert importlib.util.find_spec(module) is not None


def test_a_task_a_node_that_waits_for_what_the_node_waits_for(nodes, toy):
    upstream = upstream_nodes(toy.graph)
    assert set(nodes) == {task_name(node) for node in upstream}
    for node, earlier in upstream.items():
        assert set(nodes[task_name(node)].dependent_tasks) == {task_name(one) for one in earlier}
        assert nodes[task_name(node)].task_info.name == node


def test_the_exit_handler_runs_whatever_happens_and_is_told_how(loaded):
    ending = loaded.pipeline_spec.root.dag.tasks["run-end"]
    [group] = ending.dependent_tasks
    assert ending.trigger_policy.strategy == 2  # ALL_UPSTREAM_TASKS_COMPLETED
    assert ending.inputs.parameters["status"].task_final_status.producer_task == group


def test_the_run_may_choose_what_is_listed_and_no_more(loaded):
    parameters = json_format.MessageToDict(loaded.pipeline_spec.root.input_definitions)[
        "parameters"
    ]
    assert {name: found["parameterType"] for name, found in parameters.items()} == {
        "data": "STRING",
        "span": "NUMBER_INTEGER",
        "run_name": "STRING",
        "epochs": "NUMBER_INTEGER",
        "seed": "NUMBER_INTEGER",
        "min_accuracy": "NUMBER_DOUBLE",
        "push": "STRING",
        "accept_anomalies": "STRING",
        "accept_reason": "STRING",
    }
    assert parameters["epochs"]["defaultValue"] == 1
    assert parameters["span"]["defaultValue"] == -1


def test_kubeflow_caches_nothing_and_decisions_are_not_retried(nodes):
    assert not any(task.caching_options.enable_cache for task in nodes.values())
    retries = {name: task.retry_policy.max_retry_count for name, task in nodes.items()}
    assert {name for name, count in retries.items() if count == 0} == {"gate", "pusher"}
    assert retries["trainer"] == 2
    assert {task.retry_policy.backoff_max_duration.seconds for task in nodes.values()} == {86400}


def test_what_kubeflow_shows(loaded):
    shown = {
        name.removeprefix("comp-"): sorted(
            found.artifact_type.schema_title
            for found in component.output_definitions.artifacts.values()
        )
        for name, component in loaded.pipeline_spec.components.items()
        if component.output_definitions.artifacts
    }
    assert shown == {
        "statistics-gen": ["system.HTML"],
        "gate": ["system.HTML"],
        "trainer": ["system.Metrics"],
        "predictions": ["system.ClassificationMetrics"],
        "evaluator": ["system.Metrics"],
        "report": ["system.HTML"],
        "run-end": ["system.HTML"],
    }


def test_the_cluster_is_as_described_and_its_storage_left_alone(tmp_path):
    description = {
        "volume": {"claim": "team-work", "mount": str(tmp_path / "mounted")},
        "metadata": {"secret": "db", "key": "address"},
        "secrets": [{"secret": "salt", "key": "salt", "variable": "MRI_PATIENT_SALT"}],
        "nodes": {
            "Trainer": {"cpu": "4", "memory": "16Gi", "accelerator": "nvidia.com/gpu", "retries": 5}
        },
        "backoff": {"first": "5s", "window": "2h"},
        "node_selector": {"pool": "training"},
        "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
        "artifact_root": "s3://team/kubeflow",
    }
    (tmp_path / "cluster.yaml").write_text(yaml.safe_dump(description))
    cluster = read_cluster(tmp_path / "cluster.yaml")

    file = compile_toy(tmp_path / "pipeline.yaml", cluster=cluster)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cluster.yaml", "pipeline.yaml"]
    loaded = components.load_component_from_file(str(file))
    spec = loaded.pipeline_spec
    assert spec.default_pipeline_root == "s3://team/kubeflow"
    container = spec.deployment_spec["executors"]["exec-trainer"]["container"]
    assert f"--work={tmp_path}/mounted" in list(container["args"])
    resources = json_format.MessageToDict(container)["resources"]
    assert resources["resourceMemoryRequest"] == "16Gi"
    assert resources["resourceMemoryLimit"] == "16Gi", "or Kubernetes would refuse the pod"
    assert resources["accelerator"]["resourceType"] == "nvidia.com/gpu"
    for executor in loaded.platform_spec.platforms["kubernetes"].deployment_spec.executors.values():
        settings = json_format.ParseDict(
            json_format.MessageToDict(executor),
            kubernetes_executor_config_pb2.KubernetesExecutorConfig(),
        )
        assert settings.pvc_mount[0].constant == "team-work"
        assert settings.pvc_mount[0].mount_path == str(tmp_path / "mounted")
        pairs = {
            (secret.secret_name, pair.secret_key, pair.env_var)
            for secret in settings.secret_as_env
            for pair in secret.key_to_env
        }
        assert pairs == {("db", "address", "MRI_METADATA"), ("salt", "salt", "MRI_PATIENT_SALT")}
        assert settings.node_selector.labels == {"pool": "training"}
        assert settings.tolerations[0].key == "gpu"


@pytest.mark.parametrize(
    ("text", "node", "asked"),
    [
        (
            "nodes: {Trainer: {accelerator: nvidia.com/gpu, accelerators: 1}}",
            "Trainer",
            {
                "cpu": "500m",
                "memory": "4Gi",
                "memory_limit": "8Gi",
                "accelerator": "nvidia.com/gpu",
            },
        ),
        ("nodes: {Gate: {memory: 4Gi}}", "Gate", {"memory": "4Gi", "cpu": "500m", "retries": 0}),
        ("nodes: {Trainer: {memory: 6Gi}}", "Trainer", {"memory": "6Gi", "memory_limit": "8Gi"}),
        ("nodes: {Trainer: {memory: 9G}}", "Trainer", {"memory": "9G", "memory_limit": "9G"}),
        ("nodes: {Gate: {memory_limit: 1Gi}}", "Gate", {"memory": "1Gi", "memory_limit": "1Gi"}),
        ("nodes: {Gate: {memory_limit: null}}", "Gate", {"memory": "2Gi", "memory_limit": None}),
        ("nodes: {Report: {cpu_limit: 250m}}", "Report", {"cpu": "250m", "cpu_limit": "250m"}),
        ("resources: {memory: 5Gi}", "Report", {"memory": "5Gi", "memory_limit": "5Gi"}),
        ("resources: {memory: 1Gi, retries: 5}", "Trainer", {"memory": "4Gi", "retries": 5}),
        ("resources: {memory: 1Gi, retries: 5}", "Gate", {"memory": "1Gi", "retries": 0}),
    ],
)
def test_what_a_task_is_not_given_keeps_its_defaults_and_fits(text, node, asked, tmp_path):
    (tmp_path / "cluster.yaml").write_text(text)
    resources = read_cluster(tmp_path / "cluster.yaml").of(node)
    assert {name: getattr(resources, name) for name in asked} == asked


@pytest.mark.parametrize(
    "name",
    [
        "brain-mri",
        "brain-mri:1.0",
        "localhost:5000/brain_mri",
        "registry.example.com/a/b/c:v1@sha256:" + "0" * 64,
    ],
)
def test_names_of_images(name):
    assert check_image(name) == name


@pytest.mark.parametrize(
    "name", ["", "Brain", "a b", "brain:", "brain:1:2", "/brain", "a//b", "a@sha256:1"]
)
def test_what_is_no_name_of_an_image(name):
    with pytest.raises(UsageError, match="is not the name of a container image"):
        check_image(name)


@pytest.mark.parametrize(
    ("image", "said"),
    [([], "Missing option '--image'"), (["--image", "Brain"], "is not the name of a container")],
)
def test_no_image_and_a_bad_name_end_the_command(image, said, tmp_path):
    out = tmp_path / "pipeline.yaml"
    result = mri("kubeflow", "compile", *image, "--out", str(out))
    assert result.returncode == 2
    assert said in result.stderr
    assert not out.exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("volume: {mount: relative}", r"volume\.mount"),
        ("volumes: {}", "no setting 'volumes'; did you mean 'volume'"),
        (
            "nodes: {Trainer: {memory: lots}}",
            r"Trainer\.memory='lots' is refused: takes a whole number",
        ),
        ("resources: {memory: 1.5Gi}", r"resources\.memory=.*takes .* such as 4Gi or 1536Mi"),
        (
            "nodes: {Trainer: {memory: 6Gi, memory_limit: 6G}}",
            r"nodes\.Trainer is refused: memory_limit 6G is less than memory 6Gi: raise the one",
        ),
        ("resources: {cpu: '2', cpu_limit: 1500m}", r"cpu_limit 1500m is less than cpu 2:"),
        (
            "backoff: {factor: 1.5}",
            r"backoff\.factor=1\.5 is refused: takes a whole number: Argo reads no other",
        ),
        ("backoff: {longest: 10m}", r"no setting 'backoff\.longest'; known are factor, first, win"),
        ("backoff: {window: 999999999h}", r"backoff\.window='999999999h' is refused"),
        (
            "backoff: {window: 1m}",
            r"waits of 2 retries, 30s and then 2 times as long each, do not fit .* window of 1m",
        ),
        ("nodes: {Trainer: {retries: 50}}", r"50 retries, 30s and then .* window of 24h, so the"),
        ("backoff: {first: -5s}", r"first='-5s' is refused: takes a whole number and s, m or h"),
        ("backoff: {first: 1.5h}", r"first='1\.5h' is refused: takes a whole .* as 90s or 2h"),
        ("backoff: {window: ''}", r"window='' is refused: takes a whole number"),
        ("backoff: {factor: 0}", r"factor=0 is refused: it must be at least 1"),
        ("backoff: {factor: .nan}", "factor=nan is refused: takes a whole number"),
        ("- a", "must be a mapping"),
        ("a: [", "line 1: a bracket is not closed"),
    ],
)
def test_a_cluster_that_is_refused(text, said, tmp_path):
    (tmp_path / "cluster.yaml").write_text(text)
    with pytest.raises(UsageError, match=said):
        read_cluster(tmp_path / "cluster.yaml")


@pytest.mark.parametrize(
    "text",
    [
        "{resources: {retries: 0}, backoff: {window: 0s}}",
        "backoff: {first: 2h, factor: 1, window: 99999h}",
        "backoff: {first: 90s, factor: 2.0}",
        "backoff: {first: 0s}",
    ],
)
def test_waits_that_fit(text, tmp_path):
    (tmp_path / "cluster.yaml").write_text(text)
    assert read_cluster(tmp_path / "cluster.yaml").backoff


@pytest.mark.usefixtures("_graph_is_there")
def test_resources_for_a_node_that_is_not_there(tmp_path):
    cluster = Cluster(nodes={"Trainr": Resources()}, tolerations=(Toleration(key="a"),))
    with pytest.raises(UsageError, match="Trainr, which is not a node"):
        compile_toy(tmp_path / "pipeline.yaml", cluster=cluster)


def test_a_file_of_another_kind_is_refused(tmp_path):
    result = mri("kubeflow", "compile", "--image", IMAGE, "--out", str(tmp_path / "pipeline.json"))
    assert result.returncode == 2
    assert "as a .yaml file" in result.stderr


@pytest.mark.usefixtures("_graph_is_there")
def test_files_that_cannot_be_written(tmp_path, monkeypatch):
    monkeypatch.setattr("kubeflow.compile._pipeline", lambda *_: shell("one", "true"))
    with pytest.raises(PipelineError, match="cannot be written: No such file"):
        compile_toy(tmp_path / "nowhere" / "pipeline.yaml")
