"""What one application holds: its configuration, examples, model and metrics."""

from dataclasses import dataclass
from typing import cast

from flask import current_app

from serving.web.config import WebConfig
from serving.web.examples import Examples
from serving.web.metrics import PageMetrics
from serving.web.model import ServedModel

KEY = "brain_mri"


@dataclass(frozen=True)
class PageState:
    """What requests share.

    Attributes:
        config: The configuration.
        examples: Images to try it with.
        model: The model.
        metrics: What is counted.
    """

    config: WebConfig
    examples: Examples
    model: ServedModel
    metrics: PageMetrics


def state() -> PageState:
    """What the application of this request holds."""
    return cast(PageState, current_app.extensions[KEY])
