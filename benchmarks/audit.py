"""How many wrong labels an audit ranks first, and what checking these is worth.

    bin/python -m benchmarks.audit [--quick] [--data FOLDER] [--work FOLDER]

A twentieth of the training labels is exchanged for others at random, three times. Recall is the
share of them in the first tenth of a list: of the audit's; by the probability of the label alone,
without what duplicates say; and by confident learning, if cleanlab is installed. A simulated reader
then checks the first tenth of the audit's list; what is found to be wrong is removed, or corrected.
The audit's classifier is fitted to the labels as they were, exchanged, and checked, and asked about
the folder's own test images. Training images that match one of these are left out. The synthetic
sample is made where it is not there; without the public images they are skipped. The last line is
one JSON object.
"""

import argparse
import json
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from components.audit.features import Features, pooled_features
from components.audit.folds import Labels, fit, out_of_fold
from components.audit.ranking import rank
from components.ingest.config import IngestConfig
from components.ingest.duplicates import Pairs
from components.ingest.folder import list_images
from components.ingest.survey import survey
from components.trainer.config import Recipe
from pipeline.config import load_config
from pipeline.engines import LOCAL_BEAM
from pipeline.sample import ensure_sample
from pipeline.work import Work

_FETCHED = "data/brain-tumor-mri"
_SHARE = 0.05
_CHECKED = 0.1
_SEEDS = 3
_PER_CLASS = 160
_LABELS = ("right labels", "wrong labels", "checked and removed", "checked and corrected")
_NO_PAIRS = Pairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))


@dataclass(frozen=True)
class _Images:
    """A folder's training images that match no test image, and its test images.

    Attributes:
        classes: Names.
        features: float32 [training images, numbers].
        labels: int64 [training images].
        groups: Of the training images.
        pairs: Which of them show the same picture.
        test_features: float32 [test images, numbers].
        test_labels: int64 [test images].
    """

    classes: tuple[str, ...]
    features: Features
    labels: Labels
    groups: tuple[str, ...]
    pairs: Pairs
    test_features: Features
    test_labels: Labels


def main() -> None:
    """Measures, and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the sample alone, one seed")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get("MRI_TEST_DATA") or _FETCHED),
        help=f"folder of the public images; default: MRI_TEST_DATA, or {_FETCHED}",
    )
    parser.add_argument("--work", type=Path, default=Path("work"), help="has sample and features")
    parser.add_argument("--preset", default="best", help="of the public images: their features")
    arguments = parser.parse_args()
    work = Work(arguments.work.absolute())
    seeds = 1 if arguments.quick else _SEEDS
    figures: dict[str, Any] = {}
    with work.exclusively():
        ensure_sample(work.sample, Console(stderr=True), per_class=_PER_CLASS, seed=0)
        figures["sample"] = _measure("sample", _read(work.sample, "sample", work), seeds)
        if arguments.quick:
            print("public: skipped, as --quick was given")
        elif not arguments.data.is_dir():
            print(f"public: skipped, as there is no folder {arguments.data}: bin/mri data fetch")
        else:
            images = _read(arguments.data, arguments.preset, work)
            figures["public"] = _measure("public", images, seeds)
    print(json.dumps(figures))


def _read(folder: Path, preset: str, work: Work) -> _Images:
    settings = load_config(preset, [])
    listing = list_images(folder, window=sys.maxsize)
    config = IngestConfig(classes=listing.classes, duplicates=settings.ingest.duplicates)
    recipe = Recipe(
        model=settings.model,
        train=settings.train,
        transform=settings.transform,
        classes=listing.classes,
    )
    with tempfile.TemporaryDirectory() as scratch:
        found = survey(listing, config, LOCAL_BEAM, Path(scratch), keep=True)
        groups = np.array(found.grouping.groups)
        tested = np.array([one.folder_split == "test" for one in found.records])
        kept = ~np.isin(groups, groups[tested])
        used = np.flatnonzero(kept | tested)
        records = [found.records[row] for row in used]
        features = pooled_features(records, Path(scratch), recipe, work.cache)
    labels = np.array([listing.classes.index(one.label) for one in records], np.int64)
    return _Images(
        classes=listing.classes,
        features=features[kept[used]],
        labels=labels[kept[used]],
        groups=tuple(groups[kept].tolist()),
        pairs=_among(found.grouping.pairs, kept),
        test_features=features[tested[used]],
        test_labels=labels[tested[used]],
    )


def _among(pairs: Pairs, kept: np.ndarray[Any, np.dtype[np.bool_]]) -> Pairs:
    """The pairs between images that are kept, which are counted anew."""
    numbers = np.cumsum(kept) - 1
    both = kept[pairs.first] & kept[pairs.second]
    first, second = numbers[pairs.first[both]], numbers[pairs.second[both]]
    return Pairs(first, second, pairs.correlation[both])


def _measure(name: str, images: _Images, seeds: int) -> dict[str, Any]:
    count = len(images.labels)
    print(f"{name}: {count:,} training images, {len(images.test_labels):,} test images")
    found: dict[str, list[float]] = defaultdict(list)
    for seed in range(seeds):
        for figure, value in _of_seed(images, seed):
            found[figure].append(value)
    figures: dict[str, Any] = {"images": count}
    for figure, values in found.items():
        mean, least = float(np.mean(values)), min(values)
        print(f"  {figure:44} mean {mean:.3f}  least {least:.3f}")
        figures[figure] = {"mean": round(mean, 4), "least": round(least, 4)}
    clean, flipped, *checked = (
        figures[f"test accuracy, {labels}"]["mean"]
        for labels in (
            "right labels",
            "wrong labels",
            "checked and removed",
            "checked and corrected",
        )
    )
    for how, value in zip(("removed", "corrected"), checked, strict=True):
        if clean > flipped:
            figures[f"regained, {how}"] = round((value - flipped) / (clean - flipped), 3)
            print(f"  share of the lost accuracy regained, {how}: {figures[f'regained, {how}']}")
        else:
            print(f"  the wrong labels cost no accuracy, so nothing is regained, {how}")
    return figures


def _of_seed(images: _Images, seed: int) -> Iterator[tuple[str, float]]:
    labels, wrong = _exchanged(images.labels, len(images.classes), seed)
    probabilities = out_of_fold(images.features, labels, images.groups, images.classes)
    first = round(_CHECKED * len(labels))
    alone = probabilities[np.arange(len(labels)), labels]
    orders = {
        "audit": [one.index for one in rank(labels, probabilities, images.pairs)],
        "probability of the label alone": np.argsort(alone, kind="stable").tolist(),
    }
    if find_spec("cleanlab"):
        find = import_module("cleanlab.filter").find_label_issues
        for way in ("prune_by_noise_rate", "both", "confident_learning"):
            issues = find(labels, probabilities, filter_by=way, n_jobs=1)
            orders[f"cleanlab, {way}"] = np.lexsort((alone, ~issues)).tolist()
    for name, order in orders.items():
        yield f"recall in the first tenth, {name}", float(wrong[order[:first]].sum() / wrong.sum())
    checked = np.zeros(len(labels), bool)
    checked[orders["audit"][:first]] = True
    confirmed = checked & wrong
    corrected = np.where(confirmed, images.labels, labels)
    everything = np.ones(len(labels), bool)
    fitted = (
        (images.labels, everything),
        (labels, everything),
        (labels, ~confirmed),
        (corrected, everything),
    )
    for name, (given, used) in zip(_LABELS, fitted, strict=True):
        model = fit(images.features[used], given[used])
        right = model.predict(images.test_features) == images.test_labels
        yield f"test accuracy, {name}", float(right.mean())


def _exchanged(
    labels: Labels, classes: int, seed: int
) -> tuple[Labels, np.ndarray[Any, np.dtype[np.bool_]]]:
    """Labels of which some are wrong, and which of them."""
    random = np.random.default_rng(seed)
    wrong = np.zeros(len(labels), bool)
    wrong[random.choice(len(labels), round(_SHARE * len(labels)), replace=False)] = True
    others = (labels + random.integers(1, classes, len(labels))) % classes
    return np.where(wrong, others, labels), wrong


if __name__ == "__main__":
    main()
