"""Which models there are: what ML Metadata knows of each, from its training to its serving."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as pb

from components.errors import UsageError
from components.evaluate.report.card import CARD_JSON, Decision, ExternalValidation, ModelCard
from components.evaluate.standing import Standing, last_put_out, of_type, read_standings
from components.external.report import ExternalReport
from components.properties import number_of, text_of
from components.push.pushed import PUSHED_DESTINATION, PUSHED_VERSION, WAITING
from pipeline.orchestration import (
    MODEL_ID,
    PIPELINE_CONTEXT_TYPE_NAME,
    PIPELINE_RUN_CONTEXT_TYPE_NAME,
    ModelReport,
    PredictionsFile,
    PushedModel,
    path_utils,
)
from pipeline.states import ModelState, state_of

DECISION_TYPE = "ModelDecision"
"""The type of the executions that record what people decided."""

EXTERNAL_REPORT = "ExternalReport"
"""The type of the artifacts that say how a model did on images of other places."""

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
        standing: What its judges and people said of it last.
        report: Its last report, if there is one.
        predictions: Its last predictions, if there are any.
        versions: What it was pushed as, the lowest first; some may have been removed since.
        destinations: Where it was pushed to, the same.
        waiting: Whether Pusher, when it last had it, let it wait for a person.
        decisions: What people decided, the oldest first.
        unfinished: The last decision, where it was written down and is not carried out yet.
        external: Reports on how it did on images of other places, the oldest first.
    """

    artifact: pb.Artifact
    run: str
    runs: tuple[str, ...]
    pipeline: str
    standing: Standing = field(default_factory=Standing)
    report: pb.Artifact | None = None
    predictions: pb.Artifact | None = None
    versions: tuple[str, ...] = ()
    destinations: tuple[Path, ...] = ()
    waiting: bool = False
    decisions: tuple[Decision, ...] = ()
    unfinished: Decision | None = None
    external: tuple[pb.Artifact, ...] = ()

    @property
    def made(self) -> datetime:
        """When it was trained, UTC."""
        return datetime.fromtimestamp(self.artifact.create_time_since_epoch / 1000, tz=timezone.utc)

    @property
    def newest_version(self) -> int:
        """The highest version that it was pushed as; 0 where it never was."""
        return int(self.versions[-1]) if self.versions else 0

    @property
    def saved_model(self) -> Path:
        """The SavedModel's folder."""
        return Path(path_utils.serving_model_path(self.artifact.uri))

    @property
    def card(self) -> ModelCard | None:
        """Its card, if its report is still there."""
        if self.report is None or not (Path(self.report.uri) / CARD_JSON).is_file():
            return None
        return ModelCard.read(Path(self.report.uri)).validated(self.validations)

    @property
    def validations(self) -> tuple[ExternalValidation, ...]:
        """How it did on images of other places, as far as the reports are still there."""
        folders = (Path(one.uri) for one in self.external)
        return tuple(
            ExternalReport.read(folder).validation
            for folder in folders
            if (folder / ExternalReport.FILE).is_file()
        )

    def figure(self, name: str) -> float | None:
        """A headline figure from its report, or None."""
        if self.report is None or name not in self.report.custom_properties:
            return None
        return float(self.report.custom_properties[name].double_value)

    def state(self, served: str | None) -> ModelState:
        """What it is.

        Args:
            served: The version that is served now.

        Returns:
            Its state.
        """
        return state_of(
            self.standing,
            versions=self.versions,
            served=served,
            waiting=self.waiting,
            decisions=[one.decision for one in self.decisions],
        )


def read_models(store: mlmd.MetadataStore) -> list[Model]:
    """Reads all models.

    Args:
        store: ML Metadata.

    Returns:
        The models, the oldest first.
    """
    reports = _latest(store, ModelReport.TYPE_NAME, MODEL_ID)
    predictions = _latest(store, PredictionsFile.TYPE_NAME, MODEL_ID)
    pushed, waiting = _pushes(store), _waiting(store)
    standing = read_standings(store)
    decisions, unfinished = _decisions(store)
    external = _external(store)
    models = sorted(_live(store, "Model"), key=lambda artifact: artifact.id)
    return [
        Model(
            artifact=artifact,
            run=(runs := _names(store, artifact.id, PIPELINE_RUN_CONTEXT_TYPE_NAME))[0],
            runs=tuple(runs),
            pipeline=_names(store, artifact.id, PIPELINE_CONTEXT_TYPE_NAME)[0],
            standing=standing.get(artifact.id, Standing()),
            report=reports.get(artifact.id),
            predictions=predictions.get(artifact.id),
            versions=tuple(sorted(_versions(artifact.id, pushed, decisions), key=int)),
            destinations=tuple(
                Path(folder)
                for one in pushed.get(artifact.id, ())
                if (folder := text_of(one, PUSHED_DESTINATION))
            ),
            waiting=artifact.id in waiting,
            decisions=tuple(decisions.get(artifact.id, ())),
            unfinished=unfinished.get(artifact.id),
            external=tuple(external.get(artifact.id, ())),
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
        raise UsageError("There is no model yet: run `mri run` first.")
    if name is None:
        return known[-1]
    exact = [model for model in known if name in model.versions or name in model.runs]
    begun = [model for model in known if any(run.startswith(name) for run in model.runs)]
    found = exact or begun
    if not found:
        newest = known[-1]
        raise UsageError(
            f"No run or version is named {name!r}. The newest run with a model is "
            f"{newest.runs[-1]}; `mri models list` shows all."
        )
    if len(found) > 1:
        runs = ", ".join(model.run for model in found)
        raise UsageError(f"{name!r} is the start of several runs: {runs}. Give more of it.")
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


def _live(store: mlmd.MetadataStore, kind: str) -> list[pb.Artifact]:
    return [one for one in of_type(store, kind) if one.state == pb.Artifact.LIVE]


def _put_out(store: mlmd.MetadataStore, kind: str) -> list[pb.Artifact]:
    """Live artifacts of a type by when they were put out last, be it from cache."""
    found = _live(store, kind)
    last = last_put_out(store, found)
    return sorted(found, key=lambda artifact: (last[artifact.id], artifact.id))


def _latest(store: mlmd.MetadataStore, kind: str, key: str) -> dict[int, pb.Artifact]:
    """The artifact of a type that was put out last, by the model that it is about."""
    return {int(one.custom_properties[key].int_value): one for one in _put_out(store, kind)}


def _external(store: mlmd.MetadataStore) -> dict[int, list[pb.Artifact]]:
    """The reports on images of other places by model, the oldest first."""
    found: dict[int, list[pb.Artifact]] = {}
    for one in _put_out(store, EXTERNAL_REPORT):
        found.setdefault(number_of(one, MODEL_ID), []).append(one)
    return found


def _pushes(store: mlmd.MetadataStore) -> dict[int, list[pb.Artifact]]:
    """What pushed each model, though the version may have been removed since."""
    found: dict[int, list[pb.Artifact]] = {}
    pushes = [one for one in of_type(store, PushedModel.TYPE_NAME) if text_of(one, PUSHED_VERSION)]
    there = {_place(one) for one in pushes if one.state == pb.Artifact.LIVE}
    for one in pushes:
        # A number that was removed may have been given to another model.
        if one.state == pb.Artifact.LIVE or _place(one) not in there:
            for model_id in models_of(store, one.id):
                found.setdefault(model_id, []).append(one)
    return found


def _place(pushed: pb.Artifact) -> tuple[str, str]:
    return text_of(pushed, PUSHED_DESTINATION), text_of(pushed, PUSHED_VERSION)


def _waiting(store: mlmd.MetadataStore) -> set[int]:
    """The models that wait."""
    last = {
        model_id: bool(number_of(artifact, WAITING))
        for artifact in _put_out(store, PushedModel.TYPE_NAME)
        for model_id in models_of(store, artifact.id)
    }
    return {model_id for model_id, waits in last.items() if waits}


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


def contexts_of_model(store: mlmd.MetadataStore, model_id: int) -> list[pb.Context]:
    """The pipeline and the runs that a model belongs to, with all that is recorded about it.

    Args:
        store: ML Metadata.
        model_id: The model.

    Returns:
        The contexts.
    """
    kinds = (PIPELINE_CONTEXT_TYPE_NAME, PIPELINE_RUN_CONTEXT_TYPE_NAME)
    return [context for kind in kinds for context in contexts_of(store, model_id, kind)]


def event_of(kind: int, name: str) -> pb.Event:
    """An event by which an execution takes in an artifact, or puts one out.

    Args:
        kind: `pb.Event.INPUT` or `pb.Event.OUTPUT`.
        name: What the execution calls the artifact.
    """
    event = pb.Event(type=kind)
    event.path.steps.add().key = name
    event.path.steps.add().index = 0
    return event


def _names(store: mlmd.MetadataStore, model_id: int, kind: str) -> list[str]:
    return [context.name for context in contexts_of(store, model_id, kind)] or [""]


def _versions(
    model_id: int, pushed: dict[int, list[pb.Artifact]], decisions: dict[int, list[Decision]]
) -> set[str]:
    """What a model was pushed as, or is to be by what was decided."""
    decided = {one.version for one in decisions.get(model_id, ()) if one.version}
    return {text_of(one, PUSHED_VERSION) for one in pushed.get(model_id, ())} | decided


def decision_executions(store: mlmd.MetadataStore) -> list[pb.Execution]:
    """The executions that record what people decided.

    Args:
        store: ML Metadata.

    Returns:
        Those that were carried out and those that are yet to be, the oldest first.
    """
    if DECISION_TYPE not in {kind.name for kind in store.get_execution_types()}:
        return []
    found = store.get_executions_by_type(DECISION_TYPE)
    # One that has failed could never be carried out.
    decided = (one for one in found if one.last_known_state != pb.Execution.FAILED)
    return sorted(decided, key=lambda execution: execution.id)


def decision_of(execution: pb.Execution) -> Decision:
    """What such an execution records."""
    values = {name: execution.properties[name].string_value for name in DECISION_PROPERTIES}
    return Decision.model_validate({**values, "version": values["version"] or None})


def _decisions(
    store: mlmd.MetadataStore,
) -> tuple[dict[int, list[Decision]], dict[int, Decision]]:
    """What was decided by model, and the decisions that are not carried out yet."""
    found: dict[int, list[Decision]] = {}
    unfinished: dict[int, Decision] = {}
    for execution in decision_executions(store):
        model_id = execution.properties[MODEL_ID].int_value
        found.setdefault(model_id, []).append(decision_of(execution))
        if execution.last_known_state == pb.Execution.RUNNING:
            unfinished[model_id] = found[model_id][-1]
    return found, unfinished
