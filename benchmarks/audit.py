"""How many wrong labels an audit ranks first, and what checking these is worth.

    bin/python -m benchmarks.audit [--quick] [--data FOLDER] [--work FOLDER]

Of a folder's training images a fifth, in whole groups, is held out untouched; a twentieth of the
labels of the others is exchanged for wrong ones at random; all of that three times. Recall is the
share of the wrong labels in the first tenth of a list: of the audit's; by the probability of the
label alone, without what duplicates say; and by confident learning, if cleanlab is installed. A
simulated reader then checks the first tenth of the audit's list; what is found to be wrong is
removed, or corrected. The audit's classifier is fitted to the labels as they were, exchanged, and
checked, and asked about the images held out; so is one with a weak penalty of large weights, which
learns wrong labels by heart. The synthetic sample is made where it is not there; without the public
images they are skipped. The last line is one JSON object.
"""

import argparse
import json
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks import FETCHED
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

_SHARE = 0.05
_CHECKED = 0.1
_SEEDS = 3
_PENALTIES = {"the audit's": 100.0, "weak penalty": 1.0}
_HELD_OUT = 5
"""One of this many parts."""
_PER_CLASS = 160
_LABELS = ("right labels", "wrong labels", "checked and removed", "checked and corrected")


@dataclass(frozen=True)
class _Images:
    """A folder's training images.

    Attributes:
        classes: Names.
        features: float32 [images, numbers].
        labels: int64 [images].
        groups: Of the images.
        pairs: Which of them show the same picture.
    """

    classes: tuple[str, ...]
    features: Features
    labels: Labels
    groups: np.ndarray[Any, Any]
    pairs: Pairs

    def only(self, rows: np.ndarray[Any, np.dtype[np.int64]]) -> "_Images":
        """Some of the images."""
        kept = np.zeros(len(self.labels), bool)
        kept[rows] = True
        numbers = np.cumsum(kept) - 1
        both = kept[self.pairs.first] & kept[self.pairs.second]
        return _Images(
            self.classes,
            self.features[kept],
            self.labels[kept],
            self.groups[kept],
            Pairs(
                numbers[self.pairs.first[both]],
                numbers[self.pairs.second[both]],
                self.pairs.correlation[both],
            ),
        )


def main() -> None:
    """Measures, and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the sample alone, one seed")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get("MRI_TEST_DATA") or FETCHED),
        help=f"folder of the public images; default: MRI_TEST_DATA, or {FETCHED}",
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
            print(f"public: skipped, as {arguments.data} does not exist: run bin/mri data fetch")
        else:
            images = _read(arguments.data, arguments.preset, work)
            figures["public"] = _measure("public", images, seeds)
    print(json.dumps(figures))


def _read(folder: Path, preset: str, work: Work) -> _Images:
    settings = load_config(preset, [])
    listing = list_images(folder, window=sys.maxsize)
    training = tuple(file for file in listing.files if file.folder_split == "train")
    listing = replace(listing, files=training)
    config = IngestConfig(classes=listing.classes, duplicates=settings.ingest.duplicates)
    recipe = Recipe(
        model=settings.model,
        train=settings.train,
        transform=settings.transform,
        classes=listing.classes,
    )
    with tempfile.TemporaryDirectory() as scratch:
        found = survey(listing, config, LOCAL_BEAM, Path(scratch), keep=True)
        features = pooled_features(found.records, Path(scratch), recipe, work.cache)
    labels = np.array([listing.classes.index(one.label) for one in found.records], np.int64)
    groups = np.array(found.grouping.groups)
    return _Images(listing.classes, features, labels, groups, found.grouping.pairs)


def _measure(name: str, images: _Images, seeds: int) -> dict[str, Any]:
    count = len(images.labels)
    print(f"{name}: {count:,} training images")
    found: dict[str, list[float]] = defaultdict(list)
    for seed in range(seeds):
        for figure, value in _of_seed(images, seed):
            found[figure].append(value)
    figures: dict[str, Any] = {"images": count}
    for figure, values in found.items():
        mean, least = float(np.mean(values)), min(values)
        print(f"  {figure:44} mean {mean:.3f}  least {least:.3f}")
        figures[figure] = {"mean": round(mean, 4), "least": round(least, 4)}
    for kind in _PENALTIES:
        clean, flipped, *checked = (
            figures[f"accuracy, {kind}, {labels}"]["mean"] for labels in _LABELS
        )
        for how, value in zip(("removed", "corrected"), checked, strict=True):
            if clean > flipped:
                share = round((value - flipped) / (clean - flipped), 3)
                figures[f"regained, {kind}, {how}"] = share
                print(f"  of the lost accuracy regained, {kind}, {how}: {share}")
            else:
                print(f"  the wrong labels cost no accuracy: nothing to regain, {kind}, {how}")
    return figures


def _of_seed(everything: _Images, seed: int) -> Iterator[tuple[str, float]]:
    from sklearn.model_selection import StratifiedGroupKFold

    folds = StratifiedGroupKFold(_HELD_OUT, shuffle=True, random_state=seed)
    rows, held = next(folds.split(everything.features, everything.labels, everything.groups))
    images = everything.only(rows)
    labels, wrong = _exchanged(images.labels, len(images.classes), seed)
    probabilities = out_of_fold(images.features, labels, images.groups.tolist(), images.classes)
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
    no = np.zeros(len(labels), bool)
    fitted = (
        (images.labels, ~no),
        (labels, ~no),
        (labels, ~confirmed),
        (corrected, ~no),
    )
    for kind, penalty in _PENALTIES.items():
        for name, (given, used) in zip(_LABELS, fitted, strict=True):
            model = fit(images.features[used], given[used], penalty)
            right = model.predict(everything.features[held]) == everything.labels[held]
            yield f"accuracy, {kind}, {name}", float(right.mean())


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
