"""Predictions, Evaluator and Report on the model and the test images of a run that was made.

    bin/python -m benchmarks.evaluation [--work FOLDER] [--images N] [--batches N]

The run's test images are repeated until there are `--images` of them (1,311, as in the public set);
tenfold shows what grows with their number. Each stage runs in a process of its own, so that its
peak memory is its own. An explanation is timed against a prediction, on batches of eight.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.processes import run_alone

_BEAM = ["--runner=FnApiRunner", "--direct_running_mode=in_memory"]
_BATCH = 8


def main() -> None:
    """Runs the stages one after the other and prints their figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("work"), help="a work folder with a run")
    parser.add_argument("--images", type=int, default=1311)
    parser.add_argument("--batches", type=int, default=5, help="batches that are timed")
    arguments = parser.parse_args()
    artifacts = arguments.work.absolute() / "artifacts"
    if not (artifacts / "Report").is_dir():
        sys.exit(f"There is no finished run in {arguments.work}: make one with `mri run`.")
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        figures: dict[str, Any] = {
            "images": _repeat(artifacts, scratch / "examples", arguments.images)
        }
        for stage in (_predict, _evaluate, _report):
            measured = run_alone(stage, artifacts, scratch)
            name = stage.__name__.removeprefix("_")
            figures |= {
                **measured.figures,
                f"{name}_seconds": measured.seconds,
                f"{name}_peak_bytes": measured.peak_bytes,
            }
        figures["seconds"] = sum(v for k, v in figures.items() if k.endswith("_seconds"))
        figures |= run_alone(_explain, artifacts, scratch, arguments.batches).figures
    for key, value in figures.items():
        print(f"{key:<28} {value:,.3f}" if isinstance(value, float) else f"{key:<28} {value:,}")
    print(json.dumps(figures))


def _repeat(artifacts: Path, folder: Path, images: int) -> int:
    """Writes the newest run's test Examples until there are enough of them."""
    import tensorflow as tf

    pattern = str(_newest(artifacts, "Ingest/examples") / "Split-test" / "*")
    records = tf.data.TFRecordDataset(tf.io.gfile.glob(pattern), "GZIP").repeat().take(images)
    (folder / "Split-test").mkdir(parents=True)
    with tf.io.TFRecordWriter(str(folder / "Split-test" / "data.gz"), "GZIP") as writer:
        for record in records.as_numpy_iterator():
            writer.write(record)
    return images


def _newest(artifacts: Path, output: str) -> Path:
    return max((artifacts / output).iterdir(), key=lambda path: int(path.name))


def _artifact(kind: Any, folder: Path, identity: int = 0) -> Any:
    made = kind()
    made.uri, made.id = str(folder), identity
    folder.mkdir(parents=True, exist_ok=True)
    return made


def _inputs(artifacts: Path, scratch: Path) -> dict[str, Any]:
    from tfx.types import artifact_utils, standard_artifacts

    from components.evaluate.artifacts import PredictionsFile
    from components.gate.artifacts import GateVerdict
    from components.ingest.artifacts import IngestReportFile, SplitAssignment
    from components.robustness.artifacts import ChangedAnswersFile

    examples = _artifact(standard_artifacts.Examples, scratch / "examples")
    examples.split_names = artifact_utils.encode_split_names(["test"])
    model = _newest(artifacts, "Trainer/model")
    found = {
        "examples": examples,
        "model": _artifact(standard_artifacts.Model, model, 1),
        "splits": _artifact(SplitAssignment, _newest(artifacts, "Ingest/splits")),
        "predictions": _artifact(PredictionsFile, scratch / "predictions"),
        "changed": _artifact(ChangedAnswersFile, _newest(artifacts, "Robustness/changed")),
        "evaluation": _artifact(standard_artifacts.ModelEvaluation, scratch / "evaluation"),
        "data_report": _artifact(IngestReportFile, _newest(artifacts, "Ingest/report")),
        "gate_verdict": _artifact(GateVerdict, _newest(artifacts, "Gate/verdict")),
        "infra_blessing": _artifact(
            standard_artifacts.InfraBlessing, _newest(artifacts, "ServeCheck/blessing")
        ),
    }
    return {name: [one] for name, one in found.items()}


def _given(artifacts: Path, scratch: Path, *names: str) -> dict[str, Any]:
    inputs = _inputs(artifacts, scratch)
    return {name: inputs[name][0] for name in names}


def _predict(artifacts: Path, scratch: Path) -> dict[str, Any]:
    from components.evaluate.predictions.component import Predictions
    from components.ingest.config import DuplicatesConfig

    given = _given(artifacts, scratch, "examples", "model", "splits", "predictions")
    Predictions.test_call(**given, duplicates=DuplicatesConfig().model_dump_json(), code="")
    return {}


def _evaluate(artifacts: Path, scratch: Path) -> dict[str, Any]:
    import apache_beam
    from tfx.types import standard_artifacts

    from components.evaluate.component import Evaluator
    from components.evaluate.config import EvaluateConfig

    Evaluator.test_call(
        **_given(artifacts, scratch, "predictions", "changed", "model", "evaluation"),
        blessing=_artifact(standard_artifacts.ModelBlessing, scratch / "blessing"),
        config=EvaluateConfig().model_dump_json(),
        code="",
        beam_pipeline=apache_beam.Pipeline(argv=_BEAM),
    )
    return {}


def _report(artifacts: Path, scratch: Path) -> dict[str, Any]:
    from components.evaluate.artifacts import ModelReport
    from components.evaluate.config import EvaluateConfig
    from components.evaluate.report.executor import ReportExecutor

    made = _artifact(ModelReport, scratch / "report")
    properties = {
        "config": EvaluateConfig().model_dump_json(),
        "parameters": "{}",
        "data_note": "",
        "push": "auto",
    }
    ReportExecutor().Do(_inputs(artifacts, scratch), {"model_report": [made]}, properties)
    return {"page_bytes": (scratch / "report" / "index.html").stat().st_size}


def _explain(artifacts: Path, scratch: Path, batches: int) -> dict[str, Any]:
    import tensorflow as tf

    from components.transform.preprocessing import ENCODED

    model: Any = tf.saved_model.load(str(_newest(artifacts, "Trainer/model") / "Format-Serving"))
    if "explain" not in model.signatures:
        return {}
    pattern = str(scratch / "examples" / "Split-test" / "*")
    features = {ENCODED: tf.io.FixedLenFeature([], tf.string)}
    records = tf.data.TFRecordDataset(tf.io.gfile.glob(pattern), "GZIP").batch(_BATCH)
    images = [tf.io.parse_example(batch, features)[ENCODED] for batch in records.take(batches)]
    seconds = {}
    for name in ("serving_default", "explain"):
        signature = model.signatures[name]
        signature(image_bytes=images[0])
        started = time.monotonic()
        for batch in images:
            signature(image_bytes=batch)
        seconds[name] = time.monotonic() - started
    return {"explanation_per_prediction": seconds["explain"] / seconds["serving_default"]}


if __name__ == "__main__":
    main()
