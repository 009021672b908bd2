"""The Evaluator component: predictions in, TFMA's figures and a blessing out."""

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow as pa
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import config_pb2
from tfx import types
from tfx.components.evaluator import constants
from tfx.dsl.component.experimental.annotations import (
    BeamComponentParameter,
    InputArtifact,
    OutputArtifact,
    Parameter,
)
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import Model, ModelBlessing, ModelEvaluation

from components.evaluate.artifacts import PredictionsFile
from components.evaluate.config import EvaluateConfig
from components.evaluate.judgement import BySlice, judge, read_results
from components.evaluate.predictions.table import PredictionTable
from components.evaluate.robustness import robustness_checks
from components.evaluate.thresholds import BASELINE, COMPARED, LABEL_KEY, NO, PREDICTION_KEY, YES
from components.plans import Parts, Place, read_part, write_plan
from components.robustness.artifacts import ChangedAnswersFile
from components.robustness.table import ChangedAnswers

_UNKNOWN = "unknown"
_ROWS = 1000

_LOG = logging.getLogger(__name__)


@component(use_beam=True)
def Evaluator(
    predictions: InputArtifact[PredictionsFile],
    changed: InputArtifact[ChangedAnswersFile],
    model: InputArtifact[Model],
    evaluation: OutputArtifact[ModelEvaluation],
    blessing: OutputArtifact[ModelBlessing],
    config: Parameter[str],
    code: Parameter[str],
    baseline_model: InputArtifact[Model] = None,
    beam_pipeline: BeamComponentParameter[beam.Pipeline] = None,
) -> None:
    """Runs TFMA on predictions that were made once, and blesses or refuses the model.

    TFX's own Evaluator asks the models itself; every other figure would need a second pass over the
    test images. What is wrong with the predictions raises nothing: it is a reason to refuse.

    Args:
        predictions: Of the test images.
        changed: Of some that were changed.
        model: The candidate.
        evaluation: TFMA's results, and a verdict.
        blessing: As TFX's own Evaluator gives it.
        config: What it takes to be blessed, JSON of an `EvaluateConfig`.
        code: Digest of this code, for TFX's cache.
        baseline_model: The model to beat, or none.
        beam_pipeline: TFX's.
    """
    made = PredictionTable.read(Path(predictions.uri))
    folder = Path(evaluation.uri)

    def measure(settings: config_pb2.EvalConfig) -> tuple[BySlice, Any]:
        with (
            tempfile.TemporaryDirectory(prefix=".plan-", dir=folder) as scratch,
            beam_pipeline as pipeline,
        ):
            _ = (
                pipeline
                | "Plan" >> Parts(write_plan(Path(scratch), "predictions", _parts(made)))
                | "Predictions" >> beam.Map(_batch)
                | tfma.ExtractEvaluateAndWriteResults(
                    eval_shared_model=[_answered(spec) for spec in settings.model_specs],
                    eval_config=settings,
                    output_path=str(folder),
                )
            )
        return read_results(folder, settings, made.classes)

    demanded = EvaluateConfig.model_validate_json(config)
    further = robustness_checks(ChangedAnswers.read(Path(changed.uri)), made, demanded)
    verdict = judge(made, demanded, measure, further)
    verdict.write(folder)
    _LOG.info("blessed" if verdict.blessed else f"refused: {'; '.join(verdict.reasons)}")
    _bless(blessing, model, baseline_model, blessed=verdict.blessed)


def _answered(spec: config_pb2.ModelSpec) -> tfma.types.EvalSharedModel:
    """A model whose answers are in the columns."""
    return tfma.types.EvalSharedModel(
        model_name=spec.name,
        model_type=tfma.constants.MATERIALIZED_PREDICTION,
        include_default_metrics=False,
        is_baseline=spec.is_baseline,
    )


def _parts(predictions: PredictionTable) -> Iterator[pa.Table]:
    """The columns that TFMA reads, some rows at a time."""
    columns = {
        LABEL_KEY: pa.array([[int(label)] for label in predictions.labels]),
        PREDICTION_KEY: pa.array(predictions.probabilities.tolist()),
        **{
            name: pa.array([[value or _UNKNOWN] for value in values.tolist()])
            for name, values in predictions.slices.items()
        },
    }
    if predictions.baseline is not None:
        columns[BASELINE] = pa.array(predictions.baseline.tolist())
        columns[COMPARED] = pa.array([[YES if new else NO] for new in predictions.new_to_both])
    table = pa.table(columns)
    return (table.slice(start, _ROWS) for start in range(0, len(table), _ROWS))


def _batch(place: Place) -> pa.RecordBatch:
    [batch] = read_part(place).combine_chunks().to_batches()
    return batch


def _bless(
    blessing: types.Artifact,
    model: types.Artifact,
    baseline: types.Artifact | None,
    *,
    blessed: bool,
) -> None:
    """Marks the blessing as TFX's own Evaluator does, which resolvers and Pusher read."""
    for role, one in {"current": model, "baseline": baseline}.items():
        if one is not None:
            blessing.set_string_custom_property(f"{role}_model_uri", one.uri)
            blessing.set_int_custom_property(f"{role}_model_id", one.id)
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, int(blessed))
    name = constants.BLESSED_FILE_NAME if blessed else constants.NOT_BLESSED_FILE_NAME
    (Path(blessing.uri) / name).touch()
