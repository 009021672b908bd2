"""Takes a decision and carries it out, or finishes one that was cut off."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import ml_metadata as mlmd

from components.errors import PipelineError, UsageError
from components.evaluate.report.files import page_digest
from components.push.extras import decided_now
from components.push.versions import next_version, pushed_versions
from pipeline.decisions.files import (
    are_there,
    folder_of,
    give_names,
    prepare,
    remove_prepared,
    report_of,
    take_back,
)
from pipeline.decisions.journal import (
    WORDS,
    Entry,
    close,
    mark_told,
    record,
    unfinished,
    untold,
    write,
    write_down,
)
from pipeline.decisions.pushes import finish_pushes
from pipeline.registry import Model, contexts_of_model, find_model, read_models
from pipeline.states import TRANSITIONS, Event, ModelState
from pipeline.work import Work

Say = Callable[[str], None]
"""Is told, in a line, what was done."""


class ImpossibleDecisionError(PipelineError):
    """What a decision needs is gone since it was written down."""


def decide(
    store: mlmd.MetadataStore, work: Work, event: Event, name: str | None, reason: str, say: Say
) -> None:
    """Takes a decision and carries it out, or finishes the same one that was cut off.

    Args:
        store: ML Metadata.
        work: The work folder, held exclusively.
        event: APPROVE, REJECT or ROLL_BACK_TO.
        name: A run, the start of one, or a version; None, for a rollback, for the model that was
            served before, of those that nobody has decided against.
        reason: Why.
        say: Is told what came of it, before that is recorded as done.

    Raises:
        PipelineError: It cannot be taken, there is no reason, or something cannot be written.
    """
    if not reason.strip():
        raise UsageError("A decision needs --reason TEXT: it is kept with the model.")
    finish_pushes(store, work, say)
    models = read_models(store)
    named = None if name is None and event is Event.ROLL_BACK_TO else find_model(models, name)
    for entry in unfinished(store, work):
        mine = entry.is_given(event, named)
        _finish_found(store, work, entry, say, mine=mine)
        if mine:
            return
    remove_prepared(work)
    if (done := untold(store, work)) is not None and done.is_given(event, named):
        holds = _still_holds(done)
        if holds:
            say(f"was finished before: {done.outcome}")
        mark_told(done, told=True)
        write(store, done)
        if holds:
            return
    models = read_models(store)
    model = find_model(models, name) if named is not None else _served_before(work, models)
    _check(work, event, model)
    entry = _write_down(store, work, event, model, reason)
    _finish(store, work, entry, entry.outcome, say)


def finish_what_was_cut_off(store: mlmd.MetadataStore, work: Work, say: Say) -> None:
    """Finishes pushes and decisions, and removes what was prepared and never decided.

    Args:
        store: ML Metadata.
        work: The work folder, held exclusively.
        say: Is told what was finished.

    Raises:
        PipelineError: Something cannot be written.
    """
    finish_pushes(store, work, say)
    finish_decisions(store, work, say)
    remove_prepared(work)


def finish_decisions(store: mlmd.MetadataStore, work: Work, say: Say) -> None:
    """Carries out what was decided and cut off.

    Args:
        store: ML Metadata.
        work: The work folder, held so that nobody else decides there.
        say: Is told what was finished.

    Raises:
        PipelineError: Something cannot be written.
    """
    for entry in unfinished(store, work):
        _finish_found(store, work, entry, say, mine=False)


def served_version(work: Work, model: Model) -> str | None:
    """The version that is served now of the pipeline that a model is of.

    Args:
        work: The work folder.
        model: The model.

    Returns:
        The highest version; None where there is none.
    """
    versions = pushed_versions(work.serving / model.pipeline)
    return str(versions[-1]) if versions else None


def _still_holds(done: Entry) -> bool:
    """Whether nothing was pushed since a decision was carried out."""
    if done.destination is None:
        return True
    return pushed_versions(done.destination.parent)[-1:] == [int(done.destination.name)]


def _write_down(
    store: mlmd.MetadataStore, work: Work, event: Event, model: Model, reason: str
) -> Entry:
    """Prepares a decision's files, and writes it down with all that it changes."""
    destination = None
    if event is not Event.REJECT:
        base = work.serving / model.pipeline
        made = int(model.artifact.create_time_since_epoch // 1000) if not model.versions else 0
        # Of models whose versions were removed, too: what was served under a number has it.
        recorded = [one.newest_version + 1 for one in _of_same_pipeline(store, work, model)]
        destination = base / str(next_version(base, max([made, *recorded])))
    version = destination.name if destination else None
    decision = decided_now(WORDS[event], reason, page_digest(report_of(model)), version)
    past = _passed_over(store, work, model) if event is Event.ROLL_BACK_TO else []
    try:
        with _failures_said(
            f"The decision about the model of run {model.run} was not carried out, and nothing was "
            "pushed ({}): correct that, and decide again."
        ):
            prepare(work, model, decision, destination)
            execution = write_down(store, work, event, model, decision, past)
    except BaseException:
        remove_prepared(work, destination)
        raise
    return Entry(execution, decision, model.run, destination)


def _finish(store: mlmd.MetadataStore, work: Work, entry: Entry, line: str, say: Say) -> None:
    """Carries out what is written down, and records that it is done."""
    with _failures_said(
        f"The decision about the model of run {entry.run} is written down, but could not be "
        "carried out ({}): correct that, and run the same command again."
    ):
        if not are_there(work, entry.execution.id, entry.destination):
            _prepare_again(store, work, entry)
        give_names(work, entry.execution.id, entry.destination)
        # Before it is recorded: who was told nothing gives the command again, and finds it open.
        say(line)
        record(
            store,
            entry.execution,
            folder_of(work, entry.execution.id),
            entry.destination,
            contexts_of_model(store, entry.model_id),
        )
    remove_prepared(work, entry.destination)


def _finish_found(
    store: mlmd.MetadataStore, work: Work, entry: Entry, say: Say, *, mine: bool
) -> None:
    """Finishes what somebody else was cut off at, or the one who gives it once more."""
    mark_told(entry, told=mine)
    try:
        _finish(store, work, entry, f"finished what was interrupted: {entry.outcome}", say)
    except ImpossibleDecisionError as error:
        with _failures_said(
            f"The decision about the model of run {entry.run} can no longer be carried out, but "
            "could not be closed ({}): correct that, and run the same command again."
        ):
            take_back(work, entry.execution.id, entry.destination)
            close(store, entry)
        if mine:
            raise
        say(str(error))


def _prepare_again(store: mlmd.MetadataStore, work: Work, entry: Entry) -> None:
    """Makes what somebody has removed since."""
    models = {model.artifact.id: model for model in read_models(store)}
    try:
        if entry.model_id not in models:
            raise PipelineError(f"The model of run {entry.run} is gone.")
        prepare(work, models[entry.model_id], entry.decision, entry.destination)
    except PipelineError as error:
        raise ImpossibleDecisionError(
            f"The decision about the model of run {entry.run} can no longer be carried out, and is "
            f"closed. {error}"
        ) from error


def _check(work: Work, event: Event, model: Model) -> None:
    """Refuses what the table of states does not hold."""
    state = model.state(served_version(work, model))
    if (state, event) in TRANSITIONS:
        return
    if event is not Event.ROLL_BACK_TO:
        raise PipelineError(
            f"The model of run {model.run} {_became(model, state)}; there is nothing to decide."
        )
    if state is ModelState.SERVED:
        raise PipelineError(
            f"Version {served_version(work, model)} is this model already, and is what is served."
        )
    raise PipelineError(
        f"The model of run {model.run} was never pushed, so there is nothing to go back to; "
        "`mri models list` shows which were."
    )


def _became(model: Model, state: ModelState) -> str:
    if model.decisions:
        last = model.decisions[-1]
        return f"was {last.decision} on {last.time}: {last.reason}"
    if model.versions:
        return f"is pushed already, as version {model.versions[-1]}"
    if state is ModelState.REFUSED:
        judge = "evaluation" if model.standing.servable else "serve check"
        return f"was refused by the {judge}"
    return (
        "was never evaluated" if state is ModelState.NOT_EVALUATED else "does not wait for review"
    )


def _served_before(work: Work, models: Sequence[Model]) -> Model:
    """The model with the highest version but for what is served and what was decided against."""
    earlier = [
        model
        for model in models
        if model.state(served_version(work, model)) is ModelState.PUSHED
        and any((work.serving / model.pipeline / version).is_dir() for version in model.versions)
    ]
    if not earlier:
        raise PipelineError(
            "There is no earlier model to go back to, or all of them were decided against; `mri "
            "models list` shows all, and `mri models rollback VERSION` goes back to any that was "
            "served."
        )
    pipelines = sorted({model.pipeline for model in earlier})
    if len(pipelines) > 1:
        raise PipelineError(
            f"There are earlier models of {' and '.join(pipelines)}: say which with "
            "`mri models rollback VERSION`; `mri models list` shows all."
        )
    return max(earlier, key=lambda model: model.newest_version)


def _passed_over(store: mlmd.MetadataStore, work: Work, model: Model) -> list[Model]:
    """The models that were pushed after one: what is served, and all between."""
    return [
        one
        for one in _of_same_pipeline(store, work, model)
        if one.artifact.id != model.artifact.id and one.newest_version > model.newest_version
    ]


def _of_same_pipeline(store: mlmd.MetadataStore, work: Work, model: Model) -> Iterator[Model]:
    """The models of a model's pipeline in this work folder, of several that share a database."""
    for one in read_models(store):
        if one.pipeline == model.pipeline and (
            _lies_below(Path(one.artifact.uri), work.artifacts)
            or any(_lies_below(folder, work.serving) for folder in one.destinations)
        ):
            yield one


def _lies_below(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


@contextmanager
def _failures_said(sentence: str) -> Iterator[None]:
    """Says what became of a decision, and why, where the disk or ML Metadata is to blame."""
    try:
        yield
    except (OSError, mlmd.errors.StatusError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if isinstance(error, OSError) and error.strerror:
            reason = f"{error.strerror}: {error.filename}" if error.filename else error.strerror
        raise PipelineError(sentence.format(reason)) from error
