"""Which models there are: what ML Metadata knows of each, from its training to its serving."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as pb

from components.errors import PipelineError
from components.evaluate.report.card import CARD_JSON, Decision, ModelCard
from components.evaluate.ruled_out import withdrawn_models
from components.evaluate.verdict import CURRENT_MODEL_ID
from components.push.pushed import PUSHED_VERSION, WAITING
from pipeline.orchestration import (
    MODEL_ID,
    PIPELINE_CONTEXT_TYPE_NAME,
    PIPELINE_RUN_CONTEXT_TYPE_NAME,
    ModelBlessing,
    ModelReport,
    PredictionsFile,
    PushedModel,
    path_utils,
)

DECISION_TYPE = "ModelDecision"
"""The type of the executions that record what people decided."""

DECISION_PROPERTIES = tuple(Decision.model_fields)
"""The properties of such an execution that are text."""


@dataclass(frozen=True)
class Model:
    """A model, and what became of it.

    Attributes:
        artifact: The Model artifact.
        run: The run that trained it.
        runs: All runs that it took part in, cached or not, the oldest first.
        pipeline: The pipeline's name, which is the served model's too.
        blessed: Whether its last evaluation blessed it; None where there is none.
        report: Its last report, if there is one.
        predictions: Its last predictions, if there are any.
        versions: What it was pushed as, the lowest first.
        waiting: Whether Pusher, when it last had it, let it wait for a person.
        withdrawn: Whether a person has decided against it.
        decisions: What people decided, the oldest first.
    """

    artifact: pb.Artifact
    run: str
    runs: tuple[str, ...]
    pipeline: str
    blessed: bool | None = None
    report: pb.Artifact | None = None
    predictions: pb.Artifact | None = None
    versions: tuple[str, ...] = ()
    waiting: bool = False
    withdrawn: bool = False
    decisions: tuple[Decision, ...] = field(default=())

    @property
    def made(self) -> datetime:
        """When it was trained, UTC."""
        return datetime.fromtimestamp(self.artifact.create_time_since_epoch / 1000, tz=timezone.utc)

    @property
    def saved_model(self) -> Path:
        """The SavedModel's folder."""
        return Path(path_utils.serving_model_path(self.artifact.uri))

    @property
    def card(self) -> ModelCard | None:
        """Its card, if its report is still there."""
        if self.report is None or not (Path(self.report.uri) / CARD_JSON).is_file():
            return None
        return ModelCard.read(Path(self.report.uri))

    def figure(self, name: str) -> float | None:
        """A headline figure from its report, or None."""
        if self.report is None or name not in self.report.custom_properties:
            return None
        return float(self.report.custom_properties[name].double_value)

    @property
    def undecided(self) -> bool:
        """Whether it waits for a person, and nothing has become of it meanwhile."""
        return self.waiting and bool(self.blessed) and not self.versions and not self.decisions

    def state(self, served: str | None) -> str:
        """What it is, in a word or two.

        Args:
            served: The version that is served now.

        Returns:
            Such as `served`, `waits for review`, `rejected`.
        """
        if served is not None and served in self.versions:
            return "served"
        if self.decisions and self.decisions[-1].decision == "rejected":
            return "rejected"
        if self.undecided:
            return "waits for review"
        if self.versions:
            return "pushed"
        return "not evaluated" if self.blessed is None else "blessed" if self.blessed else "refused"


def read_models(store: mlmd.MetadataStore) -> list[Model]:
    """Reads all models.

    Args:
        store: ML Metadata.

    Returns:
        The models, the oldest first.
    """
    reports = _latest(store, ModelReport.TYPE_NAME, MODEL_ID)
    predictions = _latest(store, PredictionsFile.TYPE_NAME, MODEL_ID)
    blessings = _latest(store, ModelBlessing.TYPE_NAME, CURRENT_MODEL_ID)
    pushed, waiting = _pushes(store)
    withdrawn = withdrawn_models(_of_type(store, ModelBlessing.TYPE_NAME))
    decisions = _decisions(store)
    models = sorted(_live(store, "Model"), key=lambda artifact: artifact.id)
    return [
        Model(
            artifact=artifact,
            run=(runs := _names(store, artifact.id, PIPELINE_RUN_CONTEXT_TYPE_NAME))[0],
            runs=tuple(runs),
            pipeline=_names(store, artifact.id, PIPELINE_CONTEXT_TYPE_NAME)[0],
            blessed=bool(blessings[artifact.id].custom_properties["blessed"].int_value)
            if artifact.id in blessings
            else None,
            report=reports.get(artifact.id),
            predictions=predictions.get(artifact.id),
            versions=tuple(sorted(set(pushed.get(artifact.id, ())), key=int)),
            waiting=artifact.id in waiting,
            withdrawn=artifact.id in withdrawn,
            decisions=tuple(decisions.get(artifact.id, ())),
        )
        for artifact in models
    ]


def find_model(models: Iterable[Model], name: str | None) -> Model:
    """Finds a model.

    Args:
        models: All there are.
        name: A run, the start of one, or a version; None for the newest model.

    Returns:
        The model.

    Raises:
        PipelineError: There is none, or more than one.
    """
    known = list(models)
    if not known:
        raise PipelineError("There is no model yet: run `mri run` first.")
    if name is None:
        return known[-1]
    exact = [model for model in known if name in model.versions or name in model.runs]
    begun = [model for model in known if any(run.startswith(name) for run in model.runs)]
    found = exact or begun
    if not found:
        newest = known[-1]
        raise PipelineError(
            f"No run or version is named {name!r}. The newest run with a model is "
            f"{newest.runs[-1]}; `mri models list` shows all."
        )
    if len(found) > 1:
        runs = ", ".join(model.run for model in found)
        raise PipelineError(f"{name!r} is the start of several runs: {runs}. Give more of it.")
    return found[0]


def models_of(store: mlmd.MetadataStore, pushed_id: int) -> set[int]:
    """The models that went into the executions that made a PushedModel.

    Args:
        store: ML Metadata.
        pushed_id: The PushedModel's id.

    Returns:
        Ids of the models.
    """
    executions = {
        event.execution_id
        for event in store.get_events_by_artifact_ids([pushed_id])
        if event.type == pb.Event.OUTPUT
    }
    return {
        event.artifact_id
        for event in store.get_events_by_execution_ids(list(executions))
        if event.type == pb.Event.INPUT and _key(event) == "model"
    }


def _of_type(store: mlmd.MetadataStore, kind: str) -> list[pb.Artifact]:
    """All artifacts of a type, which may not be known yet."""
    if kind not in {known.name for known in store.get_artifact_types()}:
        return []
    return list(store.get_artifacts_by_type(kind))


def _live(store: mlmd.MetadataStore, kind: str) -> list[pb.Artifact]:
    return [one for one in _of_type(store, kind) if one.state == pb.Artifact.LIVE]


def _put_out(store: mlmd.MetadataStore, kind: str) -> list[pb.Artifact]:
    """Live artifacts of a type by when they were put out last, be it from cache."""
    found = _live(store, kind)
    last = {artifact.id: 0 for artifact in found}
    for event in store.get_events_by_artifact_ids(list(last)) if last else ():
        if event.type == pb.Event.OUTPUT:
            last[event.artifact_id] = max(last[event.artifact_id], event.execution_id)
    return sorted(found, key=lambda artifact: (last[artifact.id], artifact.id))


def _latest(store: mlmd.MetadataStore, kind: str, key: str) -> dict[int, pb.Artifact]:
    """The artifact of a type that was put out last, by the model that it is about."""
    return {int(one.custom_properties[key].int_value): one for one in _put_out(store, kind)}


def _pushes(store: mlmd.MetadataStore) -> tuple[dict[int, list[str]], set[int]]:
    """Versions by model, and the models that wait."""
    versions: dict[int, list[str]] = {}
    waiting: dict[int, bool] = {}
    for artifact in _put_out(store, PushedModel.TYPE_NAME):
        version = artifact.custom_properties[PUSHED_VERSION].string_value
        for model_id in models_of(store, artifact.id):
            waiting[model_id] = bool(artifact.custom_properties[WAITING].int_value)
            if version:
                versions.setdefault(model_id, []).append(version)
    return versions, {model_id for model_id, waits in waiting.items() if waits}


def _key(event: pb.Event) -> str:
    return next((step.key for step in event.path.steps if step.HasField("key")), "")


def contexts_of(store: mlmd.MetadataStore, model_id: int, kind: str) -> list[pb.Context]:
    """The contexts in which a model was made, or answered from cache; not where it was compared.

    Args:
        store: ML Metadata.
        model_id: The model.
        kind: `pipeline` or `pipeline_run`.

    Returns:
        The contexts, the oldest first.
    """
    makers = {
        event.execution_id
        for event in store.get_events_by_artifact_ids([model_id])
        if event.type == pb.Event.OUTPUT
    }
    found = {
        context.id: context
        for maker in makers
        for context in store.get_contexts_by_execution(maker)
        if context.type == kind
    }
    return [found[identity] for identity in sorted(found)]


def _names(store: mlmd.MetadataStore, model_id: int, kind: str) -> list[str]:
    return [context.name for context in contexts_of(store, model_id, kind)] or [""]


def _decisions(store: mlmd.MetadataStore) -> dict[int, list[Decision]]:
    if DECISION_TYPE not in {kind.name for kind in store.get_execution_types()}:
        return {}
    found: dict[int, list[Decision]] = {}
    executions = store.get_executions_by_type(DECISION_TYPE)
    for execution in sorted(executions, key=lambda execution: execution.id):
        values = {name: execution.properties[name].string_value for name in DECISION_PROPERTIES}
        model_id = execution.properties[MODEL_ID].int_value
        decision = Decision.model_validate({**values, "version": values["version"] or None})
        found.setdefault(model_id, []).append(decision)
    return found
