"""A person's decision about a model: carried out, and recorded with its reason."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as pb

from components.errors import PipelineError
from components.evaluate.report.card import Decision, ModelCard
from components.evaluate.report.files import page_digest
from components.evaluate.verdict import CURRENT_MODEL_ID, WITHDRAWN
from components.push.extras import add_extras, decided_now
from components.push.pushed import PUSHED_DESTINATION, PUSHED_VERSION, WAITING, describe
from components.push.versions import copy_whole, next_version, pushed_versions
from pipeline.orchestration import (
    MODEL_ID,
    PIPELINE_CONTEXT_TYPE_NAME,
    PIPELINE_RUN_CONTEXT_TYPE_NAME,
    ModelBlessing,
    PushedModel,
)
from pipeline.registry import DECISION_PROPERTIES, DECISION_TYPE, Model, contexts_of, models_of
from pipeline.work import Work


def approve(store: mlmd.MetadataStore, work: Work, base: Path, model: Model, reason: str) -> str:
    """Pushes a model that waits.

    Args:
        store: ML Metadata.
        work: The work folder, held exclusively.
        base: The folder of the served versions.
        model: The model.
        reason: Why.

    Returns:
        The version.

    Raises:
        PipelineError: It does not wait, there is no reason, or it cannot be written.
    """
    _check(model, reason)
    made = model.artifact.create_time_since_epoch // 1000
    version = str(next_version(base, made))
    _push(store, work, base, model, decision="approved", reason=reason, version=version)
    return version


def reject(store: mlmd.MetadataStore, work: Work, model: Model, reason: str) -> None:
    """Closes a model that waits.

    Args:
        store: ML Metadata.
        work: The work folder, held exclusively.
        model: The model.
        reason: Why.

    Raises:
        PipelineError: It does not wait, there is no reason, or it cannot be written.
    """
    _check(model, reason)
    card, report = _report(model)
    decision = decided_now("rejected", reason, page_digest(report), None)
    with _failures_said(model):
        _record(store, work, model, decision, lambda folder: card.decided(decision).write(folder))
    _withdraw(store, {model.artifact.id}, withdrawn=True)


def roll_back(
    store: mlmd.MetadataStore,
    work: Work,
    base: Path,
    model: Model,
    reason: str,
    later: Iterable[Model] = (),
) -> str:
    """Pushes a model that was pushed before as a new version.

    Args:
        store: ML Metadata.
        work: The work folder, held exclusively.
        base: The folder of the served versions.
        model: The model.
        reason: Why.
        later: The models that it replaces: candidates are no longer compared with them.

    Returns:
        The new version.

    Raises:
        PipelineError: It was never pushed, it is the one that is served, there is no reason, or
            it cannot be written.
    """
    _demand_reason(reason)
    if not model.versions:
        raise PipelineError(
            f"The model of run {model.run} was never pushed, so there is nothing to go back to; "
            "`mri models list` shows which were."
        )
    highest = pushed_versions(base)
    if highest and str(highest[-1]) in model.versions:
        raise PipelineError(f"Version {highest[-1]} is this model already, and is what is served.")
    version = str(next_version(base, highest[-1] + 1 if highest else int(model.versions[-1])))
    _push(store, work, base, model, decision="rolled back to", reason=reason, version=version)
    _withdraw(store, {one.artifact.id for one in later}, withdrawn=True)
    _withdraw(store, {model.artifact.id}, withdrawn=False)
    return version


def _withdraw(store: mlmd.MetadataStore, model_ids: set[int], *, withdrawn: bool) -> None:
    """Marks blessings as withdrawn, so that their models are no baseline, or as valid again."""
    blessings = [
        blessing
        for blessing in store.get_artifacts_by_type(ModelBlessing.TYPE_NAME)
        if blessing.custom_properties[CURRENT_MODEL_ID].int_value in model_ids
    ]
    for blessing in blessings:
        blessing.custom_properties[WITHDRAWN].int_value = int(withdrawn)
    store.put_artifacts(blessings)


def _check(model: Model, reason: str) -> None:
    _demand_reason(reason)
    if model.undecided:
        return
    state = {None: "was never evaluated", False: "was refused by the evaluation"}.get(
        model.blessed, "does not wait for review"
    )
    if model.decisions:
        last = model.decisions[-1]
        state = f"was {last.decision} on {last.time}: {last.reason}"
    elif model.versions:
        state = f"is pushed already, as version {model.versions[-1]}"
    raise PipelineError(f"The model of run {model.run} {state}; there is nothing to decide.")


def _demand_reason(reason: str) -> None:
    if not reason.strip():
        raise PipelineError("A decision needs --reason TEXT: it is kept with the model.")


def _report(model: Model) -> tuple[ModelCard, Path]:
    card = model.card
    if card is None or model.report is None:
        raise PipelineError(
            f"The report of run {model.run} is no longer there, so nothing can be decided from it: "
            "run the pipeline again."
        )
    card = card.model_copy(update={"changelog": (*card.changelog, *model.decisions)})
    return card, Path(model.report.uri)


def _push(
    store: mlmd.MetadataStore,
    work: Work,
    base: Path,
    model: Model,
    *,
    decision: str,
    reason: str,
    version: str,
) -> None:
    card, report = _report(model)
    decided = decided_now(decision, reason, page_digest(report), version)
    source = next(
        (folder for folder in (model.saved_model, *_copies(base, model)) if folder.is_dir()), None
    )
    if source is None:
        raise PipelineError(f"The files of the model of run {model.run} are gone.")
    card = card.decided(decided)
    destination = base / version

    def complete(folder: Path) -> None:
        card.write(folder)
        describe(folder, destination, version)

    def record() -> None:
        _record(store, work, model, decided, complete, destination=destination)

    with _failures_said(model):
        copy_whole(source, destination, add_extras(card, report), record)


@contextmanager
def _failures_said(model: Model) -> Iterator[None]:
    """Says why a decision could not be carried out, where the disk or ML Metadata is to blame."""
    try:
        yield
    except (OSError, mlmd.errors.StatusError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if isinstance(error, OSError) and error.strerror:
            reason = f"{error.strerror}: {error.filename}" if error.filename else error.strerror
        raise PipelineError(
            f"The decision about the model of run {model.run} was not carried out, and nothing was "
            f"pushed ({reason}): mend that, and decide once more."
        ) from error


def _copies(base: Path, model: Model) -> list[Path]:
    return [base / version for version in reversed(model.versions)]


def _record(
    store: mlmd.MetadataStore,
    work: Work,
    model: Model,
    decision: Decision,
    complete: Callable[[Path], None],
    *,
    destination: Path | None = None,
) -> None:
    """Writes the decision into ML Metadata, beside the runs that the model took part in."""
    kind = pb.ExecutionType(name=DECISION_TYPE)
    for name in DECISION_PROPERTIES:
        kind.properties[name] = pb.STRING
    kind.properties[MODEL_ID] = pb.INT
    execution = pb.Execution(
        type_id=store.put_execution_type(kind), last_known_state=pb.Execution.COMPLETE
    )
    values = decision.model_dump()
    for name in DECISION_PROPERTIES:
        execution.properties[name].string_value = values[name] or ""
    execution.properties[MODEL_ID].int_value = model.artifact.id
    name = f"{model.artifact.id}-{decision.time.translate(_IN_A_NAME)}"
    folder = work.artifacts / "Decision" / "pushed_model" / name
    folder.mkdir(parents=True, exist_ok=True)
    complete(folder)
    contexts = [
        context
        for kind in (PIPELINE_CONTEXT_TYPE_NAME, PIPELINE_RUN_CONTEXT_TYPE_NAME)
        for context in contexts_of(store, model.artifact.id, kind)
    ]
    inputs = [(model.artifact, _event(pb.Event.INPUT, "model"))]
    if model.report is not None:
        inputs.append((model.report, _event(pb.Event.INPUT, "report")))
    made = pb.Artifact(type_id=_pushed_type(store), uri=str(folder), state=pb.Artifact.LIVE)
    made.custom_properties["pushed"].int_value = int(destination is not None)
    if destination is not None:
        made.custom_properties[PUSHED_DESTINATION].string_value = str(destination)
        made.custom_properties[PUSHED_VERSION].string_value = destination.name
    store.put_execution(
        execution, [*inputs, (made, _event(pb.Event.OUTPUT, "pushed_model"))], contexts
    )
    _end_waiting(store, model)


def _end_waiting(store: mlmd.MetadataStore, model: Model) -> None:
    """Takes back that a model waits, as a later run may be answered with that from cache."""
    waiting = [
        pushed
        for pushed in store.get_artifacts_by_type(PushedModel.TYPE_NAME)
        if pushed.custom_properties[WAITING].int_value
        and model.artifact.id in models_of(store, pushed.id)
    ]
    for pushed in waiting:
        pushed.custom_properties[WAITING].int_value = 0
    store.put_artifacts(waiting)


_IN_A_NAME = str.maketrans(": ", "-_")


def _pushed_type(store: mlmd.MetadataStore) -> int:
    return int(store.get_artifact_type(PushedModel.TYPE_NAME).id)


def _event(kind: int, name: str) -> pb.Event:
    event = pb.Event(type=kind)
    event.path.steps.add().key = name
    event.path.steps.add().index = 0
    return event
