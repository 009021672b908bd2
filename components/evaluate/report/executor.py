"""The work of the Report: figures, page and card, from what the run has left."""

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import classification_report
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

from components.evaluate.checks import computable
from components.evaluate.config import EvaluateConfig
from components.evaluate.predictions.table import PredictionTable
from components.evaluate.report.card import ModelCard
from components.evaluate.report.config import CardConfig
from components.evaluate.report.decision import changes, reach, read_calibration
from components.evaluate.report.figures import TITLES, Figures
from components.evaluate.report.files import PAGE_FILE, TEXT_FILE, page_digest
from components.evaluate.report.foreign import TEST_IMAGES
from components.evaluate.report.gallery import exhibits, galleries
from components.evaluate.report.lineage import trace
from components.evaluate.report.measure import measure
from components.evaluate.report.page import draw, worst_first
from components.evaluate.report.robustness import guises, robustness_figures, why_missing
from components.evaluate.verdict import ModelVerdict
from components.gate.verdict import DataVerdict
from components.ingest.report import IngestReport
from components.model_folder import saved_model
from components.pages.templates import render_page
from components.properties import MODEL_ID
from components.robustness.table import ChangedAnswers
from components.serve_check.verdict import ServeVerdict
from components.trainer.history import HISTORY_FILE

_SPLIT = "test"
_PAGE = Path(__file__).with_name("page.html")


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
            input_dict: `predictions`, `changed`, `evaluation`, `model`, `examples`,
                `data_report`, `gate_verdict` and `infra_blessing`.
            output_dict: `model_report`.
            exec_properties: `config` (JSON of an `EvaluateConfig`), `card` (JSON of a
                `CardConfig`), `parameters` (JSON of the configuration's sections;
                where the model says what it was trained with, that counts), `data_note`, `push`.
        """
        config = EvaluateConfig.model_validate_json(exec_properties["config"])
        stated = CardConfig.model_validate_json(exec_properties["card"])
        [made], [model] = output_dict["model_report"], input_dict["model"]
        predictions = PredictionTable.read(_folder(input_dict, "predictions"))
        verdict = ModelVerdict.read(_folder(input_dict, "evaluation"))
        data = IngestReport.read(_folder(input_dict, "data_report"))
        history = Path(model.uri, HISTORY_FILE)
        epochs = json.loads(history.read_text(encoding="utf-8")) if history.is_file() else {}
        server = ServeVerdict.read(_folder(input_dict, "infra_blessing"))
        changed = ChangedAnswers.read(_folder(input_dict, "changed"))
        figures = measure(predictions, config).model_copy(
            update={
                "robustness": robustness_figures(changed, predictions, config),
                "robustness_missing": why_missing(changed),
            }
        )
        graph = saved_model(model)
        made_at = model.mlmd_artifact.create_time_since_epoch / 1000
        lineage = trace(
            graph,
            json.loads(exec_properties["parameters"]),
            data,
            run=(self._context.pipeline_run_id if self._context else None) or "unknown",
            model_id=model.id,
            trained=f"{datetime.fromtimestamp(made_at, tz=timezone.utc):%Y-%m-%d %H:%M:%S} UTC",
            data_note=exec_properties["data_note"],
        )
        card = ModelCard.of(figures, verdict, lineage, data, stated)
        # Of answers that allow no figure, none is shown.
        shown = predictions.only(np.full(len(predictions), computable(predictions)))
        chosen = galleries(shown, figures.healthy_class)
        rows = {row for gallery in chosen for row in gallery.rows}
        examples = artifact_utils.get_split_uri(input_dict["examples"], _SPLIT)
        page = render_page(
            _PAGE,
            figures=figures,
            verdict=verdict,
            server=server,
            reasons=(*verdict.reasons, *server.reasons),
            card=card,
            data=data,
            gate=DataVerdict.read(_folder(input_dict, "gate_verdict")),
            changes=(changed_figures := changes(figures, config)),
            reach=reach(changed_figures),
            calibration=read_calibration(figures),
            titles=TITLES,
            drawings=draw(figures, predictions, epochs),
            slices=worst_first(figures.slices),
            test_images=TEST_IMAGES,
            galleries=chosen,
            exhibits=exhibits(shown, rows, examples, graph),
            guises=guises(changed, figures.robustness.get(_SPLIT), examples, figures.healthy_class),
            push=exec_properties["push"],
        )
        folder = Path(made.uri)
        (folder / PAGE_FILE).write_text(page, encoding="utf-8")
        (folder / TEXT_FILE).write_text(report_text(predictions), encoding="utf-8")
        figures.write(folder)
        card.write(folder)
        _describe(made, figures, digest=page_digest(folder), blessed=verdict.blessed)


def report_text(predictions: PredictionTable) -> str:
    """scikit-learn's classification report, as its users know it.

    Args:
        predictions: Of the test images.

    Returns:
        A table, or a sentence where it cannot be computed.
    """
    if not computable(predictions):
        return "There is no classification report, because figures cannot be computed.\n"
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


def _describe(artifact: types.Artifact, figures: Figures, *, digest: str, blessed: bool) -> None:
    artifact.set_string_custom_property("digest", digest)
    artifact.set_int_custom_property("blessed", int(blessed))
    artifact.set_int_custom_property(MODEL_ID, figures.model_id)
    for name, figure in figures.headline.items():
        if figure.value is not None:
            artifact.set_float_custom_property(name, figure.value)
