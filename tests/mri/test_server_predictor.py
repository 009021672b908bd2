import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from dicom_files import dataset, encoded, head
from dicom_files import file as dicom_file
from drawing import draw, encode
from model_server import Server, free_port, running_server, write_config
from small_model import brightness_answer, save
from toy_run import mri

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    base = tmp_path_factory.mktemp("models") / "brain_mri"
    save(base / "1", bias=1.0)
    save(base / "2")
    extra = {
        "brain_mri": 'model_version_policy { all {} } version_labels { key: "old" value: 1 }',
    }
    config = write_config(base.parent / "models.config", {"brain_mri": base}, extra)
    flags = (f"--model_config_file={config}", "--allow_version_labels_for_unavailable_models")
    with running_server(base.parent, *flags) as running:
        running.wait_for({1: "AVAILABLE", 2: "AVAILABLE"}, "brain_mri")
        yield running


@pytest.fixture
def images(tmp_path) -> list[Path]:
    contents = {"a.png": encode(draw(1)), "b.dcm": dicom_file(), "c.png": b"no image"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    return [tmp_path / name for name in contents]


def test_predict_asks_a_server(server, images, tmp_path):
    figure = tmp_path / "figure.png"
    address = f"http://127.0.0.1:{server.rest_port}"
    words = [str(path) for path in images]
    result = mri("predict", "--server", address, "--json", "--figure", str(figure), *words)
    assert result.returncode == 1, result.stderr  # one of the three is not an image
    answer = json.loads(result.stdout)
    assert answer["model"] == address
    first, second, third = answer["predictions"]
    assert first["probabilities"]["glioma"] == pytest.approx(brightness_answer(draw(1)), abs=1e-5)
    assert first["in_distribution"] is True
    assert second["label"]
    assert third["error"].startswith("The image cannot be used: not an image")
    assert figure.stat().st_size > 1000


@pytest.mark.parametrize("protocol", ["grpc", "rest"])
def test_a_version_or_a_label_of_a_server_is_asked(server, images, protocol):
    address = server.address if protocol == "grpc" else f"http://127.0.0.1:{server.rest_port}"
    for asked, bias in (((), 0.0), (("--version", "1"), 1.0), (("--label", "old"), 1.0)):
        result = mri("predict", "--server", address, "--json", str(images[0]), *asked)
        assert result.returncode == 0, result.stderr
        [answer] = json.loads(result.stdout)["predictions"]
        expected = brightness_answer(draw(1), bias=bias)
        assert answer["probabilities"]["glioma"] == pytest.approx(expected, abs=1e-5)
    for asked in (("--version", "9"), ("--label", "new")):
        result = mri("predict", "--server", address, str(images[0]), *asked)
        assert result.returncode == 2
        assert "brain_mri has the versions 2, 1" in " ".join(result.stderr.split())
    both = mri("predict", "--server", address, str(images[0]), "--label", "old", "--version", "1")
    assert both.returncode == 2
    assert "not for both" in both.stderr


def test_a_port_of_the_other_protocol_is_told(server, images):
    right = f"http://127.0.0.1:{server.rest_port}"
    assert (
        mri("predict", "--server", f"127.0.0.1:{server.rest_port}", str(images[0])).returncode == 0
    )
    address = f"grpc://127.0.0.1:{server.rest_port}"
    for command in (("predict", "--server", address, str(images[0])), ("serve", "bench", address)):
        result = mri(*command)
        assert result.returncode == 1
        assert f"give {right}" in " ".join(result.stderr.split())


def test_it_is_said_which_frame_was_judged(server, tmp_path):
    frames = np.stack([head(seed) for seed in range(3)])
    scan = tmp_path / "scan.dcm"
    scan.write_bytes(encoded(dataset(frames)))
    (tmp_path / "one.dcm").write_bytes(encoded(dataset(frames[2])))
    ask = ("predict", "--server", server.address)
    result = mri(*ask, str(scan), "--frame", "all", "--json", "--figure", f"{tmp_path}/all.png")
    assert result.returncode == 0, result.stderr
    whole, *every = json.loads(result.stdout)["predictions"]
    assert [(one["frame"], one["frames"]) for one in every] == [(0, 3), (1, 3), (2, 3)]
    assert (whole["frame"], whole["frames"], whole["slices"]) == (None, 3, 3)
    assert len({one["confidence"] for one in every}) == 3
    assert (tmp_path / "all.png").stat().st_size > 1000

    def one(path, *asked):
        [answer] = json.loads(mri(*ask, str(path), "--json", *asked).stdout)["predictions"]
        return answer

    middle, last = one(scan, "--frame", "middle"), one(scan, "--frame", "2")
    assert middle == one(scan, "--frame", "1") == every[1]
    assert (middle["frame"], last["frame"], last["frames"]) == (1, 2, 3)
    assert last == every[2]
    assert last["confidence"] != middle["confidence"]
    said = mri(*ask, str(scan), str(tmp_path / "one.dcm")).stdout
    assert "scan.dcm, frame 1 of 0 to 2\n" in said
    assert "one.dcm\n" in said
    result = mri(*ask, str(scan), str(tmp_path / "one.dcm"), "--frame", "3", "--json")
    assert result.returncode == 1
    errors = [one["error"] for one in json.loads(result.stdout)["predictions"]]
    assert "no frame 3: the file has frames 0 to 2" in errors[0]
    assert "no frame 3: the file has only frame 0" in errors[1]
    for wrong in ("-1", "first", "1.5", "", "9" * 5000):
        result = mri(*ask, str(scan), f"--frame={wrong}")
        assert result.returncode == 2
        said = " ".join(result.stderr.replace("│", " ").split())
    assert "--frame takes a number from 0, middle or all" in said


def test_where_no_server_answers_it_says_what_to_do(images):
    address = f"http://127.0.0.1:{free_port()}"
    result = mri("predict", "--server", address, str(images[0]))
    assert result.returncode == 1
    assert f"No model server answers at {address}" in result.stderr
    assert "mri serve" in result.stderr


def test_bench_measures_a_server(server, images):
    address = f"127.0.0.1:{server.port}"
    result = mri("serve", "bench", address, str(images[0]), "--in-flight", "2", "--seconds", "0.5",
                 "--batch", "3", "--json")  # fmt: skip
    assert result.returncode == 0, result.stderr
    [report] = json.loads(result.stdout)
    assert report["requests"] > 0
    assert report["errors"] == {}
    assert report["images_per_second"] == pytest.approx(3 * report["requests"] / report["seconds"])
    assert 0 < report["p50_ms"] <= report["p95_ms"] <= report["p99_ms"]
    result = mri("serve", "bench", address, "--model", "other", "--seconds", "0.2")
    assert result.returncode == 2
    assert "NOT_FOUND" in result.stderr


def test_files_for_production_are_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = mri("serve", "files", str(tmp_path / "deployment"), "--work", str(tmp_path))
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "deployment" / "config" / "models.config").exists()
    assert (
        f'source: "{tmp_path}/serving/brain_mri"'
        in (tmp_path / "deployment" / "docker-compose.yaml").read_text()
    )
    result = mri("serve", "files", "deployment", "--work", str(tmp_path), "--pacs")
    assert "--file deployment/docker-compose.pacs.yaml up" in result.stdout
