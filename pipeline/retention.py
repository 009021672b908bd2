"""Which artifacts a clean keeps: decided from ML Metadata's records alone."""

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator

from ml_metadata.proto import metadata_store_pb2 as pb

from components.evaluate.standing import baseline_order
from components.evaluate.trained_on import Beginnings, executions_behind, is_recorded
from components.gate.verdict import PASSING, REPORT_ID, STATISTICS_ID
from components.ingest.artifacts import HISTORY
from components.properties import number_of, parameter_of, text_of
from components.push.pushed import PUSHED_VERSION
from pipeline.lineage import Lineage, Run
from pipeline.orchestration import (
    GateVerdict,
    InfraBlessing,
    ModelBlessing,
    PushedModel,
    SplitAssignment,
)
from pipeline.registry import EXTERNAL_REPORT, Model
from pipeline.states import ModelState

_OF_A_MODEL = (
    *(kind.TYPE_NAME for kind in (ModelBlessing, InfraBlessing, PushedModel)),
    EXTERNAL_REPORT,
)
_MODEL = "Model"
"""TFX's type, by its name."""
_RESOLVER = "resolver.Resolver"
"""The end of the type of executions that put out what others have made."""
_NEWEST = 2
"""Of blessed models: a candidate that is answered from cache is not compared with itself."""


def kept_artifacts(
    lineage: Lineage, runs: Collection[Run], models: Iterable[Model], served: Collection[int]
) -> set[int]:
    """Decides what stays.

    Args:
        lineage: All there is.
        runs: The runs that are kept, with all that they used and made.
        models: All models.
        served: Ids of those with a version in the folder of served models.

    Returns:
        Ids of artifacts. None of them is deleted already.
    """
    executions = {execution for run in runs for execution in run.executions}
    by_id = {model.artifact.id: model for model in models}
    kept = lineage.used_by(executions)
    kept |= {split.id for split in _splits(lineage, executions)}
    kept |= {verdict.id for verdict in _last_passed(lineage)}
    kept |= set(_held(by_id.values(), served))
    kept = _with_what_belongs(lineage, by_id, kept)
    return {
        identity
        for identity in kept
        if identity in lineage.artifacts
        and lineage.artifacts[identity].state != pb.Artifact.DELETED
    }


def _splits(lineage: Lineage, executions: Collection[int]) -> Iterator[pb.Artifact]:
    """The splits through which sides are remembered, and those that kept ingestions went on from.

    A later ingestion goes on from the newest of the same policy with other content or settings,
    whatever folder its images came in.
    """
    splits = list(lineage.live(SplitAssignment.TYPE_NAME))
    histories = {parameter_of(lineage.executions[identity], HISTORY) for identity in executions}
    # One that was answered from cache goes on from what the answer went on from.
    used = lineage.used_by(executions)
    histories |= {text_of(split, HISTORY) for split in splits if split.id in used}
    yield from (split for split in splits if split.uri in histories)
    yield from _newest_of_contents(splits, lambda split: text_of(split, "policy"))


def _last_passed(lineage: Lineage) -> Iterator[pb.Artifact]:
    """Verdicts on the data that later data will be compared with."""
    verdicts = list(lineage.live(GateVerdict.TYPE_NAME))
    passing = [verdict for verdict in verdicts if text_of(verdict, "outcome") in PASSING]
    yield from passing[-1:]
    latest = {number_of(verdict, STATISTICS_ID): verdict for verdict in verdicts}
    judged = [latest[statistics] for statistics in sorted(latest)]
    yield from _newest_of_contents(
        (verdict for verdict in judged if text_of(verdict, "outcome") in PASSING),
        lambda verdict: (lineage.pipeline_of(verdict.id), text_of(verdict, "source")),
    )


def _newest_of_contents(
    artifacts: Iterable[pb.Artifact], group_of: Callable[[pb.Artifact], Hashable]
) -> Iterator[pb.Artifact]:
    """Of each group the newest, and the newest of other content, or of other settings."""
    groups: dict[Hashable, list[pb.Artifact]] = {}
    for artifact in artifacts:
        groups.setdefault(group_of(artifact), []).append(artifact)
    for members in groups.values():
        newest = members[-1]
        yield newest
        for name in ("fingerprint", "settings"):
            others = [one for one in members if text_of(one, name) != text_of(newest, name)]
            yield from others[-1:]


def _held(models: Iterable[Model], served: Collection[int]) -> Iterator[int]:
    """Models that are served, wait for a person, or are what a candidate must beat."""
    blessed: dict[str, list[Model]] = {}
    for model in models:
        if model.artifact.id in served or model.state(None) is ModelState.WAITS:
            yield model.artifact.id
        if model.standing.may_be_baseline:
            blessed.setdefault(model.pipeline, []).append(model)
    for found in blessed.values():
        found.sort(key=lambda model: baseline_order(model.standing, model.artifact.id))
        yield from (model.artifact.id for model in found[-_NEWEST:])


def _with_what_belongs(lineage: Lineage, models: dict[int, Model], kept: set[int]) -> set[int]:
    """Adds what an artifact that stays is of no use without, and what would change its meaning."""
    beginnings = Beginnings(
        lambda: (one for one in lineage.artifacts.values() if one.type == _MODEL)
    )
    verdicts: dict[int, list[pb.Artifact]] = {}
    for verdict in lineage.live(GateVerdict.TYPE_NAME):
        verdicts.setdefault(number_of(verdict, STATISTICS_ID), []).append(verdict)
    kept = set(kept)
    unseen = set(kept)
    while unseen:
        identity = unseen.pop()
        artifact = lineage.artifacts.get(identity)
        if artifact is None:
            continue
        more: set[int] = set()
        if identity in models:
            more = _of_model(lineage, models[identity], beginnings)
        elif artifact.type == PushedModel.TYPE_NAME and text_of(artifact, PUSHED_VERSION):
            more = _judged_beside(lineage, identity)
        elif artifact.type == GateVerdict.TYPE_NAME:
            more = {number_of(artifact, STATISTICS_ID), number_of(artifact, REPORT_ID)}
        elif artifact.type == "ExampleStatistics":
            # A later verdict that stopped the data must not be forgotten before one that passed.
            more = {verdict.id for verdict in verdicts.get(identity, ())}
        unseen |= more - kept
        kept |= more
    return kept


def _of_model(lineage: Lineage, model: Model, beginnings: Beginnings) -> set[int]:
    """A model's reports and predictions, its blessings and what it was pushed as."""
    judged = lineage.users(model.artifact.id, "model")
    made = lineage.used_by(judged, output=True)
    found = {one for one in made if lineage.artifacts[one].type in _OF_A_MODEL}
    found |= _trained_on(lineage, model.artifact.id, beginnings)
    return found | {one.id for one in (model.report, model.predictions) if one is not None}


def _trained_on(lineage: Lineage, model: int, beginnings: Beginnings) -> set[int]:
    """The splits of a model's training images: no later test on them may speak for it.

    So are models that it began with, where nothing but their files tells that it did.
    """
    bases: set[int] = set()

    def makers(artifacts: Collection[int]) -> set[int]:
        found = {maker for artifact in artifacts for maker in lineage.makers(artifact)}
        return {one for one in found if not lineage.executions[one].type.endswith(_RESOLVER)}

    def inputs(executions: Collection[int]) -> set[int]:
        begun = beginnings.of(lineage.executions[one] for one in executions)
        bases.update(one for one in begun if not is_recorded(lineage.artifacts[one]))
        return begun | lineage.used_by(executions, output=False)

    behind = executions_behind(model, makers, inputs)
    made = lineage.used_by(behind, output=True)
    splits = {one for one in made if lineage.artifacts[one].type == SplitAssignment.TYPE_NAME}
    return splits | bases


def _judged_beside(lineage: Lineage, pushed: int) -> set[int]:
    """Verdicts on the data of the runs that pushed a model: monitoring compares with those."""
    pushers = lineage.makers(pushed)
    executions = {
        execution
        for run in lineage.runs
        if run.executions & pushers
        for execution in run.executions
    }
    made = lineage.used_by(executions, output=True)
    return {one for one in made if lineage.artifacts[one].type == GateVerdict.TYPE_NAME}
