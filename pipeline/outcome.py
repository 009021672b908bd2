"""What came out of a node, in a few words."""

import json
from collections.abc import Callable
from pathlib import Path

from ml_metadata.proto import metadata_store_pb2 as pb
from tensorflow_metadata.proto.v0 import anomalies_pb2

from components.counted import counted
from components.evaluate.report.files import PAGE_FILE as REPORT_PAGE
from components.evaluate.verdict import ModelVerdict
from components.gate.verdict import PAGE_FILE, DataVerdict
from components.ingest.report import IngestReport
from components.ingest.split_names import SPLITS
from components.push.pushed import PUSHED_VERSION, WAITING
from components.servable import EXTRAS, METADATA_FILE
from components.serve_check.verdict import ServeVerdict
from components.trainer.history import HISTORY_FILE, kept_epoch
from pipeline.launch import NodeResult
from pipeline.orchestration import path_utils
from pipeline.paths import shorter

Outputs = dict[str, list[pb.Artifact]]


def describe(result: NodeResult) -> str:
    """Says what came out of a node.

    Args:
        result: The node's result.

    Returns:
        A few words, empty where there is nothing to say.
    """
    for output, words in _WORDS.items():
        if output in result.outputs:
            said = words(result.outputs)
            return said.removeprefix("stopped ") if result.state == "stopped" else said
    return ""


def training_figures(model: str) -> dict[str, float]:
    """What a training came to.

    Args:
        model: The model artifact's folder.

    Returns:
        Each metric after the epoch whose weights the model has, and `epochs`, how many that is.
    """
    history = json.loads((Path(model) / HISTORY_FILE).read_text(encoding="utf-8"))
    extras = Path(path_utils.serving_model_path(model)) / EXTRAS
    recipe = json.loads((extras / METADATA_FILE).read_text(encoding="utf-8"))["recipe"]
    epoch = kept_epoch(history, keep_best=recipe["train"]["keep_best"])
    return {"epochs": epoch + 1.0, **{name: values[epoch] for name, values in history.items()}}


def _ingested(outputs: Outputs) -> str:
    examples, rejected = outputs["examples"][0], outputs["rejected"][0]
    words = ", ".join(
        f"{examples.custom_properties[f'images_{split}'].int_value:,} {split}" for split in SPLITS
    )
    if excluded := examples.custom_properties["images_excluded"].int_value:
        words += f", {excluded:,} set aside"
    for name, meaning in (("passed_over", "passed over"), ("unnamed", "not in the label table")):
        if count := rejected.custom_properties[name].int_value:
            words += f", {count:,} {meaning}"
    if unlinked := outputs["splits"][0].custom_properties["unlinked"].int_value:
        words += f", {unlinked:,} of earlier runs not linked by patient"
    count = rejected.custom_properties["rejected"].int_value
    return f"{words}; {count:,} rejected, see {shorter(rejected.uri)}" if count else words


def _anomalies(outputs: Outputs) -> str:
    names: set[str] = set()
    for file in Path(outputs["anomalies"][0].uri).glob("Split-*/SchemaDiff.pb"):
        names.update(anomalies_pb2.Anomalies.FromString(file.read_bytes()).anomaly_info)
    return f"anomalies in {', '.join(sorted(names))}" if names else "no anomalies"


def _previous(outputs: Outputs) -> str:
    if "report" not in outputs:
        return "no earlier data has passed"
    report = IngestReport.read(Path(outputs["report"][0].uri))
    return f"compared with span {report.span} of {report.source}"


def _verdict(outputs: Outputs) -> str:
    verdict = outputs["verdict"][0]
    words = str(verdict.custom_properties["outcome"].string_value)
    if names := [finding.name for finding in DataVerdict.read(Path(verdict.uri)).findings]:
        words += f" ({', '.join(names)}), see {shorter(verdict.uri)}/{PAGE_FILE}"
    return words


def _baseline(outputs: Outputs) -> str:
    if "model" not in outputs:
        return "no earlier blessed model"
    return f"compared with model {outputs['model'][0].id}"


def _model(outputs: Outputs) -> str:
    figures = training_figures(outputs["model"][0].uri)
    epochs = counted(int(figures["epochs"]), "epoch")
    return f"eval accuracy {figures['val_accuracy']:.3f} after {epochs}"


def _evaluation(outputs: Outputs) -> str:
    verdict = ModelVerdict.read(outputs["evaluation"][0].uri)
    accuracy = "unknown" if verdict.accuracy is None else f"{verdict.accuracy:.3f}"
    return f"test accuracy {accuracy}, {'blessed' if verdict.blessed else 'not blessed'}"


def _served(outputs: Outputs) -> str:
    verdict = ServeVerdict.read(Path(outputs["blessing"][0].uri))
    if not verdict.blessed:
        return f"refused: {' '.join(verdict.reasons)}"
    return f"served by {verdict.server}, median latency {verdict.latency_p50_ms:.1f} ms"


def _predictions(outputs: Outputs) -> str:
    images = outputs["predictions"][0].custom_properties["images"].int_value
    return counted(images, "test image")


def _changed(outputs: Outputs) -> str:
    properties = outputs["changed"][0].custom_properties
    images, answers = (properties[name].int_value for name in ("images", "answers"))
    return f"{counted(answers, 'answer')} about {counted(images, 'image')} in all variants"


def _report(outputs: Outputs) -> str:
    return f"{shorter(outputs['model_report'][0].uri)}/{REPORT_PAGE}"


def _pushed(outputs: Outputs) -> str:
    properties = outputs["pushed_model"][0].custom_properties
    if version := properties[PUSHED_VERSION].string_value:
        return f"version {version}"
    return "waits for review" if properties[WAITING].int_value else "nothing pushed"


_WORDS: dict[str, Callable[[Outputs], str]] = {
    "examples": _ingested,
    "anomalies": _anomalies,
    "candidate_report": _previous,
    "verdict": _verdict,
    "candidate": _baseline,
    "model": _model,
    "predictions": _predictions,
    "changed": _changed,
    "evaluation": _evaluation,
    "model_report": _report,
    "pushed_model": _pushed,
    "blessing": _served,  # behind the Evaluator's, which has one too
}
