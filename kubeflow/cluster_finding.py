"""A line of what was found on a cluster."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ClusterFinding:
    """What was found, and what to do if something is missing.

    Attributes:
        subject: What was looked at.
        sentence: What was found.
        state: `missing` if a run would fail, `unknown` if it could not be looked at.
    """

    subject: str
    sentence: str
    state: Literal["ok", "missing", "unknown"] = "ok"


class HiddenError(Exception):
    """Something could not be looked at; the message is the beginning of a sentence."""


class UnreachedError(Exception):
    """Kubernetes does not answer; the message is the end of a sentence."""
