"""What one application holds: its configuration, examples, model and metrics."""

from dataclasses import dataclass
from typing import cast

from flask import Flask, current_app

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
    return state_of(current_app)


def state_of(app: Flask) -> PageState:
    """What an application holds."""
    return cast(PageState, app.extensions[KEY])
