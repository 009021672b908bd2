"""The forms in which the exported network can answer on a processor, side by side.

    bin/python -m benchmarks.inference [--work FOLDER] [--quick]

Takes the newest model of a work folder, and the run's own test images through the whole graph, from
the bytes of a file to calibrated probabilities. For each form: images per second by batch size, and
what it changes beside the exported float32 graph: the largest difference of a probability, accuracy
and expected calibration error. Each form runs in a process of its own, as threads are set once. The
last line is one JSON object.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmarks.processes import run_alone

Classify: TypeAlias = Callable[[Any], Any]

_BATCHES = (1, 4, 16)
_SECONDS = 4.0
_FORMS = ("float32", "float32, one thread", "float32, constants folded", "float32, XLA", "bfloat16")


def main() -> None:
    """Measures each form and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("work"), help="a work folder with a run")
    parser.add_argument("--quick", action="store_true", help="64 images, a second a row")
    arguments = parser.parse_args()
    artifacts = arguments.work.absolute() / "artifacts"
    if not (artifacts / "Trainer" / "model").is_dir():
        sys.exit(f"There is no trained model in {arguments.work}: make one with `mri run`.")
    seconds, limit = (1.0, 64) if arguments.quick else (_SECONDS, None)
    found = {}
    for form in _FORMS:
        found[form] = run_alone(_measure, form, artifacts, seconds, limit).figures
    exact = found["float32"]["probabilities"]
    figures: dict[str, dict[str, float]] = {}
    for form, measured in found.items():
        rates = {f"batch_{size}_rps": rate for size, rate in measured["rates"].items()}
        difference = float(abs(measured["probabilities"] - exact).max())
        figures[form] = {**rates, "largest_difference": difference, **_quality(measured)}
    print(f"{len(exact):,} test images of {arguments.work}; images per second by batch size")
    print(f"{'form':<28}" + "".join(f"{name:>20}" for name in next(iter(figures.values()))))
    for form, row in figures.items():
        print(f"{form:<28}" + "".join(f"{value:>20,.4g}" for value in row.values()))
    print(json.dumps(figures))


def _quality(measured: dict[str, Any]) -> dict[str, float]:
    from components.evaluate.report.calibration import Reliability

    probabilities, labels = measured["probabilities"], measured["labels"]
    hit = probabilities.argmax(axis=1) == labels
    error = Reliability(probabilities.max(axis=1), hit).error(np.ones((1, len(hit))))
    return {"accuracy": float(hit.mean()), "calibration_error": float(error[0])}


def _measure(form: str, artifacts: Path, seconds: float, limit: int | None) -> dict[str, Any]:
    if "one thread" in form:
        os.environ["TF_NUM_INTRAOP_THREADS"] = os.environ["TF_NUM_INTEROP_THREADS"] = "1"
    import tensorflow as tf

    images, labels = _test_images(artifacts, limit)
    classify = _form(form, artifacts)
    rates = {}
    for size in _BATCHES:
        batch = tf.constant(images[:size])
        classify(batch).numpy()
        done, started = 0, time.perf_counter()
        while time.perf_counter() - started < seconds:
            classify(batch).numpy()
            done += size
        rates[size] = done / (time.perf_counter() - started)
    batches = [images[start : start + 16] for start in range(0, len(images), 16)]
    probabilities = np.concatenate([classify(tf.constant(batch)).numpy() for batch in batches])
    return {"rates": rates, "probabilities": probabilities, "labels": labels}


def _newest(artifacts: Path, output: str) -> Path:
    return max((artifacts / output).iterdir(), key=lambda path: int(path.name))


def _test_images(artifacts: Path, limit: int | None) -> tuple[list[bytes], NDArray[np.int64]]:
    import tensorflow as tf

    from components.stratified_sample import StratifiedSample
    from components.transform.preprocessing import CLASS, ENCODED

    files = _newest(artifacts, "Ingest/examples") / "Split-test"
    features = {
        ENCODED: tf.io.FixedLenFeature([], tf.string),
        CLASS: tf.io.FixedLenFeature([], tf.int64),
    }
    draw = StratifiedSample[tuple[bytes, int]](sys.maxsize if limit is None else limit)
    for record in tf.data.TFRecordDataset(tf.io.gfile.glob(str(files / "*")), "GZIP"):
        example = tf.io.parse_single_example(record, features)
        encoded, label = example[ENCODED].numpy(), int(example[CLASS])
        draw.offer(encoded, label, (encoded, label))
    parsed = draw.drawn()
    return [image for image, _ in parsed], np.array([label for _, label in parsed])


def _form(form: str, artifacts: Path) -> Classify:
    """From the bytes of image files, string [batch], to calibrated probabilities."""
    import tensorflow as tf

    folder = _newest(artifacts, "Trainer/model")
    if form.startswith("float32") and "XLA" not in form:
        loaded: Any = tf.saved_model.load(str(folder / "Format-Serving"))
        exported = loaded.signatures["serving_default"]
        if "folded" not in form:
            return lambda batch: exported(image_bytes=batch)["probabilities"]
        return _folded(exported)
    return _rebuilt(folder, "mixed_bfloat16" if form == "bfloat16" else "float32", form)


def _folded(exported: Any) -> Classify:
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    folded = convert_variables_to_constants_v2(exported)
    names = sorted(exported.structured_outputs)
    at = names.index("probabilities")
    return lambda batch: folded(batch)[at]


def _rebuilt(folder: Path, policy: str, form: str) -> Classify:
    """The network of the Keras file behind the project's own preprocessing and calibration."""
    import keras
    import tensorflow as tf

    from components.trainer.confidence.calibration import Calibration
    from components.trainer.confidence.observations import observer
    from components.trainer.split_model import copy_model
    from components.transform.config import TransformConfig
    from components.transform.preprocessing import preprocess

    metadata = json.loads((folder / "Format-Serving/assets.extra/metadata.json").read_text())
    transform = TransformConfig.model_validate(metadata["preprocessing"])
    calibration = Calibration(metadata["confidence"]["temperature"])
    network = observer(copy_model(keras.models.load_model(folder / "model.keras"), policy))

    @tf.function(jit_compile="XLA" in form, reduce_retracing=True)
    def answer(pixels: tf.Tensor) -> tf.Tensor:
        return calibration(network(tf.cast(pixels, tf.float32), training=False)["logits"])

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def read(batch: tf.Tensor) -> tf.Tensor:
        return preprocess(batch, transform)

    return lambda batch: answer(read(batch))


if __name__ == "__main__":
    main()
