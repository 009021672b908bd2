"""The sample needs a real model: no trivial feature tells its classes, no two images are alike."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipeline.datasets.synthetic import CLASSES, write_sample

PER_CLASS = 60


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sample of moderate size."""
    out = tmp_path_factory.mktemp("difficulty") / "sample"
    write_sample(out, per_class=PER_CLASS, seed=0, test_share=0.5)
    return out


def read(sample: Path, split: str) -> tuple[list[NDArray[np.uint8]], NDArray[np.int64]]:
    """Every image of a split, grey, and its class."""
    images, labels = [], []
    for index, label in enumerate(CLASSES):
        for path in sorted((sample / split / label).iterdir()):
            with Image.open(path) as image:
                images.append(np.asarray(image.convert("L")))
            labels.append(index)
    return images, np.array(labels)


def accuracy(
    features: dict[str, NDArray[np.float64]], labels: dict[str, NDArray[np.int64]]
) -> float:
    """Test accuracy of a logistic regression on standardised features."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    model.fit(features["Training"], labels["Training"])
    return float(model.score(features["Testing"], labels["Testing"]))


def test_thumbnails_do_not_tell_the_classes(sample: Path) -> None:
    features, labels = {}, {}
    for split in ("Training", "Testing"):
        images, labels[split] = read(sample, split)
        features[split] = np.stack(
            [np.asarray(Image.fromarray(i).resize((16, 16)), float).ravel() for i in images]
        )
    assert accuracy(features, labels) <= 0.75


def test_size_brightness_and_border_do_not_tell_the_classes(sample: Path) -> None:
    features, labels = {}, {}
    for split in ("Training", "Testing"):
        images, labels[split] = read(sample, split)
        features[split] = np.array(
            [
                [*i.shape, i.mean(), i.std(), (i > 20).mean(), i[0].mean(), i[:, 0].mean()]
                for i in images
            ]
        )
    assert accuracy(features, labels) <= 0.5


def signature(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Foreground crop at 80 x 80 without its local mean and deviation, of unit norm."""
    from scipy.ndimage import uniform_filter

    bright = image > max(12.0, 0.12 * float(np.percentile(image, 99)))
    rows, columns = (np.flatnonzero(bright.mean(axis) > 0.02) for axis in (1, 0))
    crop = Image.fromarray(image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    small = np.asarray(crop.resize((80, 80), Image.Resampling.BILINEAR), np.float32)
    mean = uniform_filter(small, 11)
    deviation = np.sqrt(np.maximum(uniform_filter(small * small, 11) - mean * mean, 0))
    flat = (small - mean) / (deviation + 5)
    flat -= flat.mean()
    return np.asarray(flat / np.linalg.norm(flat), np.float32)


def test_fewer_than_two_percent_have_a_near_duplicate(sample: Path) -> None:
    images = read(sample, "Training")[0] + read(sample, "Testing")[0]
    signatures = np.stack([signature(image) for image in images])
    count = len(signatures)
    flat = signatures.reshape(count, -1)
    best = np.full((count, count), -1.0, np.float32)
    for turns in range(4):
        turned = np.rot90(signatures, turns, (1, 2))
        for oriented in (turned, turned[:, :, ::-1]):
            best = np.maximum(best, flat @ oriented.reshape(count, -1).T)
    np.fill_diagonal(best, -1)
    assert (best.max(axis=1) >= 0.9).mean() < 0.02
    assert (best.max(axis=1) >= 0.85).mean() < 0.02
