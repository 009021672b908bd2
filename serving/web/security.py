"""What keeps the page safe: headers, the form's token, and how often it may be asked."""

import ipaddress
import logging
import time
from collections.abc import Sequence
from http import HTTPStatus
from urllib.parse import urlsplit

from flask import Flask, Response, request
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_talisman import Talisman
from flask_wtf import CSRFProtect
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.sansio.utils import host_is_trusted

from serving.web.config import WebConfig
from serving.web.health import health
from serving.web.problems import ProblemError
from serving.web.state import state

limiter = Limiter(get_remote_address, storage_uri="memory://")
csrf = CSRFProtect()
talisman = Talisman()
_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data: blob:",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}


def sending_rate() -> str:
    """How often images may be sent to be judged."""
    return state().config.rate


def viewing_rate() -> str:
    """How often frames may be asked for."""
    return state().config.view_rate


def secure(app: Flask, config: WebConfig) -> None:
    """Sets an application's headers, cookies, form tokens, limits and names."""

    @app.before_request
    def _demand_known_name() -> None:
        # Probes come by any name, and are told nothing of images.
        if request.blueprint != health.name and not _is_known(request.host, config.hosts):
            raise ProblemError(
                400,
                "The page does not answer to this name. If the name is right, whoever runs the "
                "page must add it to MRI_WEB_HOSTS.",
            )

    @app.after_request
    def _say_when_to_come_back(response: Response) -> Response:
        limit = limiter.current_limit
        if response.status_code == HTTPStatus.TOO_MANY_REQUESTS and limit is not None:
            response.headers["Retry-After"] = str(max(1, int(limit.reset_at - time.time())))
        return response

    app.config.update(
        SECRET_KEY=config.secret_key.get_secret_value(),
        MAX_CONTENT_LENGTH=config.max_request_bytes,
        MAX_FORM_MEMORY_SIZE=1_000_000,
        MAX_FORM_PARTS=config.max_files + 20,
        SESSION_COOKIE_NAME="mri",
        # A page may stay open all day; the token ends with the browser's session.
        WTF_CSRF_TIME_LIMIT=None,
        # Over TLS a Referer would be demanded, which the policy below keeps browsers from sending.
        WTF_CSRF_SSL_STRICT=False,
    )
    # What it tells of a refused request is the sender's address.
    logging.getLogger("flask-limiter").setLevel(logging.WARNING)
    limiter.init_app(app)
    csrf.init_app(app)
    talisman.init_app(
        app,
        force_https=False,
        strict_transport_security=config.https,
        session_cookie_secure=config.https,
        session_cookie_samesite="Strict",
        content_security_policy=_POLICY,
        referrer_policy="no-referrer",
        permissions_policy={"camera": "()", "geolocation": "()", "microphone": "()"},
        frame_options="DENY",
    )
    if config.proxies:
        count = config.proxies
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=count, x_proto=count, x_host=count
        )


def _is_known(host: str, names: Sequence[str]) -> bool:
    """Whether nobody else's name leads here: a page of theirs could read this one's.

    Args:
        host: As the visitor's browser names it; empty if it is nonsense.
        names: Those that the page has besides this machine's.
    """
    try:
        ipaddress.ip_address(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return host_is_trusted(host.lower(), ["localhost", ".localhost", *names])
    return True
