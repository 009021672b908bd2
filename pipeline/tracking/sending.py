"""Sends runs to an MLflow server: each once, and again when something became of it."""

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import ml_metadata as mlmd

from components.counted import counted
from components.errors import UsageError
from components.servable import DEFAULT_SIGNATURE, SAVED_MODEL_FILE
from components.whole_file import whole_file
from pipeline.tracking.content import RUN_TAG, TrackedRun, TrackedVersion, tracked_runs
from pipeline.tracking_config import checked_uri
from pipeline.work import Work

URI_VARIABLE = "MLFLOW_TRACKING_URI"
"""MLflow's own name for its server's address."""

_SECONDS = 10
"""That the server may take for an answer; a run must not wait for it."""
_VERSION_TAG = "mri.version"
_SERVED = "served"
"""The alias of the registered version that is served now."""
_BATCH = 100
"""Of metrics, parameters or tags in a request; MLflow takes no more of the latter two."""
_LONGEST = 5000
"""Characters of a tag or parameter that MLflow keeps, some versions with a few more."""
_LOCAL = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": str(_SECONDS),
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
"""MLflow's settings, unless the environment has others: no waiting, no telemetry, no noise."""

_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Tracking:
    """Where the runs of a work folder are sent, and what was sent.

    Attributes:
        uri: The server's address.
        sent: Digests of what was sent, by run.
    """

    uri: str
    sent: Mapping[str, str] = field(default_factory=dict)


def tracking_uri(setting: str | None = None) -> str | None:
    """The address that a setting or the environment names.

    Args:
        setting: The configuration's.

    Returns:
        The address; None where none is named.

    Raises:
        UsageError: The environment's is not an address of a server, or MLflow is not installed.
    """
    uri = setting or os.environ.get(URI_VARIABLE)
    if not uri:
        return None
    try:
        checked = checked_uri(uri)
    except ValueError as error:
        raise UsageError(f"{URI_VARIABLE} cannot be used: {error}.") from None
    _mlflow()
    return checked


def track(
    store: mlmd.MetadataStore, work: Work, uri: str | None, say: Callable[[str], None]
) -> None:
    """Sends what an MLflow server does not have yet, of this run and of earlier ones.

    Nothing that goes wrong here is an error of the run: it is said, and sent the next time.

    Args:
        store: ML Metadata.
        work: The work folder, held.
        uri: The server's address; None for the one that was named last, if any.
        say: Is told, in a line, what came of it.
    """
    known = _read(work)
    if uri is not None and (known is None or known.uri != uri):
        known = Tracking(uri)
    if known is None:
        return
    sent, waiting = dict(known.sent), list[tuple[TrackedRun, str]]()
    try:
        _write(work, known)  # a decision sends to where the last run did
        waiting += (
            (run, digest)
            for run in tracked_runs(store, work)
            if sent.get(run.run) != (digest := run.digest)
        )
        if not waiting:
            return
        with _quiet():
            _answers(known.uri)
            sender = _Sender(known.uri)
            for run, digest in waiting:
                sender.send(run)
                sent[run.run] = digest
                _write(work, Tracking(known.uri, sent))
    except Exception as error:  # noqa: BLE001 - the run has ended well, whatever MLflow raises
        left = sum(sent.get(run.run) != digest for run, digest in waiting)
        say(
            f"MLflow at {known.uri} did not take {left} of {counted(len(waiting), 'run')} "
            f"({_told(error)}): they are sent with the next run"
        )
        return
    say(f"sent to MLflow at {known.uri}: {', '.join(run.run for run, _ in waiting)}")


def is_tracked(work: Work) -> bool:
    """Whether the runs of a work folder have been sent anywhere.

    Args:
        work: The work folder.
    """
    return _file(work).exists()


class _Sender:
    """Writes runs to a server, each under its own id, however often."""

    def __init__(self, uri: str) -> None:
        mlflow = _mlflow()
        self._client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
        self._mlflow = mlflow

    def send(self, run: TrackedRun) -> None:
        """Creates a run, or brings it up to date."""
        client = self._client
        identity = self._run_of(run)
        entities = self._mlflow.entities
        tags = [entities.RunTag(k, v[:_LONGEST]) for k, v in run.tags.items()]
        parameters = [entities.Param(k, v[:_LONGEST]) for k, v in run.parameters.items()]
        metrics = [entities.Metric(one.name, one.value, run.ended, one.step) for one in run.metrics]
        for some in _batches(tags):
            client.log_batch(identity, tags=some)
        for some in _batches(parameters):
            client.log_batch(identity, params=some)
        for some in _batches(metrics):
            client.log_batch(identity, metrics=some)
        for file in run.files:
            client.log_artifact(identity, str(file), "report")
        if run.saved_model is not None and (run.saved_model / SAVED_MODEL_FILE).is_file():
            client.log_text(identity, self._described(run, identity), "model/MLmodel")
            for version in run.versions:
                self._register(run, identity, version)
        client.set_terminated(identity, "FAILED" if run.failed else "FINISHED", run.ended)

    def _run_of(self, run: TrackedRun) -> str:
        client = self._client
        experiment = client.get_experiment_by_name(run.pipeline)
        where = experiment.experiment_id if experiment else client.create_experiment(run.pipeline)
        found = client.search_runs([where], f"tags.`{RUN_TAG}` = '{run.run}'", max_results=1)
        if found:
            return str(found[0].info.run_id)
        made = client.create_run(where, run.started, {RUN_TAG: run.run}, run_name=run.run)
        return str(made.info.run_id)

    def _register(self, run: TrackedRun, identity: str, version: TrackedVersion) -> None:
        """Lists a served version among the registered models."""
        client, name = self._client, run.pipeline
        if not client.search_registered_models(f"name = '{name}'"):
            client.create_registered_model(name)
        known = {
            one.tags.get(_VERSION_TAG): one
            for one in client.search_model_versions(f"name='{name}'")
        }
        listed = known.get(version.version)
        if listed is None:
            listed = client.create_model_version(
                name,
                f"runs:/{identity}/model",
                identity,
                tags={_VERSION_TAG: version.version, RUN_TAG: run.run},
                description=f"Pushed as version {version.version}.",
            )
        if version.served:
            client.set_registered_model_alias(name, _SERVED, str(listed.version))

    def _described(self, run: TrackedRun, identity: str) -> str:
        """The model's signature as MLflow's MLmodel file has it; the SavedModel stays here."""
        from mlflow.models import Model, ModelSignature
        from mlflow.types import Schema, TensorSpec

        assert run.saved_model is not None
        inputs, outputs = _signature(run.saved_model)

        def schema(tensors: Mapping[str, Any]) -> Any:
            return Schema(
                [TensorSpec(kind, shape, name) for name, (kind, shape) in tensors.items()]
            )

        described = Model(
            artifact_path="model",
            run_id=identity,
            signature=ModelSignature(inputs=schema(inputs), outputs=schema(outputs)),
            metadata={"versions": [one.version for one in run.versions], RUN_TAG: run.run},
        )
        return str(described.to_yaml())


def _signature(saved_model: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Inputs and outputs of what is asked where no signature is named: dtype and shape by name."""
    import numpy as np
    import tensorflow as tf
    from tensorflow.core.protobuf import saved_model_pb2

    graph = saved_model_pb2.SavedModel.FromString((saved_model / SAVED_MODEL_FILE).read_bytes())
    signature = graph.meta_graphs[0].signature_def[DEFAULT_SIGNATURE]

    def tensors(named: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: (
                np.dtype(tf.as_dtype(one.dtype).as_numpy_dtype),
                tuple(dim.size for dim in one.tensor_shape.dim),
            )
            for name, one in sorted(named.items())
        }

    return tensors(signature.inputs), tensors(signature.outputs)


def _answers(uri: str) -> None:
    """Raises whatever there is to say if the server does not answer."""
    _mlflow().MlflowClient(tracking_uri=uri).search_experiments(max_results=1)


def _mlflow() -> Any:
    for name, value in _LOCAL.items():
        os.environ.setdefault(name, value)
    try:
        import mlflow
    except ImportError as error:
        raise UsageError(
            f"{URI_VARIABLE} (tracking_uri) is set, and MLflow is not installed: install this "
            "project with the extra `mlflow`."
        ) from error
    return mlflow


@contextmanager
def _quiet() -> Iterator[None]:
    """MLflow's own client must not write its lines between ours."""
    logger = logging.getLogger("mlflow")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _batches(items: Sequence[_Item]) -> Iterator[list[_Item]]:
    rest = iter(items)
    while some := list(islice(rest, _BATCH)):
        yield some


def _told(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].strip().rstrip(".")[:200]


def _read(work: Work) -> Tracking | None:
    try:
        content = json.loads(_file(work).read_bytes())
        return Tracking(checked_uri(str(content["uri"])), dict(content["sent"]))
    except (OSError, ValueError, KeyError, TypeError):  # all is sent again, which doubles nothing
        return None


def _write(work: Work, tracking: Tracking) -> None:
    with whole_file(_file(work)) as file:
        content = {"uri": tracking.uri, "sent": dict(sorted(tracking.sent.items()))}
        file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _file(work: Work) -> Path:
    return work.root / "tracking.json"
