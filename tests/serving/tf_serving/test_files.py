import json
import re

import pytest
import yaml
from google.protobuf import text_format
from pydantic import ValidationError
from tensorflow_serving.config import model_server_config_pb2

from components.errors import PipelineError
from serving.pacs.config import PacsConfig
from serving.server.configuration import read_batching_parameters, read_monitoring_config
from serving.server.flags import parse_flags
from serving.tf_serving.config import BatchingConfig, DeploymentConfig
from serving.tf_serving.files import deployment_file, write_files


@pytest.fixture
def files(tmp_path):
    config = DeploymentConfig(name="brain_mri", models=tmp_path / "serving" / "brain_mri")
    written = write_files(config, tmp_path / "out")
    assert sorted(written) == sorted(
        path for path in (tmp_path / "out").rglob("*") if path.is_file()
    )
    return {path.name: path for path in written}


@pytest.fixture
def pacs(tmp_path):
    config = DeploymentConfig(models=tmp_path / "serving" / "brain_mri")
    return {path.name: path for path in write_files(config, tmp_path / "out", pacs=True)}


def _parsed(text):
    return text_format.Parse(text, model_server_config_pb2.ModelServerConfig())


def test_models_config_is_read_by_its_protocol(files):
    [model] = _parsed(files["models.config"].read_text()).model_config_list.config
    assert (model.name, model.base_path) == ("brain_mri", "/models/brain_mri")
    assert model.model_platform == "tensorflow"
    assert not model.HasField("model_version_policy")


def test_labelled_versions_stay_loaded(tmp_path):
    config = DeploymentConfig(models=tmp_path, labels={"stable": 3, "canary": 12})
    [model] = _parsed(deployment_file("models.config", config)).model_config_list.config
    assert dict(model.version_labels) == {"stable": 3, "canary": 12}
    assert list(model.model_version_policy.specific.versions) == [3, 12]


def test_batching_and_monitoring_are_read_by_the_embedded_server(files):
    parameters = read_batching_parameters(files["batching.config"])
    assert (parameters.max_batch_size, parameters.batch_timeout_micros) == (16, 0)
    assert (parameters.max_enqueued_batches, parameters.num_batch_threads) == (64, 1)
    metrics_path = read_monitoring_config(files["monitoring.config"])
    assert metrics_path == "/monitoring/prometheus/metrics"


def test_padded_batch_sizes_must_end_in_the_largest():
    assert BatchingConfig(max_batch_size=8, allowed_batch_sizes=(1, 4, 8))
    with pytest.raises(ValidationError, match="end in max_batch_size"):
        BatchingConfig(max_batch_size=8, allowed_batch_sizes=(1, 4))


def test_compose_publishes_on_loopback_and_its_flags_are_known(files, tmp_path):
    document = yaml.safe_load(files["docker-compose.yaml"].read_text())
    assert set(document["services"]) == {"server", "page", "prometheus"}
    for service in document["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
    server = document["services"]["server"]
    flags, without_effect = parse_flags(server["command"])
    assert not without_effect
    settings, models = server["volumes"]
    for path in (
        flags.model_config_file, flags.batching_parameters_file, flags.monitoring_config_file
    ):  # fmt: skip
        assert path.startswith("/config/")
        assert path.removeprefix("/config/") in files
    assert settings == "./config:/config:ro"
    assert models == {
        "type": "bind",
        "source": str(tmp_path / "serving" / "brain_mri"),
        "target": "/models/brain_mri",
        "read_only": True,
    }
    assert "/v1/models/brain_mri" in server["healthcheck"]["test"][-1]
    page = document["services"]["page"]
    assert page["volumes"] == [models]
    assert page["environment"]["MRI_WEB_MODELS"] == "/models/brain_mri"


def test_compose_takes_a_folder_of_any_name(tmp_path):
    models = tmp_path / "a:b $HOME [4] é" / "brain_mri"
    write_files(DeploymentConfig(name="brain_mri", models=models), tmp_path)
    document = yaml.safe_load((tmp_path / "docker-compose.yaml").read_text(encoding="utf-8"))
    [volume] = document["services"]["page"]["volumes"]
    assert volume["source"].replace("$$", "$") == str(models)  # as Compose reads it


def test_compose_for_a_pacs_has_an_archive_a_viewer_and_the_node(pacs, tmp_path):
    document = yaml.safe_load(pacs["docker-compose.pacs.yaml"].read_text())
    services = document["services"]
    assert set(services) == {"orthanc", "ohif", "node"}
    base = yaml.safe_load(pacs["docker-compose.yaml"].read_text())["services"]
    taken = [port for one in base.values() for port in one["ports"]]
    for service in services.values():
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        taken += service["ports"]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert set(service.get("depends_on", ())) <= {
            *services, *base
        }  # fmt: skip
        for volume in service["volumes"]:
            if isinstance(volume, dict):
                assert volume["source"] == str(tmp_path / "serving" / "brain_mri")
            elif volume.startswith("./"):
                assert (tmp_path / "out" / volume.split(":")[0]).is_file()
            else:
                assert volume.split(":")[0] in document["volumes"]
    assert len({one.rsplit(":", 1)[0] for one in taken}) == len(taken)  # no port twice
    assert "@ohif/app@" in services["ohif"]["build"]["dockerfile_inline"]


def test_the_nodes_settings_are_those_of_the_services_around_it(pacs):
    services = yaml.safe_load(pacs["docker-compose.pacs.yaml"].read_text())["services"]
    node = PacsConfig.model_validate(yaml.safe_load(pacs["pacs.yaml"].read_text()))
    orthanc = json.loads(pacs["orthanc.json"].read_text().partition("\n")[2])
    assert services["node"]["command"] == ["pacs", "run", "--config", "/config/pacs.yaml"]
    assert services["node"]["ports"][0].endswith(f":{node.listen.port}")
    assert node.listen.allowed == (orthanc["DicomAet"],)
    assert orthanc["DicomModalities"]["node"] == [node.listen.ae_title, "node", node.listen.port]
    web = f"http://orthanc:{orthanc['HttpPort']}/dicom-web"
    assert [one.url for one in (*node.destinations, *node.poll)] == [web, web]
    assert (node.model.server, str(node.model.folder)) == ("server:8500", "/models/brain_mri")
    assert str(node.spool).startswith("/data/")
    viewer = json.loads(
        re.sub(r"^.*window.config = |;\s*$", "", pacs["ohif.js"].read_text(), flags=re.S)
    )
    [source] = viewer["dataSources"]
    assert source["configuration"]["qidoRoot"] == orthanc["DicomWeb"]["Root"].rstrip("/")
    served = pacs["ohif.conf"].read_text()
    assert f"location {orthanc['DicomWeb']['Root']} {{" in served
    assert f"proxy_pass http://orthanc:{orthanc['HttpPort']};" in served
    assert f"listen {services['ohif']['ports'][0].rsplit(':', 1)[1]};" in served


def test_prometheus_reads_where_the_server_writes(files):
    document = yaml.safe_load(files["prometheus.yml"].read_text())
    services = yaml.safe_load(files["docker-compose.yaml"].read_text())["services"]
    jobs = {job["job_name"]: job for job in document["scrape_configs"]}
    assert jobs["model_server"]["metrics_path"] == (
        read_monitoring_config(files["monitoring.config"])
    )
    for job in jobs.values():
        [host] = [target for each in job["static_configs"] for target in each["targets"]]
        name, port = host.split(":")
        assert any(published.endswith(f":{port}") for published in services[name]["ports"])


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(PipelineError, match="cannot be written"):
        write_files(DeploymentConfig(models=tmp_path), tmp_path / "file")


def test_what_was_edited_is_kept_and_what_was_not_is_replaced(files, tmp_path):
    other = DeploymentConfig(name="other", models=tmp_path / "other")
    write_files(other, tmp_path / "out")
    assert "other" in files["models.config"].read_text()
    for content in ("mine", files["prometheus.yml"].read_text() + "# mine\n"):
        files["prometheus.yml"].write_text(content)
        before = {path: path.read_bytes() for path in files.values()}
        with pytest.raises(PipelineError, match=r"out/prometheus\.yml would be replaced.*--force"):
            write_files(DeploymentConfig(models=tmp_path / "third"), tmp_path / "out")
        assert {path: path.read_bytes() for path in files.values()} == before
    write_files(other, tmp_path / "out", force=True)
    assert "mine" not in files["prometheus.yml"].read_text()
