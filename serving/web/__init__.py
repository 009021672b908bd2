"""The page: an image in, what the model says out, by browser or as JSON; imports no TensorFlow."""

from serving.web.application import create_app
from serving.web.config import WebConfig

__all__ = ["WebConfig", "create_app"]
