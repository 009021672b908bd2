"""The notebook's training loop against ours: same images, same recipe, same number of epochs.

    bin/python -m benchmarks.train [--quick] [--epochs N] [--versions K] [--data FOLDER]

The notebook's loop opens each image with PIL, draws brightness and contrast in a Python generator
and sends it through the whole network in float32, every epoch. Ours runs the frozen layers once an
image and version, in the number format that this machine is fastest in, and trains the rest. Each
runs in a process of its own, one after the other, so that its peak memory is its own; both times go
from image files to a trained network. A second training, of another head, finds all features.

The table shows each layer's share of the work, and with it how much faster ours can be at most.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks import add_data, drawn
from benchmarks.processes import run_alone

_SIZE, _BATCH = 128, 20
_CLASSES = ("glioma", "meningioma", "notumor", "pituitary")
_QUICK = 100
"""Images of each class."""


def main() -> None:
    """Runs the ways one after the other and prints their figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="400 images, 2 epochs")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--versions", type=int, default=1, help="of each image, in our way")
    add_data(parser)
    arguments = parser.parse_args()
    epochs = 2 if arguments.quick else arguments.epochs
    limit = _QUICK if arguments.quick else None
    work = (str(arguments.data), limit, epochs, arguments.versions)
    notebook_alone, ours_alone = run_alone(_notebook, *work), run_alone(_ours, *work)
    notebook, ours = notebook_alone.figures, ours_alone.figures
    layers = run_alone(_layers).figures
    _print_layers(layers, epochs, arguments.versions)
    figures = {
        "images": ours["images"],
        "epochs": epochs,
        "versions": arguments.versions,
        "precision": ours["precision"],
        "notebook_s": notebook["seconds"],
        "ours_s": ours["seconds"],
        "ratio": notebook["seconds"] / ours["seconds"],
        "ours_prefix_s": ours["prefix_seconds"],
        "second_s": ours["second_seconds"],
        "second_ratio": notebook["seconds"] / ours["second_seconds"],
        "limit": _limit(layers, epochs, arguments.versions),
        "notebook_accuracy": notebook["accuracy"],
        "ours_accuracy": ours["accuracy"],
        "prefix_gflops": ours["prefix_gflops"],
        "peak_gflops": ours["peak_gflops"],
        "peak_rss_mb": ours_alone.peak_bytes / 1e6,
        "notebook_peak_rss_mb": notebook_alone.peak_bytes / 1e6,
    }
    for key, value in figures.items():
        print(f"{key:<24} {value:,.3f}" if isinstance(value, float) else f"{key:<24} {value}")
    print(json.dumps(figures))


def _files(data: str, folder: str, limit: int | None) -> list[tuple[Path, int]]:
    return [
        (path, label)
        for label, name in enumerate(_CLASSES)
        for path in drawn(sorted((Path(data) / folder / name).iterdir()), limit)
    ]


def _recipe(epochs: int, versions: int, **model: Any) -> Any:
    from components.trainer.config import AugmentConfig, ModelConfig, Recipe, TrainConfig
    from components.transform.config import TransformConfig

    augment = AugmentConfig(versions=versions)  # the first is the image as it is
    return Recipe(
        model=ModelConfig(input_scaling="imagenet", **model),
        train=TrainConfig(epochs=epochs, batch_size=_BATCH, schedule="constant", augment=augment),
        transform=TransformConfig(image_size=_SIZE, crop="none"),
        classes=_CLASSES,
    )


def _notebook(data: str, limit: int | None, epochs: int, versions: int) -> dict[str, Any]:
    """The loop of the notebook, with our weights and ImageNet's scaling."""
    import keras
    import numpy as np
    from PIL import Image, ImageEnhance

    from components.trainer.parts import initial_network

    files = _files(data, "Training", limit)
    recipe = _recipe(epochs, versions)
    random = np.random.default_rng(0)

    def batches() -> Iterator[tuple[Any, Any]]:
        while True:
            order = random.permutation(len(files))
            for start in range(0, len(order), _BATCH):
                chosen = [files[i] for i in order[start : start + _BATCH]]
                yield (
                    np.stack([load(path, augment=True) for path, _ in chosen]),
                    np.array([label for _, label in chosen]),
                )

    def load(path: Path, *, augment: bool) -> Any:
        image = Image.open(path).convert("RGB").resize((_SIZE, _SIZE))
        if augment:
            image = ImageEnhance.Brightness(image).enhance(random.uniform(0.8, 1.2))
            image = ImageEnhance.Contrast(image).enhance(random.uniform(0.8, 1.2))
        return np.asarray(image, np.float32)

    started = time.monotonic()
    model = initial_network(recipe)
    model.compile(keras.optimizers.Adam(1e-4), "sparse_categorical_crossentropy")
    steps = -(-len(files) // _BATCH)
    model.fit(batches(), steps_per_epoch=steps, epochs=epochs, verbose=0)
    seconds = time.monotonic() - started
    test = _files(data, "Testing", limit)
    pixels = np.stack([load(path, augment=False) for path, _ in test])
    found = model.predict(pixels, verbose=0).argmax(axis=1)
    return {"seconds": seconds, "accuracy": float((found == [label for _, label in test]).mean())}


def _ours(data: str, limit: int | None, epochs: int, versions: int) -> dict[str, Any]:
    import numpy as np
    import tensorflow as tf

    from components.trainer.complexity import complexity
    from components.trainer.inputs import decode_pixels, read_images
    from components.trainer.parts import frozen_prefix, initial_network, training_parts
    from components.trainer.training import fit

    recipe, second = _recipe(epochs, versions), _recipe(epochs, versions, dense_units=64)
    with tempfile.TemporaryDirectory() as folder:
        cache, train, test = Path(folder), Path(folder) / "train.gz", Path(folder) / "test.gz"
        started = time.monotonic()
        _transform(_files(data, "Training", limit), train, recipe.transform)
        parts = training_parts(recipe, initial_network(recipe))
        frozen = frozen_prefix(recipe, parts, cache)
        passed = time.monotonic()
        [features] = frozen.features((lambda: read_images([str(train)]), recipe.train.augment))
        prefix_seconds = time.monotonic() - passed
        # Early stopping is off: what is held out does not matter, so it is next to nothing.
        _transform(_files(data, "Testing", 2), cache / "eval.gz", recipe.transform)
        patterns = [str(train)], [str(cache / "eval.gz")]
        trained = fit(recipe, *patterns, cache)
        seconds = time.monotonic() - started

        began = time.monotonic()
        fit(second, *patterns, cache)
        second_seconds = time.monotonic() - began

        _transform(_files(data, "Testing", limit), test, recipe.transform)
        held_out = list(read_images([str(test)]))
        pixels = tf.cast(decode_pixels(held_out), tf.float32)
        found = trained.model.predict(pixels, verbose=0).argmax(axis=1)
        gigaflops = complexity(parts.prefix)["gigaflops_per_image"]
        return {
            "images": len(features.digests),
            "precision": parts.precision,
            "seconds": seconds,
            "prefix_seconds": prefix_seconds,
            "second_seconds": second_seconds,
            "accuracy": float(np.mean(found == [image.label for image in held_out])),
            "prefix_gflops": gigaflops * len(features.digests) * versions / prefix_seconds,
            "peak_gflops": gigaflops * 16 / _best_seconds(parts.prefix, (16, _SIZE, _SIZE, 3)),
        }


def _transform(files: list[tuple[Path, int]], path: Path, config: Any) -> None:
    """What the Transform component does, as the time to a trained network includes it."""
    import tensorflow as tf

    from components.transform.preprocessing import preprocess

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def pack(encoded: Any) -> Any:
        return tf.io.encode_png(preprocess(encoded, config)[0])

    def example(file: Path, label: int) -> bytes:
        made = tf.train.Example()
        png = pack([file.read_bytes()]).numpy()
        made.features.feature["image/pixels"].bytes_list.value.append(png)
        made.features.feature["image/class"].int64_list.value.append(label)
        record: bytes = made.SerializeToString()
        return record

    # As Transform's Beam workers do: a thread a core.
    with (
        tf.io.TFRecordWriter(str(path), "GZIP") as writer,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        for record in pool.map(lambda pair: example(*pair), files):
            writer.write(record)


def _best_seconds(
    model: Any, shape: tuple[int, ...], *, train: bool = False, repeats: int = 5
) -> float:
    """The least time of running a network on a batch, and of its gradients where it is trained."""
    import tensorflow as tf

    def step(inputs: Any) -> list[Any]:
        if not train:
            return [model(inputs, training=False)]
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            loss = tf.reduce_sum(tf.square(tf.cast(model(inputs, training=True), tf.float32)))
        gradients: list[Any] = tape.gradient(loss, [inputs, *model.trainable_weights])
        return gradients

    run = tf.function(step)
    inputs = tf.random.uniform(shape, maxval=255)
    run(inputs)
    least = float("inf")
    for _ in range(repeats):
        started = time.perf_counter()
        for result in run(inputs):
            result.numpy()
        least = min(least, time.perf_counter() - started)
    return least


def _layers() -> dict[str, Any]:
    """Seconds an image of each convolution in both ways: run, or trained where it is."""
    import keras

    from components.trainer.complexity import flops
    from components.trainer.config import ModelConfig
    from components.trainer.model import build_model
    from components.trainer.precision import resolve_precision
    from components.trainer.winograd import WinogradConv2D, is_faster

    config = ModelConfig(weights="random")
    model = build_model(config, image_size=_SIZE, class_count=4, weights=None)
    policy = resolve_precision("auto")
    rows = []
    for layer in model.layers:
        if not isinstance(layer, keras.layers.Conv2D):
            continue
        shape = (_BATCH, *layer.input.shape[1:])
        ours = WinogradConv2D if is_faster(layer, policy) else type(layer)
        seconds = []
        for kind, dtype in ((type(layer), "float32"), (ours, policy)):
            inputs = keras.Input(shape[1:])
            one = kind.from_config({**layer.get_config(), "dtype": dtype})
            network = keras.Model(inputs, one(inputs))
            seconds.append(_best_seconds(network, shape, train=layer.trainable) / _BATCH)
        rows.append(
            {
                "layer": layer.name,
                "trained": layer.trainable,
                # Output, gradient of the input and gradient of the weights.
                "gigaflops": flops(layer) / 1e9 * (3 if layer.trainable else 1),
                "notebook_seconds": seconds[0],
                "ours_seconds": seconds[1],
            }
        )
    return {"layers": rows, "policy": policy}


def _limit(layers: dict[str, Any], epochs: int, versions: int) -> float:
    """How many times faster ours can be, if nothing took time but convolutions."""

    def cost(column: str, passes: int) -> float:
        times = [epochs if row["trained"] else passes for row in layers["layers"]]
        return float(sum(row[column] * n for row, n in zip(layers["layers"], times, strict=True)))

    return cost("notebook_seconds", epochs) / cost("ours_seconds", versions)


def _print_layers(layers: dict[str, Any], epochs: int, versions: int) -> None:
    policy = layers["policy"]
    print(f"{'layer':<14}{'GFLOP':>7}{'direct float32':>17}{f'ours, {policy}':>26} GFLOP/s  passes")
    for row in layers["layers"]:
        trained = f"{epochs} in both, with gradients"
        passes = trained if row["trained"] else f"{epochs} against {versions}"
        print(
            f"{row['layer']:<14}{row['gigaflops']:>7.2f}"
            f"{row['gigaflops'] / row['notebook_seconds']:>17.0f}"
            f"{row['gigaflops'] / row['ours_seconds']:>26.0f}  {passes}"
        )


if __name__ == "__main__":
    main()
