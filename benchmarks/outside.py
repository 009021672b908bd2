"""How a model answers on images of other sources than those it was trained on.

    bin/python -m benchmarks.outside --model SAVEDMODEL --data FOLDER [--healthy notumor]

The folder holds images and `labels.csv` with the columns `path`, `label` and `source`. The label
`tumour` is right for every class but the healthy one: which kind it is, nobody has said. An answer
is flagged if the model refers it to a reader or takes the image for foreign. Intervals are
bootstrapped over different files. Such images are for measuring: a recipe that is chosen by them
has no figure left that says what it is worth elsewhere. The last line is one JSON object.
"""

import argparse
import csv
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from components.errors import PipelineError
from components.evaluate.config import EvaluateConfig
from components.evaluate.report.bootstrap import GroupBootstrap, share_of
from components.evaluate.report.figures import Figure
from components.exported_model import PROBABILITIES, ExportedModel, encoded_example, rows_of
from imaging.picture import ReadFailedError, RejectedImageError
from imaging.reader import read_file

_LABELS = "labels.csv"
_UNKNOWN_KIND = "tumour"
_BATCH = 32


@dataclass(frozen=True)
class _Image:
    encoded: bytes
    label: str
    source: str


def main() -> None:
    """Asks the model about each image and prints the figures by source."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, help="a SavedModel's folder")
    parser.add_argument("--data", type=Path, required=True, help=f"images and {_LABELS}")
    parser.add_argument("--healthy", default="notumor", help="the class without a tumour")
    arguments = parser.parse_args()
    try:
        model = ExportedModel(arguments.model)
        images = _read(arguments.data, {*model.classes, _UNKNOWN_KIND})
    except (OSError, ValueError, KeyError, PipelineError) as error:
        sys.exit(f"The model cannot be measured: {error}")
    print(json.dumps(measure(model, images, arguments.healthy)))


def measure(model: ExportedModel, images: Sequence[_Image], healthy: str) -> dict[str, Any]:
    """Asks, prints, and gives the figures of each source and of all.

    Args:
        model: The model.
        images: At least one.
        healthy: The class without a tumour.
    """
    rows: list[dict[str, Any]] = []
    for start in range(0, len(images), _BATCH):
        batch = [encoded_example(one.encoded) for one in images[start : start + _BATCH]]
        rows += rows_of(model(batch))
    answers = np.array([model.classes[int(np.argmax(row[PROBABILITIES]))] for row in rows])
    flagged = np.array([row.get("refer") or row.get("in_distribution") is False for row in rows])
    labels = np.array([one.label for one in images])
    sources = np.array([one.source for one in images])
    ill, found = labels != healthy, answers != healthy
    right = np.where(labels == _UNKNOWN_KIND, found, answers == labels)
    digests = np.array([hashlib.sha256(one.encoded).hexdigest() for one in images])
    bootstrap = GroupBootstrap(digests, EvaluateConfig().resamples)
    figures: dict[str, Any] = {}
    for source in (*sorted(set(sources)), "all"):
        here = (sources == source) | (source == "all")
        told = bootstrap.figures(
            {
                "tumours found": share_of(here & ill, found),
                "tumours missed and not flagged": share_of(here & ill, ~found & ~flagged),
                "right": share_of(here, right),
                "healthy right": share_of(here & ~ill, right),
                "wrong and not flagged": share_of(here, ~right & ~flagged),
                "flagged": share_of(here, flagged),
            }
        )
        print(f"source {source}: {here.sum()} images, {(here & ill).sum()} with a tumour")
        for name, figure in told.items():
            print(f"  {name:32} {_words(figure)}")
        figures[source] = {name: figure.value for name, figure in told.items()}
    return figures


def _read(folder: Path, labels: set[str]) -> list[_Image]:
    with (folder / _LABELS).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if unknown := {row["label"] for row in rows} - labels:
        raise ValueError(f"{_LABELS} has labels that the model does not know: {min(unknown)}")
    if not rows:
        raise ValueError(f"{_LABELS} in {folder} names no image")
    found = []
    for row in rows:
        try:
            image = read_file(folder / row["path"]).images[0]
        except (RejectedImageError, ReadFailedError) as error:
            print(f"{row['path']} is left out: {error}", file=sys.stderr)
            continue
        found.append(_Image(image.encoded, row["label"], row["source"]))
    return found


def _words(figure: Figure) -> str:
    if figure.value is None:
        return f"not computable: {figure.missing}"
    ends = "" if figure.low is None else f" ({figure.low:.3f} to {figure.high:.3f})"
    return f"{figure.value:.3f}{ends}"


if __name__ == "__main__":
    main()
