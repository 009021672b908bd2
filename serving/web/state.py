"""What one application holds: its configuration, its model and its metrics."""

from dataclasses import dataclass
from typing import cast

from flask import current_app

from serving.web.config import WebConfig
from serving.web.metrics import Metrics
from serving.web.model import Model

KEY = "brain_mri"


@dataclass(frozen=True)
class State:
    """What requests share.

    Attributes:
        config: The configuration.
        model: The model.
        metrics: What is counted.
    """

    config: WebConfig
    model: Model
    metrics: Metrics


def state() -> State:
    """What the application of this request holds."""
    return cast(State, current_app.extensions[KEY])
