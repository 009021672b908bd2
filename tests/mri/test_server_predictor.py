import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from dicom_files import file as dicom_file
from drawing import draw, encode
from model_server import Server, free_port, running_server
from small_model import brightness_answer, save
from toy_run import mri

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    base = tmp_path_factory.mktemp("models") / "brain_mri"
    save(base / "1")
    flags = ("--model_name=brain_mri", f"--model_base_path={base}")
    with running_server(base.parent, *flags) as running:
        running.wait_for({1: "AVAILABLE"}, "brain_mri")
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
    assert result.returncode == 1, result.stderr  # one of the three is no image
    answer = json.loads(result.stdout)
    assert answer["model"] == address
    first, second, third = answer["predictions"]
    assert first["probabilities"]["glioma"] == pytest.approx(brightness_answer(draw(1)), abs=1e-5)
    assert first["in_distribution"] is True
    assert second["label"]
    assert third["error"].startswith("The image cannot be used: not an image")
    assert figure.stat().st_size > 1000


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
    assert result.returncode == 1
    assert "NOT_FOUND" in result.stderr


def test_files_for_production_are_written(tmp_path):
    result = mri("serve", "files", str(tmp_path / "deployment"), "--work", str(tmp_path))
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "deployment" / "config" / "models.config").exists()
    assert (
        f'source: "{tmp_path}/serving/brain_mri"'
        in (tmp_path / "deployment" / "docker-compose.yaml").read_text()
    )
