"""What can be chosen about the page, and the environment variables that choose it."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import limits
from pydantic import Field, SecretStr, ValidationError, field_validator

from components.errors import UsageError
from components.servable import MODEL_NAME
from components.strict_config import StrictConfig
from components.validation import refusals

_PREFIX = "MRI_WEB_"
_TOKEN = re.compile(r"[!-~]+")
_NAME = re.compile(r"\.?[\w-]+(\.[\w-]+)*")
_OWN_NAMES = {"secret_key": "SECRET_KEY", "token": "MRI_SERVER_TOKEN"}


class WebConfig(StrictConfig):
    """The page.

    Attributes:
        secret_key: Signs the session that holds the form's token; 16 characters or more.
        hosts: Names by which people reach the page, with commas between; `.example.org` stands for
            all below it. Addresses in numbers and localhost need none.
        server: The model server's REST address.
        model: The model's name there.
        token: A bearer token for the proxy in front of the model server.
        model_card: http(s) address of a model card, linked where a version's own is not at hand.
        models: The folder of the served versions, whose cards and reports are shown.
        examples: A folder of synthetic images, as `mri data sample` makes it.
        max_files: Most images in one form or request; the page's script sends more in several.
        max_file_bytes: Most bytes of one image.
        max_request_bytes: Most bytes of one request.
        max_pixels: Most pixels of one image.
        max_frames: Most frames or slices of one file, or files of one series.
        rate: How often one address may send images to be judged, as Flask-Limiter reads it.
        view_rate: How often it may ask for frames to look at; no model is asked.
        at_once: Requests that are worked on at the same time; others wait.
        wait: Seconds that a request waits for its turn before it is refused.
        timeout: Seconds that the model server has for an answer.
        https: Whether people reach the page over TLS: cookies are then sent over TLS only.
        proxies: Reverse proxies in front, whose X-Forwarded headers are believed.
    """

    secret_key: SecretStr = Field(min_length=16)
    hosts: tuple[str, ...] = ()
    server: str = "http://127.0.0.1:8501"
    model: str = MODEL_NAME
    token: SecretStr | None = None
    model_card: str | None = None
    models: Path | None = None
    examples: Path | None = None
    max_files: int = Field(20, ge=1)
    max_file_bytes: int = Field(20_000_000, ge=1)
    max_request_bytes: int = Field(40_000_000, ge=1)
    max_pixels: int = Field(25_000_000, ge=1)
    max_frames: int = Field(256, ge=1)
    rate: str = "120 per minute"
    view_rate: str = "1200 per minute"
    at_once: int = Field(4, ge=1)
    wait: float = Field(20.0, gt=0)
    timeout: float = Field(30.0, gt=0)
    https: bool = False
    proxies: int = Field(0, ge=0, le=5)

    @field_validator("server", "model_card")
    @classmethod
    def _is_url(cls, value: str | None) -> str | None:
        if value is None:
            return value
        if not value.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        try:
            parts = urlsplit(value)
            usable = bool(parts.hostname) and parts.port != 0
        except ValueError:  # it quotes the address
            usable = False
        if not usable:
            raise ValueError("must be an address such as https://mri.example.org:8501")
        if "@" in parts.netloc:
            raise ValueError(
                "must not contain a password, because anyone may see it; use MRI_SERVER_TOKEN"
            )
        return value

    @field_validator("server")
    @classmethod
    def _is_no_query(cls, value: str) -> str:
        if "?" in value or "#" in value:
            raise ValueError("must not contain ? or #, because paths are added to it")
        return value

    @field_validator("token")
    @classmethod
    def _fits_a_header(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _TOKEN.fullmatch(value.get_secret_value()):
            raise ValueError("must be letters, digits and signs, without spaces and line breaks")
        return value

    @field_validator("hosts", mode="before")
    @classmethod
    def _are_names(cls, value: str | tuple[str, ...]) -> tuple[str, ...]:
        parts = value.split(",") if isinstance(value, str) else value
        names = tuple(name for part in parts if (name := part.strip().lower()))
        if not all(map(_NAME.fullmatch, names)):
            raise ValueError("must be names such as mri.example.org, separated by commas")
        return names

    @field_validator("rate", "view_rate")
    @classmethod
    def _is_rate(cls, value: str) -> str:
        try:
            limits.parse_many(value)
        except ValueError:
            raise ValueError("must be a rate such as 120 per minute") from None
        return value

    @property
    def most_at_once(self) -> int:
        """Most images that the page's script takes at once: as many as a series may have."""
        return max(self.max_files, self.max_frames)

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] = os.environ, **values: str | None
    ) -> "WebConfig":
        """Reads SECRET_KEY, MRI_SERVER_TOKEN and MRI_WEB_NAME for any other setting.

        Args:
            environment: The variables.
            **values: Settings that go before the environment; None: not given.

        Returns:
            The configuration.

        Raises:
            PipelineError: SECRET_KEY is missing, or a value is wrong; the text holds no value.
        """
        variables = {field: environment.get(variable(field)) for field in cls.model_fields}
        found = {field: text for field, text in variables.items() if text}
        found |= {name: value for name, value in values.items() if value is not None}
        if "secret_key" not in found:
            raise UsageError("The page needs a secret: set SECRET_KEY to a long random text.")
        try:
            return cls.model_validate(found)
        except ValidationError as error:
            wrong = refusals(error, cls, name=variable, secret=cls.model_fields)
            raise UsageError(f"The page's settings are wrong: {wrong}") from None


def variable(field: str) -> str:
    """The environment variable of a setting."""
    return _OWN_NAMES.get(field, f"{_PREFIX}{field.upper()}")
