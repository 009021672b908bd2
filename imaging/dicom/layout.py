"""How the pixels of a DICOM data set are stored (PS3.3 C.7.6.3)."""

from dataclasses import dataclass
from typing import Any

from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from imaging.dicom.elements import value, whole
from imaging.picture import RejectedImageError, Values

_PHOTOMETRIC = {
    1: ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR"),
    3: ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"),
}
"""What samples may be, by how many a pixel has."""


@dataclass(frozen=True)
class Layout:
    """How pixels are stored.

    Attributes:
        rows: Height of a frame.
        columns: Width of a frame.
        samples: 1, or 3 for colours.
        frames: Number of frames.
        allocated: Bits that a sample takes up.
        bits: Bits of them that are its value.
        high: The highest of these, counted from 0.
        is_signed: Whether values are two's complements.
        photometric: What a sample is, as DICOM says it.
        syntax: The transfer syntax.
    """

    rows: int
    columns: int
    samples: int
    frames: int
    allocated: int
    bits: int
    high: int
    is_signed: bool
    photometric: str
    syntax: UID

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a frame's values."""
        return (self.rows, self.columns) + ((3,) if self.samples == 3 else ())


def read_layout(dataset: Any) -> Layout:
    """Reads how pixels are stored.

    Args:
        dataset: The data set; where it does not name its transfer syntax, this does.

    Returns:
        The layout.

    Raises:
        RejectedImageError: It has no size, or a photometric interpretation that is unknown or does
            not fit.
    """
    photometric = str(value(dataset, "PhotometricInterpretation")).strip()
    samples = whole(dataset, "SamplesPerPixel", default=1)
    if photometric not in _PHOTOMETRIC.get(samples, ()):
        raise RejectedImageError(
            "DICOM of a photometric interpretation that is unknown or does not fit its samples"
        )
    rows, columns = whole(dataset, "Rows"), whole(dataset, "Columns")
    if rows < 1 or columns < 1:
        raise RejectedImageError("DICOM that does not say how many rows and columns it has")
    bits = whole(dataset, "BitsStored")
    return Layout(
        rows=rows,
        columns=columns,
        samples=samples,
        frames=max(whole(dataset, "NumberOfFrames"), 1),
        allocated=whole(dataset, "BitsAllocated"),
        bits=bits,
        high=whole(dataset, "HighBit", default=bits - 1),
        is_signed=whole(dataset, "PixelRepresentation") == 1,
        photometric=photometric,
        syntax=_transfer_syntax(dataset),
    )


def _transfer_syntax(dataset: Any) -> UID:
    """Returns how the data set is encoded, and states it where a bare data set does not."""
    meta = dataset.file_meta
    named = value(meta, "TransferSyntaxUID")
    if not named:
        implicit, little = dataset.original_encoding
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        named = meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
    return UID(str(named))


def significant(values: Values, layout: Layout, precision: int) -> Values:
    """Takes the bits of samples that are their values (PS3.5 8.1.1).

    The others may hold anything: overlays, in old files.

    Args:
        values: Samples, integers.
        layout: Which bits count.
        precision: How many bits a sample has at most: as many as are allocated, or fewer in a
            compressed frame.

    Returns:
        The values, of the same shape and type, signed or not as the type is.
    """
    bits = min(layout.bits, precision)
    is_high = bits <= layout.high < precision
    shift = layout.high + 1 - bits if is_high else 0
    unused = 8 * values.dtype.itemsize - bits - shift
    if unused < 0 or not (unused or shift):
        return values
    taken: Values = (values << unused) >> (unused + shift)
    return taken
