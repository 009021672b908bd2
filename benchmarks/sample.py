"""What the preset `sample` comes to: accuracy, calibration, missed tumours, time.

    bin/python -m benchmarks.sample --work FOLDER [--seeds 0,1,2] [--set SETTING=VALUE ...]

Each row is a whole `mri run --preset sample` on a synthetic sample of another seed, in a folder of
its own. The masks of the tumours are drawn beside the sample afterwards, so that a missed tumour
can be told by the share of the head that it covers. A recipe is to be chosen on other seeds than
those that its figures are stated for. The last line is one JSON object.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from components.evaluate.report.figures import Figures
from components.exported_model import PROBABILITIES, ExportedModel, encoded_example
from imaging.head import find_head
from imaging.reader import read_file
from pipeline.config import load_config
from pipeline.database import connect, connection_config
from pipeline.registry import find_model, read_models
from pipeline.work import Work
from samples.synthetic import write_sample

_DONE, _NOT_BLESSED = 0, 4
_LARGE = 0.03
"""Share of the head from which on a tumour must not be missed."""
_BATCH = 32


def main() -> None:
    """Runs the preset on each sample and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="a folder of its own")
    parser.add_argument("--seeds", default="0,1,2", help="of the samples, with commas")
    parser.add_argument("--set", action="append", default=[], help="as of `mri run`")
    arguments = parser.parse_args()
    rows = []
    for seed in map(int, arguments.seeds.split(",")):
        row = measure(arguments.work.absolute() / f"seed-{seed}", seed, arguments.set)
        print(", ".join(f"{name} {value}" for name, value in row.items()), flush=True)
        rows.append(row)
    print(json.dumps(rows))


def measure(work: Path, seed: int, settings: Sequence[str]) -> dict[str, Any]:
    """Runs the preset on one sample.

    Args:
        work: The run's work folder.
        seed: The sample's.
        settings: Further settings of the run.
    """
    command = [sys.executable, "-m", "mri", "run", "--preset", "sample", "--work", str(work)]
    for setting in (f"sample.seed={seed}", *settings):
        command += ["--set", setting]
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - started
    if done.returncode not in (_DONE, _NOT_BLESSED):
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr or done.stdout}")
    model = find_model(read_models(connect(connection_config(None, Work(work)))), None)
    if model.report is None:
        sys.exit(f"The run in {work} made no report.")
    head = Figures.read(Path(model.report.uri)).headline
    missed = _missed(model.saved_model, work, seed)
    return {
        "seed": seed,
        "accuracy": head["accuracy"].value,
        "tumour sensitivity": head["tumour_sensitivity"].value,
        "calibration error": head["ece"].value,
        "calibration error before": head["ece_uncalibrated"].value,
        "missed tumours": len(missed),
        f"of them above {_LARGE:.0%} of the head": sum(share > _LARGE for share in missed),
        "largest share missed": round(max(missed, default=0.0), 4),
        "blessed": done.returncode == _DONE,
        "seconds": round(seconds),
    }


def _missed(saved_model: Path, work: Path, seed: int) -> list[float]:
    """Of each tumour that is called healthy, the share of the head that it covers."""
    config = load_config("sample")
    healthy = config.train.healthy_class
    sample, masks = work / "sample", work / "masks"
    write_sample(sample, per_class=config.sample.per_class, seed=seed, masks=masks)
    files = [
        file
        for folder in sorted((sample / "Testing").iterdir())
        if folder.name != healthy
        for file in sorted(folder.iterdir())
    ]
    model = ExportedModel(saved_model)
    missed = []
    for start in range(0, len(files), _BATCH):
        batch = files[start : start + _BATCH]
        examples = [encoded_example(read_file(file).images[0].encoded) for file in batch]
        for file, row in zip(batch, model(examples)[PROBABILITIES], strict=True):
            if model.classes[int(np.argmax(row))] == healthy:
                mask = masks / file.relative_to(sample).with_suffix(".png")
                missed.append(_share_of_head(file, mask))
    return missed


def _share_of_head(file: Path, mask: Path) -> float:
    with Image.open(file) as image, Image.open(mask) as painted:
        pixels, lesion = np.asarray(image.convert("L")), np.asarray(painted.convert("L")) > 0
    return float(lesion.sum() / find_head(pixels).mask(*pixels.shape).sum())


if __name__ == "__main__":
    main()
