"""The work of Predictions: every test image through the graph that will be served."""

import logging
from pathlib import Path
from typing import Any

import tensorflow as tf
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import path_utils

from components.draw import Draw
from components.errors import PipelineError
from components.evaluate.predictions.driver import is_there
from components.evaluate.predictions.foreign import EACH, foreign_images
from components.evaluate.predictions.inference import (
    PROBABILITIES,
    ExportedModel,
    encoded_example,
    read_records,
    row_outputs,
    scalar_features,
)
from components.evaluate.predictions.seen_before import (
    Record,
    UnknownTrainingError,
    known_groups,
)
from components.evaluate.predictions.slices import describe
from components.evaluate.predictions.table import Header, PredictionWriter, write_foreign
from components.ingest.config import DuplicatesConfig
from components.properties import MODEL_ID, text_of
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
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes the predictions, holding one batch of images in memory.

        Args:
            input_dict: `examples` and their `splits`; `model` and all `model_splits` that it was
                trained on; where there is one, `baseline_model` and its `baseline_splits`.
            output_dict: `predictions`.
            exec_properties: `duplicates`, JSON of a `DuplicatesConfig`.

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
        known, header = _known(input_dict, exec_properties, header)
        pattern = f"{artifact_utils.get_split_uri(input_dict['examples'], _SPLIT)}/*"
        brains = Draw[bytes](EACH)
        with PredictionWriter(folder, header) as writer:
            for records in read_records(pattern, _BATCH):
                writer.write(_rows(records, model, baseline, known))
                for record in records:
                    encoded = _encoded(record)
                    brains.offer(encoded, scalar_features(record).get(CLASS, -1), encoded)
                _LOG.info("%s test images", f"{writer.images:,}")
        if not {"in_distribution", "ood_score"} & set(model.missing):
            write_foreign(folder, _foreign_rows(model, brains.drawn()))
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
    if not is_there(artifacts[0]):
        problem = "the last blessed model's files are gone"
        return None, header.model_copy(update={**found, "baseline_problem": problem})
    try:
        baseline = _load(artifacts[0])
    except PipelineError as error:  # it is whole, and of another kind
        _LOG.warning("the last blessed model cannot be asked: %s", error)
        problem = "the last blessed model cannot be asked"
        return None, header.model_copy(update={**found, "baseline_problem": problem})
    except (OSError, ValueError, tf.errors.OpError) as error:
        # It may be the moment's fault, or mended, so that no comparison may be kept that lacks it.
        raise PipelineError(
            f"The last blessed model, in {artifacts[0].uri}, cannot be loaded "
            f"({' '.join(str(error).split())[:300]}): run again, restore it, or delete that folder "
            "to go on without it."
        ) from error
    found["baseline_classes"] = baseline.classes
    if baseline.classes != header.classes:
        problem = (
            f"the last blessed model knows other classes ({', '.join(baseline.classes)}) than "
            f"this one ({', '.join(header.classes)})"
        )
        return None, header.model_copy(update={**found, "baseline_problem": problem})
    return baseline, header.model_copy(update=found)


def _known(
    input_dict: dict[str, list[types.Artifact]], exec_properties: dict[str, Any], header: Header
) -> tuple[dict[str, frozenset[str]], Header]:
    """By column, the groups of test images that a training knows; and where that is unknown."""
    [tested] = input_dict["splits"]
    sources = {"model": input_dict.get("model_splits")}
    if header.baseline_id is not None:
        sources["baseline"] = input_dict.get("baseline_splits")
    config = DuplicatesConfig.model_validate_json(exec_properties["duplicates"])
    groups, unknown = {}, {}
    for whose, trained in sources.items():
        try:
            groups[f"known_to_{whose}"] = _groups(tested, trained or [], config)
        except UnknownTrainingError as error:
            name = "training_unknown" if whose == "model" else "baseline_unknown"
            unknown[name] = str(error)
            _LOG.warning("which test images the %s knows cannot be told: %s", whose, error)
    return groups, header.model_copy(update=unknown)


def _groups(
    tested: types.Artifact, trained: list[types.Artifact], config: DuplicatesConfig
) -> frozenset[str]:
    if not trained:
        raise UnknownTrainingError("the record of its training images is gone or cannot be read")
    records = [Record(Path(one.uri), text_of(one.mlmd_artifact, "policy")) for one in trained]
    return known_groups(Path(tested.uri), records, config)


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
