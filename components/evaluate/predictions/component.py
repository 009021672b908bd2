"""The Predictions component: raw test Examples and models in, what the models say out."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
from tfx import types
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import artifact_utils
from tfx.types.standard_artifacts import Examples, Model

from components.errors import PipelineError
from components.evaluate.artifacts import PredictionsFile
from components.evaluate.predictions.driver import PredictionsDriver, is_there, saved_model
from components.evaluate.predictions.foreign import EACH, foreign_images
from components.evaluate.predictions.inference import (
    PROBABILITIES,
    ExportedModel,
    encoded_example,
    row_outputs,
    scalar_features,
)
from components.evaluate.predictions.seen_before import (
    Record,
    UnknownTrainingError,
    known_groups,
)
from components.evaluate.predictions.slices import describe
from components.evaluate.predictions.table import Header, prediction_writer, write_foreign
from components.ingest.artifacts import SplitAssignment
from components.ingest.config import DuplicatesConfig
from components.properties import MODEL_ID, text_of
from components.stratified_sample import StratifiedSample
from components.transform.preprocessing import CLASS, LABEL
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
    header = Header(classes=asked.classes, model_id=model.id, missing=asked.missing)
    baseline, header = _baseline(baseline_model, header)
    trained = {"model": model_splits}
    if baseline_model is not None:
        trained["baseline"] = baseline_splits
    settings = DuplicatesConfig.model_validate_json(duplicates)
    known, header = _known(splits, trained, settings, header)
    brains = StratifiedSample[bytes](EACH)
    with prediction_writer(folder, header) as writer:
        for records in read_records(artifact_utils.get_split_uri([examples], _SPLIT), _BATCH):
            writer.write(_rows(records, asked, baseline, known))
            for record in records:
                encoded = encoded_image(record)
                brains.offer(encoded, scalar_features(record).get(CLASS, -1), encoded)
            _LOG.info("%s test images", f"{writer.images:,}")
    if not {"in_distribution", "ood_score"} & set(asked.missing):
        write_foreign(folder, _foreign_rows(asked, brains.drawn()))
    predictions.set_int_custom_property(MODEL_ID, model.id)
    predictions.set_int_custom_property("images", writer.images)
    predictions.set_int_custom_property("baseline", int(baseline is not None))


Predictions.DRIVER_CLASS = PredictionsDriver


def _baseline(
    artifact: types.Artifact | None, header: Header
) -> tuple[ExportedModel | None, Header]:
    """The model to compare with, unless there is none or nothing can be compared."""
    if artifact is None:
        return None, header
    found: dict[str, Any] = {"baseline_id": artifact.id}
    baseline = None
    try:
        if is_there(artifact):
            baseline = ExportedModel(saved_model(artifact))
            found["baseline_classes"] = baseline.classes
        else:
            found["baseline_problem"] = "the last blessed model's files are gone"
    except PipelineError as error:  # it is whole, and of another kind
        _LOG.warning("the last blessed model cannot be asked: %s", error)
        found["baseline_problem"] = "the last blessed model cannot be asked"
    except (OSError, ValueError, tf.errors.OpError) as error:
        # It may be the moment's fault, or mended, so that no comparison may be kept that lacks it.
        raise PipelineError(
            f"The last blessed model, in {artifact.uri}, cannot be loaded "
            f"({' '.join(str(error).split())[:300]}): run again, restore it, or delete that folder "
            "to go on without it."
        ) from error
    if baseline is not None and baseline.classes != header.classes:
        found["baseline_problem"] = (
            f"the last blessed model knows other classes ({', '.join(baseline.classes)}) than "
            f"this one ({', '.join(header.classes)})"
        )
        baseline = None
    return baseline, header.model_copy(update=found)


def _known(
    tested: types.Artifact,
    trained: Mapping[str, Sequence[types.Artifact] | None],
    config: DuplicatesConfig,
    header: Header,
) -> tuple[dict[str, frozenset[str]], Header]:
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
            _LOG.warning("which test images the %s knows cannot be told: %s", whose, error)
    return groups, header.model_copy(update=unknown)


def _rows(
    records: list[bytes],
    model: ExportedModel,
    baseline: ExportedModel | None,
    known: dict[str, frozenset[str]],
) -> list[dict[str, Any]]:
    outputs = model(records)
    earlier = baseline(records)[PROBABILITIES] if baseline else None
    rows = []
    for index, record in enumerate(records):
        features = scalar_features(record)
        label = features.get(CLASS)
        group = features.get("image/group", b"").decode()
        rows.append(
            {
                "sha256": features.get("image/sha256", b"").decode(),
                "group": group,
                "label": features[LABEL].decode() if LABEL in features else None,
                "class": label if label is not None and 0 <= label < len(model.classes) else None,
                "mean": features.get("image/mean"),
                **describe(features),
                **row_outputs(outputs, index),
                "baseline": None if earlier is None else earlier[index].tolist(),
                **{name: group in groups for name, groups in known.items()},
            }
        )
    return rows


def _foreign_rows(model: ExportedModel, encoded: list[bytes]) -> list[dict[str, Any]]:
    rows = []
    images = list(foreign_images(encoded))
    for start in range(0, len(images), _BATCH):
        batch = images[start : start + _BATCH]
        outputs = model([encoded_example(png) for _, png in batch])
        rows += [
            {"kind": kind, **row_outputs(outputs, index)} for index, (kind, _) in enumerate(batch)
        ]
    return rows
