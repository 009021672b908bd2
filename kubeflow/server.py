"""The API server of Kubeflow Pipelines: where it is, who asks, and a client that gives up in time.

Everything goes through kfp.Client. Only its transport is this project's: requests end after a
while, and what goes wrong is said in a sentence (kubeflow.refusals).
"""

import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import kfp
import kfp_server_api
import urllib3
from kfp.client import ServiceAccountTokenVolumeCredentials
from kfp_server_api.rest import RESTClientObject

from kubeflow.refusals import explain, not_json
from pipeline.config import ConfigError
from pipeline.environment import KFP_HOST, KFP_TOKEN

_IN_CLUSTER = "http://ml-pipeline.kubeflow.svc.cluster.local:8888"
_PAGE_SIZE = 100
_MOUNTED_TOKEN = Path("/var/run/secrets/kubeflow/pipelines/token")
"""Where Kubeflow's PodDefault mounts a pod's own token for Pipelines."""


@dataclass(frozen=True)
class ServerConfig:
    """How the API server is reached.

    Attributes:
        host: Its address, or that of its user interface, which hands requests on.
        namespace: The namespace of the runs, if Kubeflow has several users; else None.
        token: A bearer token, for where there is no file with one.
        token_file: A file with one, read for each request; a service account's in a pod.
        ca: The certificate of the authority behind the server's; None for the usual ones.
        timeout: Seconds that an answer may take.
    """

    host: str
    namespace: str | None = None
    token: str | None = field(default=None, repr=False)
    token_file: Path | None = None
    ca: Path | None = None
    timeout: int = 30

    @classmethod
    def read(
        cls, host: str | None, *, environment: Mapping[str, str] = os.environ, **given: Any
    ) -> "ServerConfig":
        """Adds what no flag says: a token, and what a pod has of its own.

        Args:
            host: The server's address; None for Kubeflow's own, which a pod knows.
            environment: The variables.
            **given: The other settings.

        Returns:
            The configuration.

        Raises:
            ConfigError: No server is named, or it is not an address.
        """
        in_pod = "KUBERNETES_SERVICE_HOST" in environment
        if host is None and in_pod:
            host = _IN_CLUSTER
        if not host:
            raise ConfigError(
                f"No Kubeflow Pipelines server is named: give --host or set {KFP_HOST}, for "
                "instance to http://localhost:8888 after "
                "`kubectl port-forward -n kubeflow svc/ml-pipeline 8888:8888`."
            )
        if not host.startswith(("http://", "https://")):
            raise ConfigError(f"--host {host!r} must begin with http:// or https://.")
        config = cls(host.rstrip("/"), token=environment.get(KFP_TOKEN) or None, **given)
        if in_pod and not config.token and not config.token_file and _MOUNTED_TOKEN.is_file():
            config = replace(config, token_file=_MOUNTED_TOKEN)
        return config


class Server:
    """A Kubeflow Pipelines server that has answered.

    Attributes:
        client: The client.
        config: How it is reached.
        namespace: The namespace of what is asked about; None where there is only one user.
    """

    def __init__(self, config: ServerConfig) -> None:
        """Connects, and makes sure that it is Kubeflow Pipelines which answers.

        Args:
            config: How it is reached.

        Raises:
            PipelineError: It does not answer, or is something else.
        """
        self.config = config
        with warnings.catch_warnings():
            # That the client is for version 2, each time.
            warnings.simplefilter("ignore", FutureWarning)
            self.client = _Client(config)
        healthz = self.client.get_kfp_healthz()
        self.namespace = config.namespace
        if self.namespace is None and healthz.multi_user:
            self.namespace = self.client.get_user_namespace() or None

    def listed(
        self, ask: Callable[..., Any], name: str, *, most: int = _PAGE_SIZE, **options: Any
    ) -> Iterator[Any]:
        """The entries of a list of the server's, the newest first, page by page.

        Args:
            ask: The client's method that asks for a page.
            name: What an answer calls the entries.
            most: How many are wanted.
            **options: What the method is told besides.
        """
        token = ""
        while True:
            page = ask(
                page_token=token,
                page_size=min(most, _PAGE_SIZE),
                sort_by="created_at desc",
                **options,
            )
            yield from getattr(page, name) or ()
            token = page.next_page_token
            if not token:
                return

    def run_page(self, run_id: str) -> str:
        """The address of a run's page in the user interface."""
        return f"{self.config.host}/#/runs/details/{run_id}"


class _Client(kfp.Client):
    """kfp.Client, on a transport of this project's."""

    def __init__(self, config: ServerConfig) -> None:
        self._config = config
        file = str(config.token_file) if config.token_file else None
        super().__init__(
            host=config.host,
            existing_token=None if file else config.token,
            credentials=ServiceAccountTokenVolumeCredentials(path=file) if file else None,
            ssl_ca_cert=str(config.ca) if config.ca else None,
        )
        self._use_own_transport()

    def get_kfp_healthz(
        self,
        sleep_duration: int = 5,  # noqa: ARG002 - kfp's: it tries five times
    ) -> kfp_server_api.V2beta1GetHealthzResponse:
        """Asks once whether the server is there."""
        self._use_own_transport()
        return self._healthz_api.healthz_service_get_healthz()

    def set_user_namespace(self, namespace: str) -> None:
        """Remembers a pod's namespace in memory; kfp would write it below the home folder."""
        self._context_setting["namespace"] = namespace

    def _use_own_transport(self) -> None:
        api_client = self._healthz_api.api_client
        if not isinstance(api_client.rest_client, _Transport):
            api_client.rest_client = _Transport(api_client.configuration, self._config)


class _Transport(RESTClientObject):  # type: ignore[misc, unused-ignore]
    """Sends requests that end in time, and raises what a person can read."""

    def __init__(self, configuration: kfp_server_api.Configuration, config: ServerConfig) -> None:
        # A request that was sent is never sent again: it may have been heard.
        configuration.retries = urllib3.Retry(connect=1, read=0, redirect=5, other=0)
        super().__init__(configuration)
        self._config = config

    def request(self, *arguments: Any, **options: Any) -> Any:
        """As the generated client's, but with a limit of time, and answers that are JSON."""
        options["_request_timeout"] = options.get("_request_timeout") or self._config.timeout
        try:
            response = super().request(*arguments, **options)
        except (urllib3.exceptions.HTTPError, kfp_server_api.ApiException) as error:
            raise explain(error, self._config.host, self._config.timeout) from error
        kind = response.getheader("content-type") or ""
        if "json" not in kind:
            raise not_json(kind, self._config.host)
        return response
