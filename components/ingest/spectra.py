"""The lowest frequencies of signatures, by which most pairs are ruled out."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from imaging.signature import SIGNATURE_SHAPE

_LOW = 8
"""Even and odd frequencies along each axis that pairs are ruled out by."""
_CHUNK = 64
"""Signatures that are held as float32 at a time."""

_Floats = np.ndarray[Any, np.dtype[np.float32]]
_Positions = np.ndarray[Any, np.dtype[np.int64]]
_Signatures = np.ndarray[Any, np.dtype[np.int8]]


def spectra_of(signatures: _Signatures, rows: _Positions) -> _Floats:
    """The lowest frequencies of some of the signatures, scaled to unit norm.

    Args:
        signatures: int8 [images, 80, 80].
        rows: Which.

    Returns:
        float32 [rows, 4, 8, 8]: the coefficients that neither flip changes, that both change,
        that only the flip of the columns does, and that only the flip of the rows does. The first,
        which the mean would take, is the norm of all that is left out, so that no sum of products
        of two signatures is less than their correlation.
    """
    from scipy.fft import dct

    basis = dct(np.eye(SIGNATURE_SHAPE[0]), axis=0, norm="ortho")[: 2 * _LOW].astype(np.float32)
    out = np.empty((len(rows), 4, _LOW, _LOW), np.float32)
    for start in range(0, len(rows), _CHUNK):
        whole = signatures[rows[start : start + _CHUNK]].astype(np.float32)
        power = np.einsum("nij,nij->n", whole, whole)
        low = basis @ whole @ basis.T
        low[:, 0, 0] = 0
        rest = power - np.einsum("nij,nij->n", low, low)
        low[:, 0, 0] = np.sqrt(np.maximum(rest, 0))
        low /= np.sqrt(np.where(power > 0, power, 1))[:, None, None]
        parts = (low[:, ::2, ::2], low[:, 1::2, 1::2], low[:, ::2, 1::2], low[:, 1::2, ::2])
        out[start : start + _CHUNK] = np.stack(parts, axis=1)
    return out


def transposed(spectra: _Floats) -> _Floats:
    """The spectra of the transposed signatures.

    Args:
        spectra: As from `spectra_of`.
    """
    swapped: _Floats = spectra[:, [0, 1, 3, 2]].swapaxes(2, 3)
    return swapped


def orientations(spectra: _Floats) -> Iterator[_Floats]:
    """The spectra of the signatures in each of the eight orientations.

    Args:
        spectra: As from `spectra_of`.
    """
    for turned in (spectra, transposed(spectra)):
        for vertical, horizontal in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
            signs = (1, vertical * horizontal, horizontal, vertical)
            yield turned * np.array(signs, np.float32)[:, None, None]
