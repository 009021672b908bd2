"""What a tracking server is told of a run: settings, curves, figures, report, decisions."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as pb

from components.disclaimer import DISCLAIMER
from components.evaluate.report.card import CARD_JSON, CARD_MARKDOWN, ModelCard
from components.evaluate.report.files import PAGE_FILE
from components.trainer.history import HISTORY_FILE
from pipeline.decisions.decide import served_version
from pipeline.launch import gate_verdict
from pipeline.metadata import SUCCESSFUL, outputs, run_executions
from pipeline.orchestration import PIPELINE_CONTEXT_TYPE_NAME, PIPELINE_RUN_CONTEXT_TYPE_NAME
from pipeline.registry import Model, read_models
from pipeline.states import ModelState
from pipeline.work import Work

RUN_TAG = "mri.run"
"""The tag that tells a run of ours from others: its id."""


@dataclass(frozen=True)
class TrackedMetric:
    """A number.

    Attributes:
        name: As MLflow shows it.
        value: The number.
        step: The epoch, from 1; 0 for what is measured once.
    """

    name: str
    value: float
    step: int = 0


@dataclass(frozen=True)
class TrackedVersion:
    """A served version of a run's model.

    Attributes:
        version: Its number, the name of its folder.
        served: Whether it is what is served now.
    """

    version: str
    served: bool


@dataclass(frozen=True)
class TrackedRun:
    """What is told of a run.

    Attributes:
        run: Its id.
        pipeline: The pipeline's name, which the experiment and the registered model have.
        started: When, milliseconds since 1970.
        ended: When its last node did.
        failed: Whether a node failed, or the run was cut off or stopped.
        tags: What it is and what became of it.
        parameters: The settings that its model was trained with.
        metrics: By epoch, and the test figures with their intervals.
        files: The report and the card.
        saved_model: The SavedModel's folder, if there is one.
        versions: What the model was pushed as, the lowest first.
    """

    run: str
    pipeline: str
    started: int
    ended: int
    failed: bool
    tags: Mapping[str, str]
    parameters: Mapping[str, str] = field(default_factory=dict)
    metrics: tuple[TrackedMetric, ...] = ()
    files: tuple[Path, ...] = ()
    saved_model: Path | None = None
    versions: tuple[TrackedVersion, ...] = ()

    @property
    def digest(self) -> str:
        """Changes with whatever is told."""
        told = [
            self.run,
            self.ended,
            self.failed,
            dict(self.tags),
            dict(self.parameters),
            [(one.name, one.value, one.step) for one in self.metrics],
            [hashlib.sha256(file.read_bytes()).hexdigest() for file in self.files],
            [(one.version, one.served) for one in self.versions],
        ]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def tracked_runs(store: mlmd.MetadataStore, work: Work) -> Iterator[TrackedRun]:
    """What is to be told of the runs of a work folder.

    Args:
        store: ML Metadata.
        work: The work folder; runs of others that share the database are left to them.

    Yields:
        The runs in which a node has begun, the oldest first.
    """
    models = {run: model for model in read_models(store) for run in model.runs}
    contexts = store.get_contexts_by_type(PIPELINE_RUN_CONTEXT_TYPE_NAME)
    for context in sorted(contexts, key=lambda one: one.id):
        if not (work.runs / context.name).is_dir():
            continue
        if executions := run_executions(store, context.name):
            yield _tracked(store, work, context.name, executions, models.get(context.name))


def _tracked(
    store: mlmd.MetadataStore,
    work: Work,
    run: str,
    executions: list[tuple[str, pb.Execution]],
    model: Model | None,
) -> TrackedRun:
    done = all(one.last_known_state in SUCCESSFUL for _, one in executions)
    stopped = any(
        verdict.outcome == "stopped"
        for node, one in executions
        if (verdict := gate_verdict(node, outputs(store, one.id)))
    )
    tags = {RUN_TAG: run, "mri.disclaimer": DISCLAIMER}
    if stopped:
        tags["mri.state"] = "stopped by the data gate"
    elif not done:
        tags["mri.state"] = "not completed"
    known = TrackedRun(
        run=run,
        pipeline=_pipeline(store, executions[0][1]),
        started=min(one.create_time_since_epoch for _, one in executions),
        ended=max(one.last_update_time_since_epoch for _, one in executions),
        failed=stopped or not done,
        tags=tags,
    )
    return known if model is None else _with_model(known, model, work)


def _with_model(run: TrackedRun, model: Model, work: Work) -> TrackedRun:
    card = model.card
    served = served_version(work, model)
    state = model.state(served)
    tags = {
        **run.tags,
        "mri.model": str(model.artifact.id),
        "mri.blessed": str(model.standing.blessed),
    }
    tags.setdefault("mri.state", state.value)
    for number, one in enumerate(model.decisions, start=1):
        version = f", version {one.version}" if one.version else ""
        tags[f"mri.decision.{number}"] = f"{one.time}: {one.decision}{version}. {one.reason}"
    parameters: dict[str, str] = {}
    files: list[Path] = []
    if card is not None and model.report is not None:
        tags |= {
            "mri.code": f"{card.lineage.code_version}, {card.lineage.code_digest}",
            "mri.data": card.lineage.data,
            "mri.data_fingerprint": card.lineage.data_fingerprint,
            "mri.split_policy": card.lineage.policy,
        }
        if card.reasons:
            tags["mri.refused_because"] = " ".join(card.reasons)
        parameters = dict(card.lineage.parameters)
        folder = Path(model.report.uri)
        named = (folder / name for name in (PAGE_FILE, CARD_JSON, CARD_MARKDOWN))
        files = [file for file in named if file.is_file()]
    return replace(
        run,
        pipeline=model.pipeline,
        tags=tags,
        parameters=parameters,
        metrics=(*_curves(Path(model.artifact.uri)), *_figures(card)),
        files=tuple(files),
        saved_model=model.saved_model,
        versions=tuple(
            TrackedVersion(version, state is ModelState.SERVED and version == served)
            for version in model.versions
        ),
    )


def _curves(model: Path) -> Iterator[TrackedMetric]:
    """Loss and accuracy by epoch; nothing if the model's files are gone."""
    file = model / HISTORY_FILE
    if not file.is_file():
        return
    for name, values in json.loads(file.read_bytes()).items():
        metric = name.removeprefix("val_")
        split = "train" if metric == name else "eval"
        for epoch, value in enumerate(values, start=1):
            yield TrackedMetric(f"{split}/{metric}", value, epoch)


def _figures(card: ModelCard | None) -> Iterator[TrackedMetric]:
    """The test figures, each with the ends of its interval."""
    for name, figure in (card.figures if card else {}).items():
        for end, value in (("", figure.value), ("/low", figure.low), ("/high", figure.high)):
            if value is not None:
                yield TrackedMetric(f"test/{name.replace(' ', '_')}{end}", value)


def _pipeline(store: mlmd.MetadataStore, execution: pb.Execution) -> str:
    contexts = store.get_contexts_by_execution(execution.id)
    return next(str(one.name) for one in contexts if one.type == PIPELINE_CONTEXT_TYPE_NAME)
