"""The journal of decisions: executions in ML Metadata, and all that they change there."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as pb

from components.evaluate.report.card import Decision
from components.evaluate.standing import of_type
from components.evaluate.verdict import CHOSEN_OVER, CURRENT_MODEL_ID, WITHDRAWN
from components.properties import number_of, text_of
from components.push.pushed import PUSHED_DESTINATION, PUSHED_VERSION, WAITING
from pipeline.orchestration import (
    MODEL_ID,
    PIPELINE_CONTEXT_TYPE_NAME,
    PIPELINE_RUN_CONTEXT_TYPE_NAME,
    ModelBlessing,
    PushedModel,
)
from pipeline.registry import (
    DECISION_PROPERTIES,
    DECISION_TYPE,
    Model,
    contexts_of_model,
    decision_executions,
    decision_of,
    event_of,
    models_of,
)
from pipeline.states import Event
from pipeline.work import Work

WORDS = {
    Event.APPROVE: "approved",
    Event.REJECT: "rejected",
    Event.ROLL_BACK_TO: "rolled back to",
}
"""What a decision is called once it is taken."""

PUSHED = "pushed_model"
"""The output of executions that push, and of those that might have."""

_WORK = "work"
"""A custom property of a decision: the work folder that it is carried out in."""
_UNTOLD = "untold"
"""Another one: someone other than the person who gave it finished it."""
_BEFORE = "before"
"""Another one: what it changed, JSON of artifacts' ids, names of properties, and their values until
then, null where there were none."""


@dataclass(frozen=True)
class Entry:
    """A decision that is written down.

    Attributes:
        execution: It in ML Metadata.
        decision: What was decided.
        run: The run that trained the model.
        destination: The version's folder, where the model is pushed.
    """

    execution: pb.Execution
    decision: Decision
    run: str
    destination: Path | None

    @property
    def model_id(self) -> int:
        """The model that it is about."""
        return int(self.execution.properties[MODEL_ID].int_value)

    @property
    def outcome(self) -> str:
        """What came of it, as a line."""
        if self.destination is None:
            return f"rejected the model of run {self.run}; nothing was pushed"
        return f"pushed the model of run {self.run} as {self.destination}"

    def is_given(self, event: Event, model: Model | None) -> bool:
        """Whether it is what is decided now; None is the model that a rollback chooses."""
        alike = self.decision.decision == WORDS[event]
        return alike and (model is None or model.artifact.id == self.model_id)


def unfinished(store: mlmd.MetadataStore, work: Work) -> list[Entry]:
    """What is written down and was not carried out to the end.

    Args:
        store: ML Metadata.
        work: The work folder that it is carried out in.

    Returns:
        The decisions, the oldest first.
    """
    return [
        entry
        for entry in _entries(store, work)
        if entry.execution.last_known_state == pb.Execution.RUNNING
    ]


def untold(store: mlmd.MetadataStore, work: Work) -> Entry | None:
    """The last decision, where someone else finished it and the one who gave it does not know.

    Args:
        store: ML Metadata.
        work: The work folder that it was carried out in.

    Returns:
        The decision, or None.
    """
    last = next(reversed(_entries(store, work)), None)
    return last if last is not None and number_of(last.execution, _UNTOLD) else None


def mark_told(entry: Entry, *, told: bool) -> None:
    """Notes, until it is written, whether who gave a decision knows that it is done."""
    if told:
        entry.execution.custom_properties.pop(_UNTOLD, None)
    else:
        entry.execution.custom_properties[_UNTOLD].int_value = 1


def write(store: mlmd.MetadataStore, entry: Entry) -> None:
    """Writes what was noted of a decision that is done."""
    store.put_executions([entry.execution])


def close(store: mlmd.MetadataStore, entry: Entry) -> None:
    """Records that a decision can never be carried out, and undoes all that it changed, at once."""
    entry.execution.last_known_state = pb.Execution.FAILED
    before = json.loads(text_of(entry.execution, _BEFORE) or "[]")
    changed = store.get_artifacts_by_id(sorted({identity for identity, _, _ in before}))
    by_id = {int(one.id): one for one in changed}
    for identity, name, value in before:
        if value is None:
            by_id[identity].custom_properties.pop(name, None)
        else:
            by_id[identity].custom_properties[name].int_value = value
    store.put_lineage_subgraph([entry.execution], changed, [], [])


def write_down(
    store: mlmd.MetadataStore,
    work: Work,
    event: Event,
    model: Model,
    decision: Decision,
    past: Sequence[Model],
) -> pb.Execution:
    """Writes down a decision with all that it changes, in one transaction.

    Args:
        store: ML Metadata.
        work: The work folder that it is carried out in.
        event: What is decided.
        model: About which model.
        decision: The decision.
        past: The models that it decides against besides.

    Returns:
        The execution that stands for it.
    """
    kind = pb.ExecutionType(name=DECISION_TYPE)
    for name in DECISION_PROPERTIES:
        kind.properties[name] = pb.STRING
    kind.properties[MODEL_ID] = pb.INT
    execution = pb.Execution(
        type_id=store.put_execution_type(kind), last_known_state=pb.Execution.RUNNING
    )
    for name, value in decision.model_dump().items():
        execution.properties[name].string_value = value or ""
    execution.properties[MODEL_ID].int_value = model.artifact.id
    execution.custom_properties[_WORK].string_value = str(work.root.resolve())
    changes = list(_changes(store, model, event, past))
    execution.custom_properties[_BEFORE].string_value = json.dumps(
        [
            (one.id, name, number_of(one, name) if name in one.custom_properties else None)
            for one, values in changes
            for name in values
        ]
    )
    for one, values in changes:
        for name, value in values.items():
            one.custom_properties[name].int_value = value
    [execution.id], _, _ = store.put_lineage_subgraph(
        [execution], [one for one, _ in changes], [], list(_inputs(model))
    )
    return execution


def record(
    store: mlmd.MetadataStore,
    execution: pb.Execution,
    folder: Path,
    destination: Path | None,
    contexts: Sequence[pb.Context],
) -> None:
    """Writes into ML Metadata what an execution put out, and that it is done.

    Args:
        store: ML Metadata.
        execution: A decision, or Pusher's.
        folder: The PushedModel's.
        destination: The version's folder, where a model was pushed.
        contexts: What it belongs to.
    """
    execution.last_known_state = pb.Execution.COMPLETE
    # The first push of all is not known to ML Metadata where it was cut off.
    kind = int(store.put_artifact_type(PushedModel().artifact_type))
    made = pb.Artifact(type_id=kind, uri=str(folder), state=pb.Artifact.LIVE)
    made.custom_properties["pushed"].int_value = int(destination is not None)
    if destination is not None:
        made.custom_properties[PUSHED_DESTINATION].string_value = str(destination)
        made.custom_properties[PUSHED_VERSION].string_value = destination.name
    store.put_execution(execution, [(made, event_of(pb.Event.OUTPUT, PUSHED))], contexts)


def _changes(
    store: mlmd.MetadataStore, model: Model, event: Event, past: Sequence[Model]
) -> Iterator[tuple[pb.Artifact, dict[str, int]]]:
    """What a decision changes of where models stand, and of what later runs are answered with.

    Yields:
        Artifacts, each with what its properties become.
    """
    against = {one.artifact.id for one in past}
    if event is Event.REJECT:
        against.add(model.artifact.id)
    newest = max((one.id for one in of_type(store, "Model")), default=0)
    for blessing in of_type(store, ModelBlessing.TYPE_NAME):
        judged = number_of(blessing, CURRENT_MODEL_ID)
        if judged in against:
            yield blessing, {WITHDRAWN: 1}
        elif judged == model.artifact.id and event is Event.ROLL_BACK_TO:
            yield blessing, {WITHDRAWN: 0, CHOSEN_OVER: newest}
    for pushed in of_type(store, PushedModel.TYPE_NAME):
        if number_of(pushed, WAITING) and model.artifact.id in models_of(store, pushed.id):
            yield pushed, {WAITING: 0}


def _inputs(model: Model) -> Iterator[tuple[int, None, pb.Event]]:
    for name, artifact in (("model", model.artifact), ("report", model.report)):
        if artifact is not None:
            event = event_of(pb.Event.INPUT, name)
            event.artifact_id = artifact.id
            yield 0, None, event


def _entries(store: mlmd.MetadataStore, work: Work) -> list[Entry]:
    """What was decided in a work folder, of several that may share one database."""
    return [
        _entry(store, work, execution)
        for execution in decision_executions(store)
        if _is_root(work, Path(text_of(execution, _WORK)))
    ]


def _is_root(work: Work, recorded: Path) -> bool:
    """Whether a path leads to a work folder, whichever of its names it is."""
    try:
        return recorded.samefile(work.root)
    except OSError:
        return recorded == work.root.resolve()


def _entry(store: mlmd.MetadataStore, work: Work, execution: pb.Execution) -> Entry:
    decision = decision_of(execution)
    names = {
        str(context.type): str(context.name)
        for context in reversed(contexts_of_model(store, execution.properties[MODEL_ID].int_value))
    }
    pipeline = names.get(PIPELINE_CONTEXT_TYPE_NAME, "")
    run = names.get(PIPELINE_RUN_CONTEXT_TYPE_NAME, "")
    destination = work.serving / pipeline / decision.version if decision.version else None
    return Entry(execution, decision, run, destination)
