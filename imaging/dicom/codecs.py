"""Frames of a DICOM data set, compressed or not, to the values that they store.

What a compressed frame is, its own first bytes say: files name the wrong transfer syntax. A frame
that is cut off or damaged is rejected, also where its decoder would fill up what is missing. The
table in docs/formats.md names the decoders.
"""

import struct
from collections.abc import Iterator
from functools import cached_property
from itertools import pairwise
from typing import Any

import imagecodecs
import numpy as np
from pydicom.pixels import convert_color_space, get_decoder
from pydicom.uid import (
    JPEG2000MC,
    JPEG2000MCLossless,
    JPEG2000TransferSyntaxes,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
    RLELossless,
    UncompressedTransferSyntaxes,
)

from imaging.dicom import codestream
from imaging.dicom.elements import value
from imaging.dicom.frames import encoded_frames
from imaging.dicom.layout import Layout, significant
from imaging.jpeg import read_jpeg
from imaging.jpeg_segments import JPEG_LS
from imaging.picture import RejectedImageError, Values

_COMPRESSED = {
    RLELossless,
    *JPEGTransferSyntaxes,
    *JPEGLSTransferSyntaxes,
    *JPEG2000TransferSyntaxes,
} - {JPEG2000MC, JPEG2000MCLossless}
_DCT = {0xC0, 0xC1, 0xC2}
"""Frames in cosine transforms: baseline, extended, progressive."""
_RGB_IDS = ((82, 71, 66), (114, 103, 98))
"""Components that are called R, G and B, or r, g and b."""
_ADOBE = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00%c"
_FILLERS = (b"\x55" * 64, b"\xaa" * 64)
_END = b"\xff\xd9"
_TAIL = 8
_MORE_RUNS = (bytes(128), b"\x80" * 128)
"""What a cut run would be filled up from, and the values would differ; nothing, to a whole one."""
_DAMAGED = "DICOM with truncated, damaged or unsupported pixels"
_MISFIT = "DICOM with a compressed frame that is truncated or not of the size it should have"


class StoredFrames:
    """The stored values of a data set's frames, decoded one at a time."""

    def __init__(self, dataset: Any, layout: Layout) -> None:
        """Finds out how they are encoded; nothing is decoded yet.

        Args:
            dataset: The data set.
            layout: How it stores pixels.

        Raises:
            RejectedImageError: They are compressed in a way that is not known.
        """
        self._dataset, self._layout = dataset, layout
        self._is_native = layout.syntax in UncompressedTransferSyntaxes
        if not self._is_native and layout.syntax not in _COMPRESSED:
            raise RejectedImageError("DICOM of an unsupported transfer syntax")

    def values(self, frame: int) -> Values:
        """Decodes a frame.

        Args:
            frame: Its number.

        Returns:
            [rows, columns], or [rows, columns, 3] in RGB.

        Raises:
            RejectedImageError: The frame is missing, damaged or not of the size that it should
                have.
        """
        try:
            if self._is_native:
                return _native(self._dataset, self._layout, frame)
            return _decoded(self._encoded[frame], self._layout)
        except (RejectedImageError, MemoryError):
            raise
        except Exception:  # noqa: BLE001 - hostile bytes raise anything, with a text that quotes them
            raise RejectedImageError(_DAMAGED) from None

    @cached_property
    def _encoded(self) -> list[bytes]:
        layout, dataset = self._layout, self._dataset
        if layout.allocated not in (8, 16, 32) or not 1 <= layout.bits <= layout.allocated:
            raise RejectedImageError(_DAMAGED)
        tables = [value(dataset, f"ExtendedOffsetTable{which}") for which in ("", "Lengths")]
        extended = (tables[0], tables[1]) if all(tables) else None
        return encoded_frames(dataset.PixelData, layout.frames, extended)


def _native(dataset: Any, layout: Layout, frame: int) -> Values:
    values: Values = get_decoder(layout.syntax).as_array(
        dataset, index=frame, correct_unused_bits=False, view_only=True
    )[0]
    if values.dtype.kind == "f" or layout.allocated == 1:
        return values
    return significant(values, layout, layout.allocated)


def _decoded(encoded: bytes, layout: Layout) -> Values:
    if layout.syntax == RLELossless:
        values = _run_lengths(encoded, layout)
        return significant(values, layout, layout.allocated)
    values, precision = (_jpeg2000 if codestream.is_jpeg2000(encoded) else _jpeg)(encoded, layout)
    if values.shape != layout.shape:
        raise RejectedImageError(_MISFIT)
    if layout.samples == 3:
        full: Values = values * np.float32((2**layout.bits - 1) / (2**precision - 1))
        return full
    bits = max(layout.allocated, 8 if precision <= 8 else 16 if precision <= 16 else 32)
    kind = np.dtype(f"{'i' if layout.is_signed else 'u'}{bits // 8}")
    return significant(values.astype(kind, copy=False), layout, precision)


def _run_lengths(encoded: bytes, layout: Layout) -> Values:
    """Decodes run lengths (PS3.5 G): a segment for each byte of a sample, the highest first."""
    size, width = layout.rows * layout.columns, layout.allocated // 8
    count, *offsets = struct.unpack_from("<16I", encoded.ljust(64, b"\0"))
    if count != layout.samples * width:
        raise RejectedImageError(_MISFIT)
    segments = []
    for start, end in pairwise([*offsets[:count], len(encoded)]):
        one, other = (
            imagecodecs.packbits_decode(encoded[start:end] + more, out=2 * size + 512)[:size]
            for more in _MORE_RUNS
        )
        if len(one) < size or one != other:
            raise RejectedImageError(_MISFIT)
        segments.append(one)
    planes = np.frombuffer(b"".join(segments), np.uint8).reshape(layout.samples, width, size)
    kind = f"<{'i' if layout.is_signed else 'u'}{width}"
    values = np.ascontiguousarray(planes[:, ::-1].transpose(2, 0, 1)).view(kind)
    return _as_rgb(values.reshape(layout.shape), layout.photometric.startswith("YBR_FULL"))


def _jpeg2000(encoded: bytes, layout: Layout) -> tuple[Values, int]:
    size = codestream.jpeg2000_size(encoded)
    if size is None or size[:3] != (layout.rows, layout.columns, layout.samples):
        raise RejectedImageError(_MISFIT)
    values = imagecodecs.jpeg2k_decode(encoded)
    return _as_rgb(values, layout.photometric.startswith("YBR_FULL")), size[3]


def _jpeg(encoded: bytes, layout: Layout) -> tuple[Values, int]:
    image = codestream.read_jpeg(encoded)
    expected = (layout.rows, layout.columns, layout.samples)
    if image is None or (image.rows, image.columns, len(image.ids)) != expected:
        raise RejectedImageError(_MISFIT)
    is_ycc = layout.samples == 3 and _is_ycc(image, layout.photometric)
    if image.coding in _DCT and image.precision == 8:
        return _first(_cosines, _endings(_marked(encoded, image, is_ycc))), 8
    if image.coding == JPEG_LS:
        values = _first(imagecodecs.jpegls_decode, _endings(encoded[: image.end]))
    elif image.coding in _DCT or image.coding == codestream.LOSSLESS:
        values = _huffman(encoded, image)
    else:
        raise RejectedImageError("DICOM with a JPEG frame of a kind that is not read")
    return _as_rgb(values, is_ycc), image.precision


def _is_ycc(image: codestream.Jpeg, photometric: str) -> bool:
    """Whether colours are YCbCr: the frame knows better than the data set, where it says so."""
    if image.ids in _RGB_IDS:
        return False
    if image.transform is not None:
        return image.transform == 1
    return image.is_jfif or photometric.startswith("YBR")


def _as_rgb(values: Values, is_ycc: bool) -> Values:
    return convert_color_space(values, "YBR_FULL", "RGB") if is_ycc else values


def _marked(encoded: bytes, image: codestream.Jpeg, is_ycc: bool) -> bytes:
    """The image alone, saying for a decoder what its colours are."""
    pieces, position = [], 2
    for start, end in image.remarks:
        pieces.append(encoded[position:start])
        position = end
    colours = _ADOBE % (b"\1" if is_ycc else b"\0") if len(image.ids) == 3 else b""
    return b"".join([encoded[:2], colours, *pieces, encoded[position : image.end]])


def _endings(encoded: bytes) -> Iterator[bytes]:
    """An image as it is, and without zeros between its data and its end."""
    yield encoded
    data = encoded[: -len(_END)].rstrip(b"\0")
    if data.endswith(b"\xff"):  # a stuffed byte
        data += b"\0"
    if len(data) + len(_END) < len(encoded):
        yield data + _END


def _first(decode: Any, images: Iterator[bytes]) -> Values:
    """What is decoded of the first image that can be."""
    for one in images:
        try:
            values: Values = decode(one)
        except (ValueError, RuntimeError, RejectedImageError):
            continue
        return values
    raise RejectedImageError(_DAMAGED)


def _cosines(encoded: bytes) -> Values:
    return read_jpeg(encoded, 2**32).levels


def _huffman(encoded: bytes, image: codestream.Jpeg) -> Values:
    """Decodes what only a decoder can that fills up missing data, and says nothing of it.

    So it is asked again, with bits in place of what it would make up: a picture that changes with
    them is not whole. One that stays the same without its last bytes had too many: it went out of
    step at some damage before them.
    """
    pieces, position = [], 0
    for start, end in image.runs:
        pieces += [encoded[position:start], encoded[start:end], _FILLERS[0]]
        position = end
    rest = encoded[position : image.end]
    space = "RGB" if len(image.ids) == 3 else "GRAYSCALE"  # the same in and out: none is changed

    def decode(one: bytes) -> Values:
        values: Values = imagecodecs.jpeg8_decode(one, colorspace=space, outcolorspace=space)
        return values

    values = decode(encoded[: image.end])
    if not np.array_equal(values, decode(b"".join([*pieces, rest]))):
        raise RejectedImageError(_MISFIT)
    start, end = image.runs[-1]
    used = start + len(encoded[start:end].rstrip(b"\0"))
    shorter = encoded[: max(start, used - _TAIL)].removesuffix(b"\xff")
    if all(np.array_equal(values, decode(shorter + one + rest)) for one in _FILLERS):
        raise RejectedImageError(_DAMAGED)
    return values
