"""Where the heatmaps of a model of the synthetic sample lie: in the painted lesion, or beside it.

    bin/python -m benchmarks.heat [--work FOLDER] [--limit N]

For the test images with a tumour that the pushed model classifies correctly, through the signature
`explain`: the share of heat inside the lesion divided by the lesion's share of the area, and how
often the hottest point lies in the lesion, dilated by a tenth of its diameter. The lesions are
drawn again from the sample's parameters. Cost is that of an explanation against that of a
prediction, eight images at a time. At last the sanity check: heat must follow the weights.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import drawn

_BATCH = 8
_REPEATS = 5
_DRAWS = 5
"""Shuffles of each depth, as one may leave the heat where it was by chance."""
_LEFT_OVER = 0.5
"""Rank correlation from which a heatmap would be about the image alone."""


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("work"), help="after `make run`")
    parser.add_argument("--limit", type=int, help="images of each class, at most")
    arguments = parser.parse_args()
    sample = arguments.work / "sample"
    if not (sample / "sample.json").is_file():
        sys.exit(f"There is no sample in {arguments.work}: make one with `mri run`.")
    with tempfile.TemporaryDirectory() as folder:
        masks = _draw_masks(sample, Path(folder) / "masks")
        figures = _measure(arguments.work, sample, masks, arguments.limit)
    for key, value in figures.items():
        print(f"{key:<32} {value:,.3f}" if isinstance(value, float) else f"{key:<32} {value}")
    print(json.dumps(figures))


def _draw_masks(sample: Path, masks: Path) -> Path:
    from samples.synthetic import write_sample

    made = json.loads((sample / "sample.json").read_text(encoding="utf-8"))["parameters"]
    again = masks.parent / "again"
    write_sample(again, per_class=made["per_class"], seed=made["seed"], masks=masks)
    return masks


def _measure(work: Path, sample: Path, masks: Path, limit: int | None) -> dict[str, Any]:
    import numpy as np
    import tensorflow as tf

    from mri.served import find_saved_model

    model = tf.saved_model.load(str(find_saved_model(None, work)))
    explain, predict = model.signatures["explain"], model.signatures["serving_default"]
    files = [
        path
        for folder in sorted((sample / "Testing").iterdir())
        if folder.name != "notumor"
        for path in drawn(sorted(folder.iterdir()), limit)
    ]
    some = drawn(files, _BATCH)
    shares, hits, correct = [], [], 0
    for start in range(0, len(files), _BATCH):
        batch = files[start : start + _BATCH]
        found = explain(image_bytes=tf.constant([path.read_bytes() for path in batch]))
        for index, path in enumerate(batch):
            if found["label"][index].numpy().decode() != path.parent.name:
                continue
            correct += 1
            heat = found["heatmap"][index].numpy()
            mask = masks / path.relative_to(sample).with_suffix(".png")
            lesion = _lesion(mask, found["crop_box"][index].numpy(), heat.shape)
            shares.append(heat[lesion].sum() / heat.sum() / lesion.mean())
            hits.append(_dilated(lesion)[np.unravel_index(heat.argmax(), heat.shape)])
    one = tf.constant([path.read_bytes() for path in some])
    seconds = [_best(partial(call, image_bytes=one)) for call in (predict, explain)]
    return {
        "tumours": len(files),
        "correct": correct,
        "heat_share_over_area_share": float(np.mean(shares)),
        "least_tenth": float(np.quantile(shares, 0.1)),
        "hottest_point_in_lesion": float(np.mean(hits)),
        "explain_over_predict": seconds[1] / seconds[0],
        **_randomisation(work, some),
    }


def _lesion(path: Path, box: Any, shape: tuple[int, int]) -> Any:
    """The lesion's mask as the network saw the image: cropped and resized."""
    import numpy as np
    from PIL import Image

    from imaging.reader import decode

    image = Image.fromarray(decode(path.read_bytes())[..., 0])
    top, left, bottom, right = box
    corners = (left * image.width, top * image.height, right * image.width, bottom * image.height)
    # A box may reach beyond the image; there is no lesion there.
    resized = image.transform(
        shape[::-1], Image.Transform.EXTENT, corners, Image.Resampling.BILINEAR
    )
    return np.asarray(resized) >= 128


def _dilated(lesion: Any) -> Any:
    import numpy as np
    from scipy.ndimage import distance_transform_edt

    diameter = 2 * np.sqrt(lesion.sum() / np.pi)
    return distance_transform_edt(~lesion) <= 0.1 * diameter


def _best(call: Callable[[], Any]) -> float:
    call()
    least = float("inf")
    for _ in range(_REPEATS):
        started = time.perf_counter()
        for output in call().values():
            output.numpy()
        least = min(least, time.perf_counter() - started)
    return least


def _randomisation(work: Path, files: list[Path]) -> dict[str, Any]:
    import keras
    import tensorflow as tf

    from components.trainer.layers import LOGITS_LAYER, VGG16
    from components.transform.config import TransformConfig
    from components.transform.preprocessing import preprocess
    from mri.served import find_saved_model

    extras = find_saved_model(None, work) / "assets.extra" / "metadata.json"
    config = json.loads(extras.read_text(encoding="utf-8"))["preprocessing"]
    newest = max((work / "artifacts" / "Trainer" / "model").iterdir(), key=lambda p: int(p.name))
    model = keras.models.load_model(newest / "model.keras", compile=False)
    encoded = tf.constant([path.read_bytes() for path in files])
    pixels = preprocess(encoded, TransformConfig.model_validate(config))
    layers = (LOGITS_LAYER, "dense", *reversed(VGG16().blocks["block5"]))
    found = _correlations(model, tf.cast(pixels, tf.float32), layers)
    return {
        "randomisation_passed": found[layers[-1]] < _LEFT_OVER,
        **{f"correlation_{name}": value for name, value in found.items()},
    }


def _correlations(model: Any, pixels: Any, layers: tuple[str, ...]) -> dict[str, float]:
    """Mean rank correlation of heatmaps before and after layers forgot what they learnt.

    Cascading randomisation (Adebayo and others, "Sanity Checks for Saliency Maps", 2018), by the
    last layer that was shuffled, from the top down, over several draws.
    """
    import numpy as np

    from components.trainer.export.explain import Explainer

    learnt = Explainer(model)(pixels).heat.numpy()
    correlations = {}
    for count, name in enumerate(layers, start=1):
        found = []
        for draw in range(_DRAWS):
            heat = Explainer(_shuffled(model, layers[:count], draw))(pixels).heat.numpy()
            found.append(_mean_rank_correlation(learnt, heat))
        correlations[name] = float(np.mean(found))
    return correlations


def _shuffled(model: Any, layers: tuple[str, ...], seed: int) -> Any:
    """A copy in which the weights of some layers have swapped places at random."""
    import keras
    import numpy as np

    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    random = np.random.default_rng(seed)
    for name in layers:
        layer = copy.get_layer(name)
        weights = [random.permutation(w.ravel()).reshape(w.shape) for w in layer.get_weights()]
        layer.set_weights(weights)
    return copy


def _mean_rank_correlation(first: Any, second: Any) -> float:
    """Spearman's correlation of each image's two heatmaps, averaged; 0 where one is constant."""
    import numpy as np
    from scipy.stats import rankdata

    ranks = [rankdata(heat.reshape(len(heat), -1), axis=1) for heat in (first, second)]
    centred = [rank - rank.mean(axis=1, keepdims=True) for rank in ranks]
    products = (centred[0] * centred[1]).sum(axis=1)
    norms = np.sqrt((centred[0] ** 2).sum(axis=1) * (centred[1] ** 2).sum(axis=1))
    return float(np.divide(products, norms, out=np.zeros_like(products), where=norms > 0).mean())


if __name__ == "__main__":
    main()
