"""The sample needs a real model: no trivial feature tells its classes, no two images are alike."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from components.ingest.config import DuplicatesConfig
from components.ingest.duplicates import find_pairs
from imaging.signature import signature
from samples.synthetic import CLASSES, write_sample

pytestmark = [pytest.mark.long, pytest.mark.slow]

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


def test_no_subject_resembles_another(sample: Path) -> None:
    """With the default split policy a training image that does would be set aside."""
    images = read(sample, "Training")[0] + read(sample, "Testing")[0]
    signatures = np.stack([signature(np.stack([image] * 3, axis=-1)) for image in images])
    for threshold in (DuplicatesConfig().threshold, 0.75):
        pairs = find_pairs(signatures, DuplicatesConfig(threshold=threshold))
        paired = {*pairs.first.tolist(), *pairs.second.tolist()}
        assert len(paired) < 0.02 * len(images)
