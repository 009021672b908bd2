"""Which artifacts a clean keeps: decided from ML Metadata's records alone."""

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator

from ml_metadata.proto import metadata_store_pb2 as pb

from components.evaluate.ruled_out import unservable_models, withdrawn_models
from components.evaluate.verdict import CURRENT_MODEL_ID
from components.gate.verdict import PASSING, REPORT_ID, STATISTICS_ID
from components.properties import number_of, text_of
from components.push.pushed import PUSHED_VERSION
from pipeline.lineage import Lineage, Run
from pipeline.orchestration import (
    GateVerdict,
    InfraBlessing,
    ModelBlessing,
    PushedModel,
    SplitAssignment,
)
from pipeline.registry import Model

_OF_A_MODEL = tuple(kind.TYPE_NAME for kind in (ModelBlessing, InfraBlessing, PushedModel))
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
    kept |= set(_held(lineage, by_id.values(), served))
    kept = _with_what_belongs(lineage, by_id, kept)
    return {
        identity
        for identity in kept
        if identity in lineage.artifacts
        and lineage.artifacts[identity].state != pb.Artifact.DELETED
    }


def _splits(lineage: Lineage, executions: Collection[int]) -> Iterator[pb.Artifact]:
    """The splits through which sides are remembered, and those that kept ingestions went on from.

    A later ingestion goes on from the newest of the same folder and policy with other content or
    settings.
    """
    splits = list(lineage.live(SplitAssignment.TYPE_NAME))
    histories = {_history(lineage.executions[identity]) for identity in executions}
    yield from (split for split in splits if split.uri in histories)
    yield from _newest_of_contents(
        splits, lambda split: (text_of(split, "input_base"), text_of(split, "policy"))
    )


def _history(execution: pb.Execution) -> str:
    for properties in (execution.custom_properties, execution.properties):
        if "history" in properties:
            return str(properties["history"].string_value)
    return ""


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


def _held(lineage: Lineage, models: Iterable[Model], served: Collection[int]) -> Iterator[int]:
    """Models that are served, wait for a person, or are what a candidate must beat."""
    blessed: dict[str, list[int]] = {}
    may_be_baseline = _blessed_ids(lineage)
    for model in sorted(models, key=lambda model: model.artifact.id):
        identity = model.artifact.id
        if identity in served or model.undecided:
            yield identity
        if identity in may_be_baseline:
            blessed.setdefault(model.pipeline, []).append(identity)
    for identities in blessed.values():
        yield from identities[-_NEWEST:]


def _blessed_ids(lineage: Lineage) -> set[int]:
    """Models that may be what a candidate must beat."""
    blessings = list(lineage.live(ModelBlessing.TYPE_NAME))
    blessed = {number_of(one, CURRENT_MODEL_ID) for one in blessings if number_of(one, "blessed")}
    unservable = unservable_models(lineage.live(InfraBlessing.TYPE_NAME))
    return blessed - withdrawn_models(blessings) - unservable


def _with_what_belongs(lineage: Lineage, models: dict[int, Model], kept: set[int]) -> set[int]:
    """Adds what an artifact that stays is of no use without, and what would change its meaning."""
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
            more = _of_model(lineage, models[identity])
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


def _of_model(lineage: Lineage, model: Model) -> set[int]:
    """A model's report and predictions, its blessings and what it was pushed as."""
    judged = lineage.users(model.artifact.id, "model")
    made = lineage.used_by(judged, output=True)
    found = {one for one in made if lineage.artifacts[one].type in _OF_A_MODEL}
    return found | {one.id for one in (model.report, model.predictions) if one is not None}


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
