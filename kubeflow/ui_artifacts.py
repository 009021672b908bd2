"""What Kubeflow's page shows of a node: HTML pages, figures, the confusion matrix."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ml_metadata.proto import metadata_store_pb2 as pb

from components.evaluate.report.files import PAGE_FILE as REPORT_PAGE
from components.evaluate.verdict import ModelVerdict
from components.gate.verdict import PAGE_FILE as GATE_PAGE
from components.whole_file import whole_file
from pipeline import node_ids
from pipeline.launch import NodeResult
from pipeline.outcome import training_figures

EXIT_TASK = "RunEnd"
"""The exit handler's name."""
KFP_RUNTIME_VARIABLE = "_KFP_RUNTIME"
"""KFP's own switch: where it is `true`, `import kfp` loads no compiler, no client."""
PAGE, METRICS, CONFUSION = "page", "metrics", "confusion"
"""Names of a task's outputs."""

Artifacts = dict[str, list[pb.Artifact]]


@dataclass
class ExecutorOutputs:
    """Where Kubeflow wants a task's outputs, and what is told of them.

    Attributes:
        artifacts: Of each output its name on the run, its address and its metadata.
        report: The file that Kubeflow reads the metadata from.
    """

    artifacts: dict[str, dict[str, Any]]
    report: Path

    @staticmethod
    def read(executor_input: str) -> "ExecutorOutputs":
        """Reads what Kubeflow puts in the place of `{{$}}`."""
        outputs = json.loads(executor_input)["outputs"]
        artifacts = {
            name: found["artifacts"][0] for name, found in outputs.get("artifacts", {}).items()
        }
        return ExecutorOutputs(artifacts, Path(outputs["outputFile"]))

    def page(self, html: str) -> None:
        """Writes the page."""
        path = Path(self._artifact("HTML", PAGE).path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as file:
            file.write_text(html, encoding="utf-8")

    def metrics(self, figures: Mapping[str, float | None]) -> None:
        """Tells figures; those that could not be computed are left out."""
        metrics = self._artifact("Metrics", METRICS)
        for name, value in figures.items():
            if value is not None and math.isfinite(value):  # JSON knows no NaN
                metrics.log_metric(name, value)
        self.artifacts[METRICS]["metadata"] = metrics.metadata

    def confusion(self, classes: list[str], matrix: list[list[int]]) -> None:
        """Tells the confusion matrix, true classes in rows."""
        confusion = self._artifact("ClassificationMetrics", CONFUSION)
        confusion.log_confusion_matrix(classes, matrix)
        self.artifacts[CONFUSION]["metadata"] = confusion.metadata

    def close(self) -> None:
        """Writes the file that Kubeflow reads when the task has succeeded."""
        told = {
            name: {"artifacts": [{key: known.get(key) for key in ("name", "uri", "metadata")}]}
            for name, known in self.artifacts.items()
            if "metadata" in known
        }
        self.report.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(self.report) as file:
            file.write_text(json.dumps({"artifacts": told}, allow_nan=False), encoding="utf-8")

    def _artifact(self, kind: str, name: str) -> Any:
        from kfp import dsl

        known = self.artifacts[name]
        return getattr(dsl, kind)(name=known.get("name", name), uri=known["uri"])


def show(result: NodeResult, outputs: ExecutorOutputs) -> None:
    """Gives Kubeflow what it shows of a node, where there is something.

    Args:
        result: What became of the node.
        outputs: Where to.
    """
    if teller := _TELLERS.get(result.node_id):
        teller(result.outputs, outputs)
    outputs.close()


def _statistics(made: Artifacts, outputs: ExecutorOutputs) -> None:
    from kubeflow.statistics_page import render

    outputs.page(render(Path(made["statistics"][0].uri)))


def _page(output: str, file: str, made: Artifacts, outputs: ExecutorOutputs) -> None:
    outputs.page((Path(made[output][0].uri) / file).read_text(encoding="utf-8"))


def _trainer(made: Artifacts, outputs: ExecutorOutputs) -> None:
    outputs.metrics(training_figures(made["model"][0].uri))


def _predictions(made: Artifacts, outputs: ExecutorOutputs) -> None:
    from components.evaluate.metrics import Answers
    from components.evaluate.predictions.table import PredictionTable

    told = PredictionTable.read(Path(made["predictions"][0].uri))
    known = told.labels >= 0
    [counts] = Answers(told.labels[known], told.probabilities[known]).tally().counts
    outputs.confusion(list(told.classes), counts.astype(int).tolist())


def _evaluator(made: Artifacts, outputs: ExecutorOutputs) -> None:
    verdict = ModelVerdict.read(made["evaluation"][0].uri)
    recalls = {f"recall {label}": value for label, value in verdict.accuracy_by_class.items()}
    outputs.metrics({**verdict.figures, **recalls, "blessed": float(verdict.blessed)})


_TELLERS: dict[str, Callable[[Artifacts, ExecutorOutputs], None]] = {
    node_ids.STATISTICS: _statistics,
    node_ids.GATE: partial(_page, "verdict", GATE_PAGE),
    node_ids.TRAINER: _trainer,
    node_ids.PREDICTIONS: _predictions,
    node_ids.EVALUATOR: _evaluator,
    node_ids.REPORT: partial(_page, "model_report", REPORT_PAGE),
}
