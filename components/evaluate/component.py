"""The Evaluator component: predictions in, TFMA's figures and a blessing out."""

import logging
from pathlib import Path

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
from components.evaluate.checks import (
    comparison_problem,
    computable,
    problems,
    set_aside,
)
from components.evaluate.config import EvaluateConfig
from components.evaluate.judgement import judge
from components.evaluate.predictions.table import PredictionTable
from components.evaluate.thresholds import (
    BASELINE,
    COMPARED,
    LABEL_KEY,
    NO,
    PREDICTION_KEY,
    YES,
    eval_config,
)
from components.evaluate.verdict import ModelVerdict

_UNKNOWN = "unknown"
_ROWS = 1000

_LOG = logging.getLogger(__name__)


@component(use_beam=True)
def Evaluator(
    predictions: InputArtifact[PredictionsFile],
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
        model: The candidate.
        evaluation: TFMA's results, and a verdict.
        blessing: As TFX's own Evaluator gives it.
        config: What it takes to be blessed, JSON of an `EvaluateConfig`.
        code: Digest of this code, for TFX's cache.
        baseline_model: The model to beat, or none.
        beam_pipeline: TFX's.
    """
    demanded = EvaluateConfig.model_validate_json(config)
    made = PredictionTable.read(Path(predictions.uri))
    folder = Path(evaluation.uri)
    found = problems(made, demanded)
    verdict = ModelVerdict(blessed=False, reasons=(), examples=len(made))
    if computable(made):
        verdict = _evaluate(made, demanded, folder, beam_pipeline)
    verdict = verdict.model_copy(
        update={
            "blessed": verdict.blessed and not found,
            "reasons": (*found, *verdict.reasons),
        }
    )
    verdict.write(folder)
    _LOG.info("blessed" if verdict.blessed else f"refused: {'; '.join(verdict.reasons)}")
    _bless(blessing, model, baseline_model, blessed=verdict.blessed)


def _evaluate(
    predictions: PredictionTable, config: EvaluateConfig, folder: Path, beam_pipeline: beam.Pipeline
) -> ModelVerdict:
    if config.healthy_class not in predictions.classes:
        config = config.model_copy(update={"healthy_class": None})
    has_baseline = (
        config.compare
        and predictions.baseline is not None
        and not comparison_problem(predictions, config)
    )
    settings = eval_config(config, predictions.classes, has_baseline=has_baseline)
    with beam_pipeline as pipeline:
        _ = (
            pipeline
            | beam.Create(_batches(predictions, has_baseline=has_baseline))
            | tfma.ExtractEvaluateAndWriteResults(
                eval_shared_model=[
                    _materialized(spec, has_baseline) for spec in settings.model_specs
                ],
                eval_config=settings,
                output_path=str(folder),
            )
        )
    verdict = judge(folder, config, predictions.classes, has_baseline=has_baseline)
    compared = int(predictions.new_to_both.sum()) if has_baseline else None
    aside = set_aside(predictions) if compared not in (None, len(predictions)) else ""
    return verdict.model_copy(update={"compared": compared, "set_aside": aside})


def _materialized(spec: config_pb2.ModelSpec, has_baseline: bool) -> tfma.types.EvalSharedModel:
    """A model that has answered already; without a baseline, changes are not demanded of it."""
    return tfma.types.EvalSharedModel(
        model_name=spec.name,
        model_type=tfma.constants.MATERIALIZED_PREDICTION,
        include_default_metrics=False,
        rubber_stamp=not has_baseline,
        is_baseline=spec.is_baseline,
    )


def _batches(predictions: PredictionTable, *, has_baseline: bool) -> list[pa.RecordBatch]:
    """The columns that TFMA reads, some rows at a time."""
    columns = {
        LABEL_KEY: pa.array([[int(label)] for label in predictions.labels]),
        PREDICTION_KEY: pa.array(predictions.probabilities.tolist()),
        **{
            name: pa.array([[value or _UNKNOWN] for value in values.tolist()])
            for name, values in predictions.slices.items()
        },
    }
    if has_baseline and predictions.baseline is not None:
        columns[BASELINE] = pa.array(predictions.baseline.tolist())
        columns[COMPARED] = pa.array([[YES if new else NO] for new in predictions.new_to_both])
    return list(pa.table(columns).to_batches(max_chunksize=_ROWS))


def _bless(
    blessing: types.Artifact,
    model: types.Artifact,
    baseline: types.Artifact | None,
    *,
    blessed: bool,
) -> None:
    """Marks the blessing as TFX's own Evaluator does, which resolvers and Pusher read."""
    blessing.set_string_custom_property(
        constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY, model.uri
    )
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, model.id)
    if baseline is not None:
        blessing.set_string_custom_property(
            constants.ARTIFACT_PROPERTY_BASELINE_MODEL_URI_KEY, baseline.uri
        )
        blessing.set_int_custom_property(
            constants.ARTIFACT_PROPERTY_BASELINE_MODEL_ID_KEY, baseline.id
        )
    name, value = (
        (constants.BLESSED_FILE_NAME, constants.BLESSED_VALUE)
        if blessed
        else (constants.NOT_BLESSED_FILE_NAME, constants.NOT_BLESSED_VALUE)
    )
    (Path(blessing.uri) / name).touch()
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, value)
