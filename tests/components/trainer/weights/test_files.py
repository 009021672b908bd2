"""Files of VGG16's weights: which are read, whatever their kind, and which are refused, and why."""

import hashlib
import io
import logging
import os
import random
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import onnx
import pytest
from permissions import permissions_hold
from toy_weights import (
    WRITERS,
    Published,
    assert_same,
    make_tensors,
    onnx_bytes,
    write_keras_2,
    write_npz,
    write_onnx,
    write_wheel,
)

from components.errors import UsageError
from components.trainer.weights import files
from components.trainer.weights.files import IMAGENET_VGG16, WeightsError, digest, load_weights
from components.trainer.weights.vgg16 import resolve_weights

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
    with pytest.raises(UsageError, match=rf"digest .* not {published.spec.digest}.*rename"):
        resolve_weights(file, spec=published.spec)


@pytest.mark.parametrize("kind", WRITERS)
def test_another_width_is_refused_with_the_layer_and_both_shapes(
    kind: str, published: Published, tmp_path: Path
) -> None:
    wider = make_tensors(widths=(2, 3, 4, 6, 6))
    file = WRITERS[kind](tmp_path / "wider", wider)
    expected = r"does not fit VGG16: block4_conv1/\w+ is (3x3x4x6, expected 3x3x4x5|6, expected 5)"
    with pytest.raises(UsageError, match=expected):
        resolve_weights(file, spec=published.spec)


@pytest.mark.parametrize("kind", WRITERS)
def test_a_network_with_fewer_layers_is_refused(
    kind: str, published: Published, tmp_path: Path
) -> None:
    tensors = {
        name: values for name, values in published.tensors.items() if "block5_conv3" not in name
    }
    file = WRITERS[kind](tmp_path / "shorter", tensors)
    with pytest.raises(UsageError, match="does not fit VGG16: it has no block5_conv3/kernel"):
        resolve_weights(file, spec=published.spec)


@pytest.mark.parametrize("kind", WRITERS)
def test_vgg19_is_not_taken_for_vgg16(kind: str, published: Published, tmp_path: Path) -> None:
    deeper = dict(published.tensors)
    deeper["block3_conv4/kernel"] = np.zeros((3, 3, 4, 4), np.float32)
    deeper["block3_conv4/bias"] = np.zeros(4, np.float32)
    file = WRITERS[kind](tmp_path / "vgg19", deeper)
    with pytest.raises(UsageError, match="it has a layer block3_conv4, as VGG19 has"):
        resolve_weights(file, spec=published.spec)


@pytest.mark.parametrize("kind", WRITERS)
def test_numbers_that_are_not_finite_are_refused(
    kind: str, published: Published, tmp_path: Path
) -> None:
    diverged = make_tensors()
    diverged["block2_conv1/bias"][0] = np.nan
    file = WRITERS[kind](tmp_path / "diverged", diverged)
    with pytest.raises(UsageError, match="block2_conv1/bias that are not finite"):
        resolve_weights(file, spec=published.spec)


@pytest.mark.parametrize("kind", ["npz", "h5", "onnx"])
def test_integers_are_refused(kind: str, published: Published, tmp_path: Path) -> None:
    integers: Any = {name: values.astype(np.int32) for name, values in published.tensors.items()}
    file = WRITERS[kind](tmp_path / "integers", integers)
    with pytest.raises(UsageError, match="float32"):
        resolve_weights(file, spec=published.spec)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>Sign in", "begins with b'<!DOCTYPE html><' and is not a weights"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is not a weights file"),
        (b"\x08", "is damaged"),
        (b"\x08\xff\xff", "is damaged"),
        (b"\x08\x07\x3a\xff\xff\xff\xff\x0f", "is damaged"),
        (b"\x08" + b"\xff" * 30, "is damaged"),
        (b"\x08\x07\x3f\x00", "is damaged"),
        (b"\x08\x07", "does not fit VGG16: it has no block1_conv1/kernel"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "is damaged"),
        (b"PK\x03\x04" + bytes(100), "is damaged"),
    ],
)
def test_what_is_no_weights_file_is_refused(
    content: bytes, message: str, published: Published, tmp_path: Path
) -> None:
    file = tmp_path / "given.h5"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=message):
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
        with pytest.raises(UsageError, match=message):
            resolve_weights(path, spec=published.spec)


def test_a_file_without_permission_is_refused(published: Published, tmp_path: Path) -> None:
    file = write_npz(tmp_path / "secret.npz", published.tensors)
    file.chmod(0)
    with permissions_hold(), pytest.raises(UsageError, match="cannot be read .Permission denied"):
        resolve_weights(file, spec=published.spec)


@pytest.mark.parametrize("kind", WRITERS)
def test_a_truncated_file_is_refused(kind: str, published: Published, tmp_path: Path) -> None:
    whole = WRITERS[kind](tmp_path / "whole", published.tensors).read_bytes()
    file = tmp_path / "cut"
    for size in (20, len(whole) // 10, len(whole) // 2, len(whole) - 1000, len(whole) - 1):
        file.write_bytes(whole[:size])
        with pytest.raises(UsageError, match=r"damaged|does not fit"):
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
    with pytest.raises(UsageError, match="block1_conv1/kernel is 3x3x3x1099511627776"):
        resolve_weights(file, spec=published.spec)
    array = io.BytesIO()
    np.save(array, np.zeros(1 << 20, np.float32))
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("block1_conv1/kernel.npy", array.getvalue())
    with pytest.raises(UsageError, match="block1_conv1/kernel has 4,194,432 bytes"):
        resolve_weights(file, spec=published.spec)


def test_an_onnx_file_beyond_protobufs_limit_is_refused(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_ONNX_MAX_BYTES", 1000)
    file = write_onnx(tmp_path / "huge.onnx", published.tensors)
    with pytest.raises(UsageError, match="does not fit VGG16: its graph has"):
        resolve_weights(file, spec=published.spec)
    write_wheel(file, published.tensors)
    with pytest.raises(UsageError, match="does not fit VGG16: its graph has"):
        resolve_weights(file, spec=published.spec)


def test_a_graph_reads_no_other_file(published: Published, tmp_path: Path) -> None:
    graph = onnx.load_model_from_string(onnx_bytes(published.tensors))
    kernel = next(one for one in graph.graph.initializer if len(one.dims) == 4)
    secret = tmp_path / "secret"
    secret.write_bytes(kernel.raw_data)
    onnx.external_data_helper.set_external_data(kernel, location=secret.name)
    kernel.ClearField("raw_data")
    file = tmp_path / "given.onnx"
    file.write_bytes(graph.SerializeToString())
    with pytest.raises(UsageError, match=r"the values of .*block1_conv1.* lie in another file"):
        resolve_weights(file, spec=published.spec)
