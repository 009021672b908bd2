"""The work of Predictions: every test image through the graph that will be served."""

import logging
from pathlib import Path
from typing import Any

import tensorflow as tf
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import path_utils

from components.errors import PipelineError
from components.evaluate.predictions.foreign import EACH, foreign_images
from components.evaluate.predictions.inference import (
    PROBABILITIES,
    ExportedModel,
    encoded_example,
    read_records,
    row_outputs,
    scalar_features,
)
from components.evaluate.predictions.slices import describe
from components.evaluate.predictions.table import Header, PredictionWriter, write_foreign
from components.properties import MODEL_ID
from components.transform.preprocessing import CLASS, ENCODED, LABEL

_BATCH = 16
_SPLIT = "test"

_LOG = logging.getLogger(__name__)


class PredictionsExecutor(base_executor.BaseExecutor):
    """Asks the model, and the one it is compared with, about every test image."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],  # noqa: ARG002 - TFX's
    ) -> None:
        """Writes the predictions, holding one batch of images in memory.

        Args:
            input_dict: `examples`, `model`, and `baseline_model` where there is one.
            output_dict: `predictions`.
            exec_properties: Only the code's digest.

        Raises:
            PipelineError: The model cannot be asked.
        """
        model_artifact = artifact_utils.get_single_instance(input_dict["model"])
        made = artifact_utils.get_single_instance(output_dict["predictions"])
        folder = Path(made.uri)
        model = _load(model_artifact)
        baseline, header = _baseline(
            input_dict.get("baseline_model"),
            Header(classes=model.classes, model_id=model_artifact.id, missing=model.missing),
        )
        pattern = f"{artifact_utils.get_split_uri(input_dict['examples'], _SPLIT)}/*"
        first: list[bytes] = []
        with PredictionWriter(folder, header) as writer:
            for records in read_records(pattern, _BATCH):
                writer.write(_rows(records, model, baseline))
                first += [_encoded(record) for record in records[: EACH - len(first)]]
                _LOG.info("%s test images", f"{writer.images:,}")
        if not {"in_distribution", "ood_score"} & set(model.missing):
            write_foreign(folder, _foreign_rows(model, first))
        made.set_int_custom_property(MODEL_ID, model_artifact.id)
        made.set_int_custom_property("images", writer.images)
        made.set_int_custom_property("baseline", int(baseline is not None))


def _load(artifact: types.Artifact) -> ExportedModel:
    return ExportedModel(
        Path(
            path_utils.serving_model_path(artifact.uri, path_utils.is_old_model_artifact(artifact))
        )
    )


def _baseline(
    artifacts: list[types.Artifact] | None, header: Header
) -> tuple[ExportedModel | None, Header]:
    """The model to compare with, unless there is none or nothing can be compared."""
    if not artifacts:
        return None, header
    found: dict[str, Any] = {"baseline_id": artifacts[0].id}
    try:
        baseline = _load(artifacts[0])
    except (OSError, PipelineError, ValueError, tf.errors.OpError):
        _LOG.warning("the last blessed model cannot be loaded", exc_info=True)
        problem = "the last blessed model's files are gone or cannot be loaded"
        return None, header.model_copy(update={**found, "baseline_problem": problem})
    found["baseline_classes"] = baseline.classes
    if baseline.classes != header.classes:
        problem = (
            f"the last blessed model knows other classes ({', '.join(baseline.classes)}) than "
            f"this one ({', '.join(header.classes)})"
        )
        return None, header.model_copy(update={**found, "baseline_problem": problem})
    return baseline, header.model_copy(update=found)


def _rows(
    records: list[bytes], model: ExportedModel, baseline: ExportedModel | None
) -> list[dict[str, Any]]:
    outputs = model(records)
    earlier = baseline(records)[PROBABILITIES] if baseline else None
    rows = []
    for index, record in enumerate(records):
        features = scalar_features(record)
        label = features.get(CLASS)
        rows.append(
            {
                "sha256": features.get("image/sha256", b"").decode(),
                "group": features.get("image/group", b"").decode(),
                "label": features[LABEL].decode() if LABEL in features else None,
                "class": label if label is not None and 0 <= label < len(model.classes) else None,
                "mean": features.get("image/mean"),
                **describe(features),
                **row_outputs(outputs, index),
                "baseline": None if earlier is None else earlier[index].tolist(),
            }
        )
    return rows


def _encoded(record: bytes) -> bytes:
    example = tf.train.Example.FromString(record)
    return bytes(example.features.feature[ENCODED].bytes_list.value[0])


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
