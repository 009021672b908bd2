"""Calls other DICOM programs: the entity that does so, and what they may make of a call."""

from collections.abc import Iterable
from typing import Any

from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE

_TIMEOUT = 30
"""Seconds that the other side may take for each step."""


def caller(ae_title: str, kinds: Iterable[str]) -> AE:
    """An entity that calls others.

    Args:
        ae_title: What it calls itself.
        kinds: UIDs of the SOP classes that it offers, each in both uncompressed little endian
            syntaxes.
    """
    entity = AE(ae_title=ae_title)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = _TIMEOUT
    entity.connection_timeout = _TIMEOUT
    for kind in kinds:
        entity.add_requested_context(kind, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
    return entity


def why_not(association: Any) -> str:
    """Why an association was not established, as the end of a sentence about the other side."""
    return "refuses the association" if association.is_rejected else "cannot be reached"
