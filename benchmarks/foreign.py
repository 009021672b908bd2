"""How well an exported model tells images that are no brain MRI from real test images.

    bin/python -m benchmarks.foreign --model SAVEDMODEL [--quick] [--data FOLDER]

Photographs are those that the packages scikit-learn and scikit-image carry, whole and in quarters,
in colour and in grey; noise and text are drawn; inverted and shuffled MRI are made of test images.
No fit saw any of them. The last line is one JSON object: the area under the ROC curve of the
model's score, and the share that is flagged, by kind.
"""

import argparse
import io
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from benchmarks import add_data
from imaging.reader import decode

Pixels: TypeAlias = NDArray[np.uint8]
Floats: TypeAlias = NDArray[np.float32]

_BATCH = 16
_EACH = 60
"""Images of each kind that is drawn or made of test images."""
_FOLDERS = {"sklearn": "datasets/images", "skimage": "data"}
_NOT_FOREIGN = ("phantom.png",)
"""The Shepp-Logan phantom is a drawing of a head's section."""
_SIDE = 224
_WORDS = ("the", "patient", "findings", "are", "within", "normal", "limits", "no", "change")


def main() -> None:
    """Measures, and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, help="a SavedModel's folder")
    parser.add_argument("--quick", action="store_true", help="every eighth image")
    add_data(parser)
    arguments = parser.parse_args()
    step = 8 if arguments.quick else 1
    paths = sorted(path for path in (arguments.data / "Testing").rglob("*") if path.is_file())
    if not paths:
        sys.exit(f"There are no images in {arguments.data}: give another with --data.")
    real = [path.read_bytes() for path in paths[::step]]
    figures = _measure(arguments.model, real, step)
    for name, value in figures.items():
        print(f"{name:32} {value}")
    print(json.dumps(figures))


def _measure(model: Path, real: Sequence[bytes], step: int) -> dict[str, float]:
    from sklearn.metrics import roc_auc_score

    chosen = np.random.default_rng(0).permutation(len(real))[:_EACH]
    foreign = {
        **_photographs(),
        **_drawn(_EACH, seed=0),
        **_damaged([real[index] for index in chosen], seed=0),
    }
    score = _scorer(model)
    own = score(real)
    figures = {"test_images": len(real), "test_flagged": round(float((own > 1).mean()), 4)}
    scores = {kind: score(images[::step]) for kind, images in foreign.items() if images}
    scores["all"] = np.concatenate(list(scores.values()))
    for kind, values in scores.items():
        truth = np.repeat([0, 1], [len(own), len(values)])
        figures[f"{kind}_auroc"] = round(float(roc_auc_score(truth, np.r_[own, values])), 4)
        figures[f"{kind}_flagged"] = round(float((values > 1).mean()), 4)
    return figures


def _scorer(model: Path) -> Callable[[Sequence[bytes]], Floats]:
    import tensorflow as tf

    loaded: Any = tf.saved_model.load(str(model))
    answer = loaded.signatures["serving_default"]

    def score(images: Sequence[bytes]) -> Floats:
        batches = [images[start : start + _BATCH] for start in range(0, len(images), _BATCH)]
        return np.concatenate(
            [answer(image_bytes=tf.constant(batch))["ood_score"].numpy() for batch in batches]
        )

    return score


def _photographs() -> dict[str, list[bytes]]:
    """The photographs that scikit-learn and scikit-image carry, in colour and in grey.

    Returns:
        `photograph` and `grey_photograph`: of each picture the whole and its four quarters, PNG.
        Empty where neither package is installed.
    """
    whole = [decode(path.read_bytes()) for path in _photograph_files()]
    parts = [part for pixels in whole for part in (pixels, *_quarters(pixels))]
    grey = [np.repeat(_grey(part)[..., None], 3, axis=2) for part in parts]
    return {
        "photograph": [_png(part) for part in parts],
        "grey_photograph": [_png(part) for part in grey],
    }


def _drawn(count: int, seed: int) -> dict[str, list[bytes]]:
    """Noise, text and plain grounds.

    Args:
        count: Images of each kind.
        seed: Of what is drawn.

    Returns:
        PNG files by kind.
    """
    random = np.random.default_rng(seed)
    kinds: dict[str, Callable[[np.random.Generator], Pixels]] = {
        "noise": _noise,
        "smooth_noise": _smooth_noise,
        "text": _text,
        "plain": _plain,
    }
    return {kind: [_png(draw(random)) for _ in range(count)] for kind, draw in kinds.items()}


def _damaged(images: Sequence[bytes], seed: int) -> dict[str, list[bytes]]:
    """MRI images made foreign: inverted, their pixels shuffled, their sixteen tiles shuffled.

    Args:
        images: JPEG or PNG files.
        seed: Of the shuffles.

    Returns:
        PNG files by kind, one an image.
    """
    random = np.random.default_rng(seed)
    pixels = [decode(image) for image in images]
    return {
        "inverted_mri": [_png(np.asarray(255 - one, np.uint8)) for one in pixels],
        "pixel_shuffled_mri": [
            _png(random.permutation(one.reshape(-1, 3)).reshape(one.shape)) for one in pixels
        ],
        "tile_shuffled_mri": [_png(_shuffled_tiles(one, random)) for one in pixels],
    }


def _photograph_files() -> Iterator[Path]:
    for package, folder in _FOLDERS.items():
        spec = find_spec(package)
        for root in (spec.submodule_search_locations or ()) if spec else ():
            files = sorted((Path(root) / folder).iterdir())
            yield from (
                file
                for file in files
                if file.suffix in (".jpg", ".png") and file.name not in _NOT_FOREIGN
            )


def _quarters(pixels: Pixels) -> list[Pixels]:
    row, column = pixels.shape[0] // 2, pixels.shape[1] // 2
    return [
        pixels[rows, columns]
        for rows in (slice(row), slice(row, None))
        for columns in (slice(column), slice(column, None))
    ]


def _grey(pixels: Pixels) -> Pixels:
    return np.asarray(Image.fromarray(pixels).convert("L"))


def _noise(random: np.random.Generator) -> Pixels:
    grey = random.integers(0, 256, (_SIDE, _SIDE, 1), np.uint8)
    return np.repeat(grey, 3, axis=2)


def _smooth_noise(random: np.random.Generator) -> Pixels:
    side = int(random.integers(4, 29))
    coarse = Image.fromarray(random.integers(0, 256, (side, side), np.uint8))
    return _grey_to_rgb(coarse.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC))


def _text(random: np.random.Generator) -> Pixels:
    ink, ground = (255, 0) if random.random() < 0.5 else (0, 255)
    page = Image.new("L", (_SIDE, _SIDE), ground)
    font: Any = ImageFont.load_default(int(random.integers(10, 25)))
    lines = [" ".join(random.choice(_WORDS, 8)) for _ in range(int(random.integers(4, 16)))]
    ImageDraw.Draw(page).multiline_text((4, 4), "\n".join(lines), fill=ink, font=font)
    return _grey_to_rgb(page)


def _plain(random: np.random.Generator) -> Pixels:
    return np.full((_SIDE, _SIDE, 3), random.integers(0, 256, 3), np.uint8)


def _grey_to_rgb(image: Image.Image) -> Pixels:
    return np.asarray(image.convert("RGB"))


def _shuffled_tiles(pixels: Pixels, random: np.random.Generator) -> Pixels:
    height, width = (side // 4 for side in pixels.shape[:2])
    tiles = [
        pixels[row * height : (row + 1) * height, column * width : (column + 1) * width]
        for row in range(4)
        for column in range(4)
    ]
    order = random.permutation(len(tiles))
    rows = [np.hstack([tiles[order[4 * row + column]] for column in range(4)]) for row in range(4)]
    return np.vstack(rows)


def _png(pixels: Pixels) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, "PNG")
    return stream.getvalue()


if __name__ == "__main__":
    main()
