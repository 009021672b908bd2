"""A model on images of another place: what is recorded of the model, and what comes of it."""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as pb

from components.errors import PipelineError
from components.evaluate.predictions.seen_before import Record
from components.evaluate.report.card import CARD_JSON, ModelCard
from components.evaluate.report.figures import Figures
from components.evaluate.trained_on import splits_behind
from components.external.report import ExternalReport
from components.external.validate import ValidatedModel, validate
from components.gate.drift import Statistics
from components.gate.verdict import STATISTICS_ID
from components.ingest.config import IngestConfig
from components.monitor.training import read_statistics
from components.properties import number_of, parameter_of, text_of
from components.servable import EXTRAS, SAVED_MODEL_FILE
from pipeline.engines import LOCAL_BEAM
from pipeline.orchestration import (
    MODEL_ID,
    PIPELINE_RUN_CONTEXT_TYPE_NAME,
    GateVerdict,
)
from pipeline.registry import EXTERNAL_REPORT, Model, contexts_of, contexts_of_model, event_of
from pipeline.work import Work

EXTERNAL_TYPE = "ExternalValidation"
"""The type of the executions that evaluate a model on images of another place."""

_OUTPUT = "report"


def validate_model(
    store: mlmd.MetadataStore, work: Work, model: Model, data: Path, labels: Path | None
) -> tuple[ExternalReport, Path]:
    """Evaluates a model on the images of a folder, and records what came of it.

    The report becomes an artifact of ML Metadata, and the cards of the model's versions that are
    still there get a line.

    Args:
        store: ML Metadata.
        work: The work folder, held exclusively.
        model: The model.
        data: The folder.
        labels: A table of labels, or None.

    Returns:
        The report, and its folder.

    Raises:
        PipelineError: The model's files are gone, or the folder cannot be used.
    """
    work.lend_patient_salt()
    now = datetime.now(timezone.utc)
    folder = work.artifacts / EXTERNAL_TYPE / _OUTPUT / f"{now:%Y-%m-%dT%H-%M-%S.%f}"
    with work.writing():
        folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=work.temporary, prefix="external-") as name:
        scratch, made = Path(name, "scratch"), Path(name, "made")
        scratch.mkdir()
        made.mkdir()
        report = validate(
            _subject(store, work, model), data, labels, LOCAL_BEAM, scratch, made,
            f"{now:%Y-%m-%d %H:%M:%S} UTC",
        )  # fmt: skip
        with work.writing():
            shutil.move(made, folder)
    artifact = _record(store, model, report, folder)
    _tell_versions(work, model, artifact)
    return report, folder


def _subject(store: mlmd.MetadataStore, work: Work, model: Model) -> ValidatedModel:
    splits = _splits(store, model)
    return ValidatedModel(
        saved_model=_saved_model(work, model),
        model_id=model.artifact.id,
        run=model.run,
        ingest=_ingest(store, splits),
        trained=tuple(Record(Path(one.uri), text_of(one, "policy")) for one in splits),
        statistics=_statistics(store, model),
        own=_own(model),
    )


def _saved_model(work: Work, model: Model) -> Path:
    """The model's files, or those of a version that it was pushed as."""
    versions = [work.serving / model.pipeline / version for version in reversed(model.versions)]
    for folder in (model.saved_model, *versions):
        if (folder / SAVED_MODEL_FILE).is_file():
            return folder
    raise PipelineError(
        f"The files of the model of run {model.run} are gone: choose another one, as `mri models "
        "list` shows them."
    )


def _splits(store: mlmd.MetadataStore, model: Model) -> list[pb.Artifact]:
    """All splits that a model was made with; none if one is gone."""
    behind = sorted(splits_behind(store, model.artifact.id))
    found = list(store.get_artifacts_by_id(behind)) if behind else []
    return found if all(one.state == pb.Artifact.LIVE for one in found) else []


def _ingest(store: mlmd.MetadataStore, splits: Sequence[pb.Artifact]) -> IngestConfig:
    """How the newest of the model's training images were read, as far as it is recorded."""
    if splits:
        newest = max(splits, key=lambda one: one.id)
        makers = [
            event.execution_id
            for event in store.get_events_by_artifact_ids([newest.id])
            if event.type == pb.Event.OUTPUT
        ]
        for execution in store.get_executions_by_id(makers):
            if recorded := parameter_of(execution, "config"):
                read = IngestConfig.model_validate_json(recorded)
                return read.model_copy(update={"split_file": None, "unlinked_history": "accept"})
    return IngestConfig()


def _statistics(store: mlmd.MetadataStore, model: Model) -> Statistics | None:
    """The statistics of the training images that the gate let pass in the model's run."""
    for context in contexts_of(store, model.artifact.id, PIPELINE_RUN_CONTEXT_TYPE_NAME):
        judged = [
            number_of(one, STATISTICS_ID)
            for one in store.get_artifacts_by_context(context.id)
            if one.type == GateVerdict.TYPE_NAME
        ]
        found = store.get_artifacts_by_id([max(judged)]) if judged else []
        if found and Path(found[0].uri).is_dir():
            return read_statistics(Path(found[0].uri))
    return None


def _own(model: Model) -> Figures | None:
    if model.report is None or not (Path(model.report.uri) / Figures.FILE).is_file():
        return None
    return Figures.read(Path(model.report.uri))


def _record(
    store: mlmd.MetadataStore, model: Model, report: ExternalReport, folder: Path
) -> pb.Artifact:
    """Writes an execution into ML Metadata: the model in, the report out."""
    execution = pb.Execution(
        type_id=store.put_execution_type(pb.ExecutionType(name=EXTERNAL_TYPE)),
        last_known_state=pb.Execution.COMPLETE,
    )
    execution.custom_properties["source"].string_value = report.source
    execution.custom_properties["fingerprint"].string_value = report.fingerprint
    made = pb.Artifact(
        type_id=store.put_artifact_type(pb.ArtifactType(name=EXTERNAL_REPORT)),
        uri=str(folder),
        state=pb.Artifact.LIVE,
    )
    made.custom_properties[MODEL_ID].int_value = model.artifact.id
    for name, figure in report.figures.headline.items():
        if figure.value is not None:
            made.custom_properties[name].double_value = figure.value
    events = [
        (model.artifact, event_of(pb.Event.INPUT, "model")),
        (made, event_of(pb.Event.OUTPUT, _OUTPUT)),
    ]
    store.put_execution(execution, events, contexts_of_model(store, model.artifact.id))
    return made


def _tell_versions(work: Work, model: Model, made: pb.Artifact) -> None:
    """Writes the cards of a model's versions anew, which say what it was validated on."""
    known = replace(model, external=(*model.external, made)).validations
    for version in model.versions:
        extras = work.serving / model.pipeline / version / EXTRAS
        if (extras / CARD_JSON).is_file():
            with work.writing():
                ModelCard.read(extras).validated(known).write(extras)
