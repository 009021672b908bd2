"""The client, both halves, against the server that comes with the project."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import npm
import numpy as np
import pytest
from clients import BOTH
from dicom_files import dataset, encoded, head
from drawing import draw, encode
from model_server import HANGS, Server, free_port, running_server
from required import only
from small_model import brightness_answer, save

from serving.client import Client, ImageError, NoVersionError, Prediction, ServingError

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[3]
IMAGE = encode(draw(1))


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    """Two versions that answer differently."""
    base = tmp_path_factory.mktemp("models") / "brain_mri"
    save(base / "1", bias=1.0)
    save(base / "2", reasons="because")
    return base


@pytest.fixture(scope="module")
def server(base, tmp_path_factory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    models = folder / "models.config"
    models.write_text(
        f'model_config_list {{ config {{ name: "brain_mri" base_path: "{base}" '
        'model_platform: "tensorflow" model_version_policy { all {} } '
        'version_labels { key: "old" value: 1 } } }'
    )
    flags = (f"--model_config_file={models}", f"--grpc_socket_path={folder}/socket",
             "--allow_version_labels_for_unavailable_models")  # fmt: skip
    with running_server(folder, *flags) as running:
        running.wait_for({1: "AVAILABLE", 2: "AVAILABLE"}, "brain_mri")
        yield running


@pytest.fixture(params=["grpc", "rest", "unix"])
def address(request, server) -> str:
    return {
        "grpc": server.address,
        "rest": f"http://127.0.0.1:{server.rest_port}",
        "unix": f"unix:{server.log.parent}/socket",
    }[request.param]


@pytest.fixture(params=BOTH, ids=["sync", "async"])
def ask(request):
    return request.param


def test_five_lines(ask, address):
    result = ask(address, lambda client: client.predict(IMAGE))
    expected = brightness_answer(draw(1))
    assert result.probabilities["glioma"] == pytest.approx(expected, abs=1e-5)
    assert result.confidence == pytest.approx(max(expected, 1 - expected), abs=1e-5)
    assert result.label == ("glioma" if expected > 0.5 else "notumor")
    assert result.in_distribution is True
    assert result.ood_score == pytest.approx(draw(1).mean() / 255, abs=1e-4)
    assert isinstance(result.refer, bool)
    assert result.reasons == "because"
    assert result.version == (None if address.startswith("http") else 2)


def test_bytes_paths_arrays_and_dicom_give_the_same(address, tmp_path):
    pixels = draw(4)
    path = tmp_path / "scan.png"
    path.write_bytes(encode(pixels))
    scan = encoded(dataset(head()))
    with Client(address, batch_size=3) as client:
        results = client.predict_batch([path.read_bytes(), path, str(path), pixels])
        assert len({result.confidence for result in results}) == 1
        assert client.predict(scan).label in {"glioma", "notumor"}
        assert client.predict_batch(np.stack([pixels, pixels])) == results[:2]


def test_an_explanation(ask, address):
    results = ask(address, lambda client: client.explain_batch([IMAGE, IMAGE]))
    for result in (*results, ask(address, lambda client: client.explain(IMAGE))):
        np.testing.assert_array_equal(result.heatmap, np.array([[0, 1], [0.5, 0.25]], np.float32))
        assert result.crop_box == (0, 0, 1, 0.5)
        assert result.overlay == b"\x89PNG\r\n\x1a\n\0\0"
        assert result.label


def test_a_client_of_one_version_stands_beside_its_own(address):
    with Client(address, label="old") as client:
        newer = client.of_version(2)
        assert (
            newer.predict(IMAGE).confidence == Client(address, version=2).predict(IMAGE).confidence
        )
        assert newer.predict(IMAGE).version == 2
        assert client.predict(IMAGE) == Client(address, label="old").predict(IMAGE)
        assert newer.predict(IMAGE).confidence != client.predict(IMAGE).confidence


def test_versions_and_labels(address):
    for asked in ({"version": 1}, {"label": "old"}):
        with Client(address, **asked) as client:
            expected = brightness_answer(draw(1), bias=1.0)
            result = client.predict(IMAGE)
            assert result.probabilities["glioma"] == pytest.approx(expected, abs=1e-5)
    with Client(address) as client:
        states = [(status.version, status.state) for status in client.status()]
    assert states == [(2, "AVAILABLE"), (1, "AVAILABLE")]


@pytest.mark.parametrize(
    ("asked", "code", "there"),
    [({"model": "other"}, "NOT_FOUND", ""),
     ({"version": 9}, "NOT_FOUND", "no version 9: brain_mri has the versions 2, 1"),
     ({"label": "none"}, "INVALID_ARGUMENT",
      "no label 'none': brain_mri has the versions 2, 1")],
)  # fmt: skip
def test_what_the_server_refuses_is_an_error_with_its_code(ask, address, asked, code, there):
    with pytest.raises(ServingError) as raised:
        ask(address, lambda client: client.predict(IMAGE), **asked)
    several = ask(address, lambda client: client.predict_batch([IMAGE] * 3), **asked)
    with pytest.raises(ServingError) as unknown:
        ask(address, lambda client: client.status(), **asked)
    for error in (raised.value, *several, unknown.value):
        assert there in str(error)
        assert isinstance(error, NoVersionError) == bool(there)
    assert {error.code for error in (raised.value, *several)} == {code}


@pytest.mark.parametrize("bad", [b"no image", IMAGE[:200]])
def test_what_is_not_a_whole_image_is_refused_here(ask, address, bad):
    with pytest.raises(ImageError, match="cannot be used"):
        ask(address, lambda client: client.predict(bad))
    good, error = ask(address, lambda client: client.predict_batch([IMAGE, bad]))
    assert isinstance(good, Prediction)
    assert "cannot be used" in str(error)


def test_a_port_of_the_other_protocol_is_told(ask, server):
    wrong = f"http://127.0.0.1:{server.port}", f"grpc://127.0.0.1:{server.rest_port}"
    right = f"grpc://127.0.0.1:{server.port}", f"http://127.0.0.1:{server.rest_port}"
    for address, told in zip(wrong, right, strict=True):
        for call in (lambda client: client.predict(IMAGE), lambda client: client.status()):
            with pytest.raises(ServingError) as raised:
                ask(address, call)
            assert raised.value.code == "UNIMPLEMENTED"  # so nothing was asked again
            assert told in str(raised.value)


@pytest.mark.parametrize("protocol", ["grpc", "rest"])
def test_what_an_address_without_a_scheme_speaks_is_found_out(ask, server, protocol):
    port = server.port if protocol == "grpc" else server.rest_port
    results = ask(f"127.0.0.1:{port}", lambda client: client.predict_batch([IMAGE] * 20))
    assert {one.label for one in results} == {"notumor"}
    assert {one.version for one in results} == {2 if protocol == "grpc" else None}


_SAMPLE = "scan.jpg"


@pytest.mark.parametrize(("language", "program"), [("sh", "curl"), ("js", "node")])
def test_the_samples_of_the_documentation_send_a_large_image(server, tmp_path, language, program):
    found = npm.program("node") if program == "node" else shutil.which("curl")
    if found is None:
        pytest.skip(f"there is no {program} here")
    text = (ROOT / "docs" / "client.md").read_text()
    [sample] = re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    sample = sample.replace("localhost:8501", f"127.0.0.1:{server.rest_port}")
    noise = np.random.default_rng(0).integers(0, 256, (900, 900, 3), np.uint8)
    (tmp_path / _SAMPLE).write_bytes(encode(noise, "JPEG"))
    assert (tmp_path / _SAMPLE).stat().st_size > 263_000
    command = [found, "-e", sample] if program == "node" else ["bash", "-ec", sample]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=HANGS)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout[done.stdout.index("{") :])["predictions"][0]["label"]


_ALONE = """
import sys
from pathlib import Path
import serving
from serving.client import Client

*addresses, image = sys.argv[1:]
for address in addresses:
    with Client(address) as client:
        print(client.predict(image).label, client.status()[0].version)
print(Path(serving.__file__).parents[1])
"""


def test_the_wheel_of_the_client_alone_asks_the_server(server, tmp_path):
    build = [sys.executable, ROOT / "bin" / "client_wheel.py", "--outdir", tmp_path / "dist"]
    built = subprocess.run(build, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    [wheel] = (tmp_path / "dist").glob("brain_mri_client-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
        names = archive.namelist()
    assert "imaging/dicom/kinds.yaml" in names
    assert not [name for name in names if name.startswith(("pipeline", "serving/server", "mri/"))]
    (tmp_path / _SAMPLE).write_bytes(IMAGE)
    (tmp_path / "hidden").mkdir()
    with only(tmp_path / "hidden", "client.in", ours=tmp_path / "installed") as variables:
        done = subprocess.run(
            [sys.executable, "-c", _ALONE, server.address, f"http://127.0.0.1:{server.rest_port}",
             tmp_path / _SAMPLE],
            capture_output=True, text=True, env={**os.environ, **variables},
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["notumor 2", "notumor 2", str(tmp_path / "installed")]
    assert done.stderr == ""


def test_a_client_serves_many_threads(address):
    images = [draw(seed) for seed in range(8)]
    answers: dict[int, float] = {}
    with Client(address) as client:

        def ask(index: int) -> None:
            answers[index] = client.predict(images[index]).probabilities["glioma"]

        threads = [threading.Thread(target=ask, args=(index,)) for index in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for index, image in enumerate(images):
        assert answers[index] == pytest.approx(brightness_answer(image), abs=1e-5)


@pytest.mark.parametrize("scheme", ["", "http://"])
def test_a_server_that_comes_late_is_waited_for(base, tmp_path, scheme):
    port = free_port()
    flag = "--port" if not scheme else "--rest_api_port"
    result = []

    def ask() -> None:
        with Client(f"{scheme}127.0.0.1:{port}", timeout=HANGS, attempts=1000) as client:
            result.append(client.predict(IMAGE))

    asking = threading.Thread(target=ask)
    asking.start()
    with running_server(
        tmp_path, f"{flag}={port}", "--model_name=brain_mri", f"--model_base_path={base}"
    ):
        asking.join(HANGS)
    assert result


_GRPC_WHEN_USED = """
import sys
from serving.client import Client
assert not {"grpc", "tensorflow"} & set(sys.modules)
print(Client(sys.argv[1]).predict(open(sys.argv[2], "rb").read()).label)
assert not {"tfx", "apache_beam", "pydicom"} & set(sys.modules)
"""


def test_the_grpc_half_comes_when_it_is_used_and_brings_no_tfx(server, tmp_path):
    import subprocess

    (tmp_path / "scan.png").write_bytes(IMAGE)
    result = subprocess.run(
        [sys.executable, "-c", _GRPC_WHEN_USED, server.address, str(tmp_path / "scan.png")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert result.stdout in ("glioma\n", "notumor\n")
