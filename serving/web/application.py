"""The application factory; `mri web` serves what it makes."""

from flask import Flask

from components.disclaimer import DISCLAIMER
from imaging.thumbnail import data_address
from serving.web import problems
from serving.web.api import api
from serving.web.caching import cache
from serving.web.config import WebConfig
from serving.web.documents import documents
from serving.web.examples import Examples
from serving.web.finding import percent, words
from serving.web.health import health
from serving.web.heat import heat_stops
from serving.web.metrics import PageMetrics
from serving.web.model import ServedModel
from serving.web.pages import pages
from serving.web.requests import follow
from serving.web.security import secure
from serving.web.series import file_answer, series
from serving.web.state import KEY, PageState
from serving.web.uploads import InMemoryRequest
from serving.web.viewing import viewing


def create_app(config: WebConfig | None = None) -> Flask:
    """Makes the page.

    Args:
        config: Its settings; None: those of the environment.

    Returns:
        A WSGI application.

    Raises:
        PipelineError: SECRET_KEY is missing, a setting is wrong, or the examples cannot be read.
    """
    config = config or WebConfig.from_environment()
    app = Flask("serving.web")
    app.request_class = InMemoryRequest
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters.update(
        percent=percent, words=words, data_address=data_address, file_answer=file_answer
    )
    app.jinja_env.globals.update(disclaimer=DISCLAIMER, heat_stops=heat_stops())
    metrics = PageMetrics()
    examples = Examples.read(config.examples)
    app.extensions[KEY] = PageState(config, examples, ServedModel(config), metrics)
    follow(app, metrics)
    secure(app, config)
    problems.register(app)
    for blueprint in (pages, series, documents, api, viewing, health):
        app.register_blueprint(blueprint)
    cache(app, examples)
    return app
