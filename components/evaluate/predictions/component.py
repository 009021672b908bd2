"""The Predictions component: raw test Examples and models in, what the models say out."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tfx import types
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import artifact_utils
from tfx.types.standard_artifacts import Examples, Model

from components.evaluate.artifacts import PredictionsFile
from components.evaluate.predictions.driver import PredictionsDriver
from components.evaluate.predictions.foreign import EACH, foreign_images
from components.evaluate.predictions.rows import prediction_rows
from components.evaluate.predictions.seen_before import Record, UnknownTrainingError, known_groups
from components.evaluate.predictions.table import Header, prediction_writer, write_foreign
from components.exported_model import (
    ExportedModel,
    encoded_example,
    load_baseline,
    rows_of,
    scalar_features,
)
from components.ingest.artifacts import SplitAssignment
from components.ingest.config import DuplicatesConfig
from components.model_folder import saved_model
from components.properties import MODEL_ID, text_of
from components.stratified_sample import StratifiedSample
from components.transform.preprocessing import CLASS
from components.transform.records import encoded_image, read_records

_BATCH = 16
_SPLIT = "test"

_LOG = logging.getLogger(__name__)


@component
def Predictions(
    examples: InputArtifact[Examples],
    model: InputArtifact[Model],
    splits: InputArtifact[SplitAssignment],
    predictions: OutputArtifact[PredictionsFile],
    duplicates: Parameter[str],
    code: Parameter[str],
    model_splits: InputArtifact[list[SplitAssignment]] = None,
    baseline_model: InputArtifact[Model] = None,
    baseline_splits: InputArtifact[list[SplitAssignment]] = None,
) -> None:
    """Asks the exported graph about every raw test image, once, for every figure that follows.

    One batch of images is held in memory.

    Args:
        examples: Ingest's raw Examples, of which the test split is used.
        model: The candidate.
        splits: Where the Examples stand.
        predictions: What it and the one to beat say.
        duplicates: When a test image counts as one that a model was trained on, JSON of a
            `DuplicatesConfig`.
        code: Digest of this code, for TFX's cache.
        model_splits: Where the images stood that the candidate was made with, of each ingestion.
        baseline_model: The model to beat, or none.
        baseline_splits: Where the images stood that it was made with.

    Raises:
        PipelineError: The model cannot be asked.
    """
    folder = Path(predictions.uri)
    asked = ExportedModel(saved_model(model))
    baseline = load_baseline(
        None if baseline_model is None else saved_model(baseline_model), asked.classes
    )
    trained = {"model": model_splits}
    if baseline_model is not None:
        trained["baseline"] = baseline_splits
    settings = DuplicatesConfig.model_validate_json(duplicates)
    known, unknown = _known(splits, trained, settings)
    header = Header(
        classes=asked.classes,
        model_id=model.id,
        missing=asked.missing,
        baseline_id=None if baseline_model is None else baseline_model.id,
        baseline_classes=baseline.classes,
        baseline_problem=baseline.problem,
        **unknown,
    )
    brains = StratifiedSample[bytes](EACH)
    images = 0
    with prediction_writer(folder, header) as write:
        for records in read_records(artifact_utils.get_split_uri([examples], _SPLIT), _BATCH):
            described = [scalar_features(record) for record in records]
            earlier = baseline.model(records) if baseline.model else None
            write(prediction_rows(described, asked(records), earlier, known))
            for record, features in zip(records, described, strict=True):
                encoded = encoded_image(record)
                brains.offer(encoded, features.get(CLASS, -1), encoded)
            images += len(records)
            _LOG.info("%s test images", f"{images:,}")
    if not {"in_distribution", "ood_score"} & set(asked.missing):
        write_foreign(folder, _foreign_rows(asked, brains.drawn()))
    predictions.set_int_custom_property(MODEL_ID, model.id)
    predictions.set_int_custom_property("images", images)
    predictions.set_int_custom_property("baseline", int(baseline.model is not None))


Predictions.DRIVER_CLASS = PredictionsDriver


def _known(
    tested: types.Artifact,
    trained: Mapping[str, Sequence[types.Artifact] | None],
    config: DuplicatesConfig,
) -> tuple[dict[str, frozenset[str]], dict[str, str]]:
    """By column, the groups of test images that a training knows; and where that is unknown."""
    groups, unknown = {}, {}
    for whose, splits in trained.items():
        records = [
            Record(Path(one.uri), text_of(one.mlmd_artifact, "policy")) for one in splits or ()
        ]
        try:
            groups[f"known_to_{whose}"] = known_groups(Path(tested.uri), records, config)
        except UnknownTrainingError as error:
            name = "training_unknown" if whose == "model" else "baseline_unknown"
            unknown[name] = str(error)
            _LOG.warning("it is not known which test images the %s knows: %s", whose, error)
    return groups, unknown


def _foreign_rows(model: ExportedModel, encoded: list[bytes]) -> list[dict[str, Any]]:
    kinds, images = zip(*foreign_images(encoded), strict=True)
    examples = [encoded_example(image) for image in images]
    rows = []
    for start in range(0, len(examples), _BATCH):
        rows += rows_of(model(examples[start : start + _BATCH]))
    return [{"kind": kind, **row} for kind, row in zip(kinds, rows, strict=True)]
