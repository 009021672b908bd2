"""The work of the Report: figures, page and card, from what the run has left."""

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from sklearn.metrics import classification_report
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import path_utils

from components.evaluate.checks import computable
from components.evaluate.config import EvaluateConfig
from components.evaluate.predictions.table import PredictionTable
from components.evaluate.report.card import ModelCard
from components.evaluate.report.figures import Figures
from components.evaluate.report.files import PAGE_FILE, TEXT_FILE, page_digest
from components.evaluate.report.gallery import Choice, exhibits
from components.evaluate.report.lineage import (
    ModelLineage,
    TrainedSettings,
    code_digest,
    code_version,
    environment,
    trained_settings,
)
from components.evaluate.report.measure import measure
from components.evaluate.report.page import Content, render
from components.evaluate.verdict import read_verdict
from components.gate.verdict import DataVerdict
from components.ingest.report import IngestReport
from components.properties import MODEL_ID
from components.serve_check.verdict import ServeVerdict
from components.trainer.history import HISTORY_FILE

_SPLIT = "test"


class ReportExecutor(base_executor.BaseExecutor):
    """Writes a model's report."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes page, figures, text and card.

        Args:
            input_dict: `predictions`, `evaluation`, `model`, `examples`, `data_report`,
                `gate_verdict` and `infra_blessing`.
            output_dict: `model_report`.
            exec_properties: `config` (JSON of an `EvaluateConfig`), `parameters` (JSON of the
                configuration's sections; where the model says what it was trained with, that
                counts), `data_note`, `push`.
        """
        config = EvaluateConfig.model_validate_json(exec_properties["config"])
        [made], [model] = output_dict["model_report"], input_dict["model"]
        predictions = PredictionTable.read(_folder(input_dict, "predictions"))
        verdict = read_verdict(_folder(input_dict, "evaluation"))
        data = IngestReport.read(_folder(input_dict, "data_report"))
        figures = measure(predictions, config)
        saved_model = Path(path_utils.serving_model_path(model.uri))
        trained = trained_settings(saved_model, json.loads(exec_properties["parameters"]))
        lineage = self._lineage(model, data, trained, exec_properties["data_note"])
        card = ModelCard.of(figures, verdict, lineage, data)
        choice = Choice()
        shown = {}
        if computable(predictions):
            choice = Choice.of(predictions, figures.healthy_class)
            examples = artifact_utils.get_split_uri(input_dict["examples"], _SPLIT)
            shown = exhibits(predictions, choice.rows, examples, saved_model)
        page = render(
            Content(
                figures=figures,
                verdict=verdict,
                card=card,
                data=data,
                gate=DataVerdict.read(_folder(input_dict, "gate_verdict")),
                server=ServeVerdict.read(_folder(input_dict, "infra_blessing")),
                history=_history(Path(model.uri)),
                predictions=predictions,
                choice=choice,
                exhibits=shown,
                run=lineage.run,
                push=exec_properties["push"],
                computable=computable(predictions),
            )
        )
        folder = Path(made.uri)
        (folder / PAGE_FILE).write_text(page, encoding="utf-8")
        (folder / TEXT_FILE).write_text(report_text(predictions), encoding="utf-8")
        figures.write(folder)
        card.write(folder)
        _describe(made, figures, digest=page_digest(folder), blessed=verdict.blessed)

    def _lineage(
        self, model: types.Artifact, data: IngestReport, trained: TrainedSettings, note: str
    ) -> ModelLineage:
        made = datetime.fromtimestamp(
            model.mlmd_artifact.create_time_since_epoch / 1000, tz=timezone.utc
        )
        return ModelLineage(
            run=(self._context.pipeline_run_id if self._context else None) or "unknown",
            model_id=model.id,
            trained=made.isoformat(sep=" ", timespec="seconds").removesuffix("+00:00") + " UTC",
            code_version=code_version(),
            code_digest=code_digest(),
            data=data.source,
            data_fingerprint=data.fingerprint,
            data_note=note,
            policy=data.policy,
            parameters=trained.parameters,
            tuned=trained.tuned,
            environment=environment(),
        )


def report_text(predictions: PredictionTable) -> str:
    """scikit-learn's classification report, as its users know it.

    Args:
        predictions: Of the test images.

    Returns:
        A table, or a sentence where it cannot be computed.
    """
    if not computable(predictions):
        return "No classification report: figures cannot be computed.\n"
    return str(
        classification_report(
            predictions.labels,
            predictions.probabilities.argmax(1),
            labels=range(len(predictions.classes)),
            target_names=list(predictions.classes),
            digits=3,
            zero_division=0,
        )
    )


def _folder(input_dict: dict[str, list[types.Artifact]], name: str) -> Path:
    return Path(artifact_utils.get_single_uri(input_dict[name]))


def _history(model: Path) -> dict[str, list[float]]:
    file = model / HISTORY_FILE
    if not file.is_file():
        return {}
    found: dict[str, list[float]] = json.loads(file.read_text(encoding="utf-8"))
    return found


def _describe(artifact: types.Artifact, figures: Figures, *, digest: str, blessed: bool) -> None:
    artifact.set_string_custom_property("digest", digest)
    artifact.set_int_custom_property("blessed", int(blessed))
    artifact.set_int_custom_property(MODEL_ID, figures.model_id)
    for name, figure in figures.headline.items():
        if figure.value is not None:
            artifact.set_float_custom_property(name, figure.value)
