"""What can be chosen about the node: one YAML file."""

import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator

from components.errors import UsageError
from components.servable import MODEL_NAME
from components.strict_config import StrictConfig
from components.validation import refusals
from components.yaml_text import YamlTextError, read_mapping_of


def _is_title(value: str) -> str:
    if not re.fullmatch(r"[ -\[\]-~]{1,16}", value) or not value.strip():
        raise ValueError("must be an AE title: 1 to 16 ASCII characters without a backslash")
    return value.strip()


def _is_pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"must be a regular expression ({error})") from None
    return value


def _is_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username:
        raise ValueError("must be a plain address such as https://pacs.example.org/dicom-web")
    return value.rstrip("/")


Title = Annotated[str, AfterValidator(_is_title)]
Pattern = Annotated[str, AfterValidator(_is_pattern)]
Url = Annotated[str, AfterValidator(_is_url)]
Port = Annotated[int, Field(ge=1, le=65_535)]


class TlsConfig(StrictConfig):
    """Certificates of one side of a connection, PEM files.

    Attributes:
        certificate: This node's certificate.
        key: Its private key; default: in the same file.
        ca: The authorities that vouch for the other side. A listener with them demands a
            certificate of whoever sends.
    """

    certificate: Path | None = None
    key: Path | None = None
    ca: Path | None = None


class RequesterConfig(StrictConfig):
    """Whoever may ask for storage commitment, and where it is told what is safe.

    Attributes:
        ae_title: Its AE title, as it calls itself when it asks.
        host: Its address.
        port: Its port.
        tls: Certificates; without them the answer goes unencrypted.
    """

    ae_title: Title
    host: str
    port: Port
    tls: TlsConfig | None = None


class ListenConfig(StrictConfig):
    """The C-STORE listener.

    Attributes:
        ae_title: What the node is called.
        host: Address to listen at.
        port: Port to listen at; 0 takes a free one.
        allowed: AE titles that may send; an association of any other is refused.
        tls: Certificates; without them DICOM goes unencrypted.
        associations: How many may be open at once; more are refused for a while.
        commitment: Who may ask for storage commitment, of those in `allowed`.
    """

    ae_title: Title = "BRAIN_MRI"
    host: str = "127.0.0.1"
    port: int = Field(11_112, ge=0, le=65_535)
    allowed: tuple[Title, ...] = Field(min_length=1)
    tls: TlsConfig | None = None
    associations: int = Field(32, ge=1, le=500)
    commitment: tuple[RequesterConfig, ...] = ()

    @model_validator(mode="after")
    def _are_let_in(self) -> "ListenConfig":
        if strangers := {one.ae_title for one in self.commitment} - {*self.allowed}:
            raise ValueError(f"commitment names {sorted(strangers)}, which allowed does not")
        return self


class ModelServerConfig(StrictConfig):
    """The model server.

    Attributes:
        server: Its address, as `serving.client` takes it.
        name: The model's name there.
        folder: The folder of its versions, where the model card lies that an answer names by its
            digest; default: answers say that the card is not known.
        timeout: Seconds for one request.
        batch_size: Slices in one request.
        key_slices: How many slices of a series are shown with their heat; 0 for none.
        healthy_class: The class that means that nothing was found: key slices are those where it is
            least likely.
    """

    server: str = "localhost:8500"
    name: str = MODEL_NAME
    folder: Path | None = None
    timeout: float = Field(60.0, gt=0, le=3600)
    batch_size: int = Field(16, ge=1, le=512)
    key_slices: int = Field(3, ge=0, le=16)
    healthy_class: str = "notumor"


class RuleConfig(StrictConfig):
    """Which series are read; one that fits a rule is. See `serving.pacs.rules`.

    Attributes:
        name: What the rule is called where its choices are recorded.
        modality: The series' modality.
        origin: `original` or `derived` images (ImageType), or `any`.
        localizer: Whether localizers fit, too.
        planes: Planes that fit; an empty list takes all, and those without geometry.
        least_slices: A series of fewer does not fit.
        most_slices: A series of more does not fit.
        contrast: `with` or `without` contrast agent, or `any`.
        description: Regular expression that the series' description must hold, in any case.
        not_description: One that it must not hold.
    """

    name: str = Field("default", max_length=64)
    modality: str = "MR"
    origin: Literal["original", "derived", "any"] = "original"
    localizer: bool = False
    planes: tuple[Literal["axial", "coronal", "sagittal"], ...] = ("axial", "coronal", "sagittal")
    least_slices: int = Field(8, ge=1)
    most_slices: int = Field(512, ge=1)
    contrast: Literal["with", "without", "any"] = "any"
    description: Pattern | None = None
    not_description: Pattern | None = None


class RetryConfig(StrictConfig):
    """How what failed is tried again.

    Attributes:
        first: Seconds until the second try; each further wait is twice as long.
        longest: Seconds that a wait may take.
        attempts: After so many tries an answer becomes a dead letter, and `mri pacs retry` alone
            tries again. A model server is waited for without end.
    """

    first: float = Field(5.0, gt=0)
    longest: float = Field(900.0, gt=0)
    attempts: int = Field(50, ge=1)

    def wait(self, attempts: int) -> float:
        """Seconds to wait after so many failed tries."""
        return min(self.longest, self.first * 2.0 ** min(attempts - 1, 60))


class DestinationConfig(StrictConfig):
    """Where answers go: by C-STORE to `ae_title`, `host` and `port`, or by STOW-RS to `url`.

    Attributes:
        name: What it is called in logs and metrics.
        ae_title: The archive's AE title.
        host: Its address.
        port: Its port.
        tls: Certificates for C-STORE over TLS.
        url: Its DICOMweb address, instead of the others.
        token: Bearer token for that.
    """

    name: str = Field(pattern=r"[A-Za-z0-9_-]{1,32}")
    ae_title: Title | None = None
    host: str | None = None
    port: Port | None = None
    tls: TlsConfig | None = None
    url: Url | None = None
    token: SecretStr | None = None

    @model_validator(mode="after")
    def _is_one_kind(self) -> "DestinationConfig":
        by_store = (self.ae_title, self.host, self.port)
        if (None not in by_store) if self.url is None else not any(by_store):
            return self
        raise ValueError("must have either ae_title, host and port, or url")


class PollConfig(StrictConfig):
    """A DICOMweb server that is asked for new studies, and whose MR images are fetched.

    Attributes:
        url: Its address.
        token: Bearer token for it.
        seconds: How often it is asked.
        days: Studies of so many days, up to today, are looked at; at most `keep.days`.
        filters: More of the question (QIDO-RS), such as `ModalitiesInStudy: MR`.
    """

    url: Url
    token: SecretStr | None = None
    seconds: float = Field(60.0, gt=0)
    days: int = Field(2, ge=1, le=36_500)
    filters: dict[str, str] = {"ModalitiesInStudy": "MR"}


class KeepConfig(StrictConfig):
    """How much the spool may hold.

    Attributes:
        days: Days after which a delivered or skipped study is removed.
        failed_days: Days after which a failed study is removed, that nobody has dealt with.
        bytes: Most bytes of all studies and their answers together; beyond, new images are refused
            (A700).
        instances: Most images of one study; more are refused.
        instance_bytes: Most bytes of one image.
    """

    days: float = Field(7.0, gt=0)
    failed_days: float = Field(90.0, gt=0)
    bytes: int = Field(50_000_000_000, ge=1)
    instances: int = Field(10_000, ge=1)
    instance_bytes: int = Field(2_000_000_000, ge=1)


class PacsConfig(StrictConfig):
    """The node.

    Attributes:
        spool: The folder that holds all that it must not lose.
        stable_seconds: A study is complete when nothing came for so long.
        listen: The listener.
        model: The model server.
        series: Rules that choose series.
        destinations: Where answers go.
        poll: Servers that are asked for studies, beside those that are sent.
        retry: How deliveries are tried again.
        keep: How much the spool holds.
        http_port: Port on this machine for `/metrics` and `/healthz`; default: none.
    """

    spool: Path
    stable_seconds: float = Field(60.0, gt=0)
    listen: ListenConfig
    model: ModelServerConfig = ModelServerConfig()
    series: tuple[RuleConfig, ...] = Field((RuleConfig(),), min_length=1)
    destinations: tuple[DestinationConfig, ...] = Field(min_length=1)
    poll: tuple[PollConfig, ...] = ()
    retry: RetryConfig = RetryConfig()
    keep: KeepConfig = KeepConfig()
    http_port: int | None = Field(None, ge=0, le=65_535)

    @model_validator(mode="after")
    def _are_distinct(self) -> "PacsConfig":
        names = [one.name for one in self.destinations]
        if len(set(names)) != len(names):
            raise ValueError("destinations must have different names")
        for one in self.poll:
            if one.days > self.keep.days:  # or what was removed would be fetched and answered anew
                raise ValueError(
                    f"poll.days ({one.days}) must be at most keep.days ({self.keep.days:g})"
                )
        return self

    def below(self, folder: Path) -> "PacsConfig":
        """The same settings, in which relative paths start at a folder."""

        def placed(tls: TlsConfig | None) -> TlsConfig | None:
            files = {} if tls is None else {n: folder / p for n, p in tls if p is not None}
            return None if tls is None else tls.model_copy(update=files)

        requesters = (
            one.model_copy(update={"tls": placed(one.tls)}) for one in self.listen.commitment
        )
        listen = {"tls": placed(self.listen.tls), "commitment": tuple(requesters)}
        model = self.model
        if model.folder is not None:
            model = model.model_copy(update={"folder": folder / model.folder})
        return self.model_copy(
            update={
                "spool": folder / self.spool,
                "model": model,
                "listen": self.listen.model_copy(update=listen),
                "destinations": tuple(
                    one.model_copy(update={"tls": placed(one.tls)}) for one in self.destinations
                ),
            }
        )

    @classmethod
    def read(cls, path: Path) -> "PacsConfig":
        """Reads the file; relative paths in it start at its folder.

        Raises:
            UsageError: It cannot be read, or a setting is wrong.
        """
        try:
            found = cls.model_validate(read_mapping_of(path))
        except YamlTextError as error:
            raise UsageError(f"{path}{error}") from error
        except ValidationError as error:
            wrong = refusals(error, cls, secret=("destinations.token", "poll.token"))
            raise UsageError(f"{path}: {wrong}") from None
        return found.below(path.absolute().parent)
