"""What a preset is worth on real images, over several seeds, beside the notebook's recipe.

    bin/python -m benchmarks.recipe --preset FILE.yaml --work FOLDER [--seeds 3] [--data FOLDER]
        [--exclude FILE]

Each row is a whole `mri run`, up to its report: the preset without the images that leak
(`leak_free`), the notebook's recipe on the same images with the same preprocessing, and the preset
on the splits as they come (`as_is`), comparable with published figures and as inflated. Means over
seeds have intervals from a bootstrap over duplicate groups; the two recipes are compared by the
same bootstrap, in pairs. The runs share the work folder, so frozen layers run once, and a second
call answers from what is there. `--exclude` names a file of paths below the data folder, one a
line, that are left out of every row. The last line is one JSON object.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import add_data
from components.evaluate.predictions.table import Flags, Floats, PredictionTable
from components.evaluate.report.bootstrap import GroupBootstrap, interval, mcnemar, two_sided_p
from components.evaluate.report.figures import Figures
from pipeline.config import load_config
from pipeline.database import connect, connection_config
from pipeline.registry import find_model, read_models
from pipeline.work import Work

_RESAMPLES = 2000
_DONE, _NOT_BLESSED = 0, 4


@dataclass(frozen=True)
class Trained:
    """One run.

    Attributes:
        seconds: From the command to its end.
        figures: Of its report.
        predictions: On the test images.
    """

    seconds: float
    figures: Figures
    predictions: PredictionTable

    @property
    def right(self) -> Flags:
        """Of each image, whether its class was found; in the order of `order`."""
        predictions = self.predictions
        right: Flags = (predictions.probabilities.argmax(1) == predictions.labels)[self.order]
        return right

    @property
    def order(self) -> np.ndarray[Any, np.dtype[np.intp]]:
        """Rows sorted by digest and class, so that runs can be compared image by image."""
        return np.lexsort((self.predictions.labels, self.predictions.sha256))


def main() -> None:
    """Runs every recipe with every seed and prints what they came to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", required=True, help="a preset's name, or a YAML file")
    parser.add_argument("--work", type=Path, required=True, help="a work folder of its own")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--exclude", type=Path, help="a file of paths to leave out, one a line")
    add_data(parser)
    arguments = parser.parse_args()
    if arguments.exclude:
        arguments.data = _without(arguments.data, arguments.exclude, arguments.work / "data")
    transform = load_config(arguments.preset).transform
    same = [f"transform.{name}={value}" for name, value in transform.model_dump().items()]
    recipes = {
        "leak_free": (arguments.preset, ["ingest.split_policy=leak_free"]),
        "leak_free, notebook": ("notebook", ["ingest.split_policy=leak_free", *same]),
        "as_is": (arguments.preset, ["ingest.split_policy=as_is"]),
    }
    found: dict[str, list[Trained]] = {}
    figures: dict[str, Any] = {"seeds": arguments.seeds}
    for name, (preset, settings) in recipes.items():
        found[name] = []
        for seed in range(arguments.seeds):
            run = _run(arguments, preset, [*settings, f"train.seed={seed}"])
            found[name].append(run)
            accuracy = run.figures.headline["accuracy"]
            print(f"{name}, seed {seed}: {run.seconds:.0f} s, {_words(accuracy.model_dump())}")
        figures[name] = _summary(found[name])
    figures["difference"] = _compare(found["leak_free"], found["leak_free, notebook"])
    for name, rows in figures.items():
        if isinstance(rows, dict):
            print(name, *(f"  {key:<22} {_words(value)}" for key, value in rows.items()), sep="\n")
    print(json.dumps(figures))


def _without(data: Path, exclude: Path, folder: Path) -> Path:
    """Links to all files of the data folder but those that are listed, in a folder of their own."""
    listed = {Path(line.strip()) for line in exclude.read_text().splitlines() if line.strip()}
    files = {file.relative_to(data) for file in data.rglob("*") if file.is_file()}
    if unknown := listed - files:
        sys.exit(f"{exclude} lists {len(unknown)} files that {data} does not hold: {min(unknown)}")
    shutil.rmtree(folder, ignore_errors=True)
    for file in files - listed:
        link = folder / file
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to((data / file).absolute())
    return folder


def _run(arguments: argparse.Namespace, preset: str, settings: Sequence[str]) -> Trained:
    """Runs the pipeline to its report and reads what came of it."""
    work = arguments.work.absolute()
    settings = [*settings, "evaluate.compare=false", "evaluate.min_accuracy=0"]
    command = [sys.executable, "-m", "mri", "run", "--preset", preset, "--to", "Report"]
    command += ["--data", str(arguments.data), "--work", str(work)]
    command += [word for setting in settings for word in ("--set", setting)]
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - started
    if done.returncode not in (_DONE, _NOT_BLESSED):
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr or done.stdout}")
    newest = max(path.name for path in (work / "runs").iterdir())
    model = find_model(read_models(connect(connection_config(None, Work(work)))), newest)
    if model.report is None or model.predictions is None:
        sys.exit(f"The run {newest} made no report.")
    return Trained(
        seconds,
        Figures.read(Path(model.report.uri)),
        PredictionTable.read(Path(model.predictions.uri)),
    )


def _summary(runs: Sequence[Trained]) -> dict[str, Any]:
    """Means over the seeds, with their intervals and ranges."""
    first = runs[0]
    predictions = first.predictions
    labels = predictions.labels[first.order]
    novel = predictions.slices["seen"][first.order] == "novel"
    bootstrap = _bootstrap(first)
    shares = {"accuracy": np.ones(len(labels), bool), "accuracy, novel": novel}
    shares |= {f"recall, {c}": labels == i for i, c in enumerate(predictions.classes)}
    found: dict[str, Any] = {
        name: _mean([run.right for run in runs], among, bootstrap)
        for name, among in shares.items()
        if among.any()
    }
    for name in ("tumour_sensitivity", "tumour_specificity", "ece", "ece_uncalibrated"):
        found[name] = _range([run.figures.headline[name].value or 0.0 for run in runs])
    found["macro_auc"] = _range(
        [float(np.mean([f["auc"].value for f in run.figures.by_class.values()])) for run in runs]
    )
    known = [run.predictions.in_distribution for run in runs]
    found["flagged"] = _range([float(1 - flags.mean()) for flags in known if flags is not None])
    areas = [f.value for run in runs for f in run.figures.foreign.values() if f.value is not None]
    found["foreign_auc"] = _range(areas)
    found["seconds"] = _range([run.seconds for run in runs])
    return found


def _bootstrap(run: Trained) -> GroupBootstrap:
    return GroupBootstrap(np.asarray(run.predictions.groups)[run.order], _RESAMPLES)


def _mean(rights: Sequence[Flags], among: Flags, bootstrap: GroupBootstrap) -> dict[str, Any]:
    """The mean over seeds of the share that is right, its interval, and each seed's own share."""
    share = np.mean(rights, axis=0) * among

    def statistic(weights: Floats) -> Floats:
        with np.errstate(invalid="ignore"):
            values: Floats = weights @ share / (weights @ among)
        return values

    ends = interval(bootstrap.samples({"mean": statistic})["mean"])
    each = [float(right[among].mean()) for right in rights]
    return {
        "value": float(np.mean(each)),
        "low": ends and ends[0],
        "high": ends and ends[1],
        "images": int(among.sum()),
        "seeds": each,
    }


def _range(values: Sequence[float]) -> dict[str, Any]:
    return {"value": float(np.mean(values)), "least": min(values), "most": max(values)}


def _compare(ours: Sequence[Trained], others: Sequence[Trained]) -> dict[str, Any]:
    """Our recipe less the other, image by image."""
    mine, theirs = ([run.right for run in runs] for runs in (ours, others))
    gain = np.mean(mine, axis=0) - np.mean(theirs, axis=0)
    samples = _bootstrap(ours[0]).samples({"gain": lambda w: w @ gain / w.sum(1)})["gain"]
    ends = interval(samples)
    p_values = [mcnemar(one, other) for one, other in zip(mine, theirs, strict=True)]
    return {
        "accuracy": {
            "value": float(gain.mean()),
            "low": ends and ends[0],
            "high": ends and ends[1],
            "images": len(gain),
        },
        "p": two_sided_p(samples),
        "mcnemar_by_seed": p_values,
    }


def _words(value: Any) -> str:
    if not isinstance(value, dict):
        return str(value)
    words = f"{value['value']:.4g}"
    if value.get("low") is not None:
        words += f" ({value['low']:.3f} to {value['high']:.3f})"
    if "least" in value:
        words += f" ({value['least']:.4g} to {value['most']:.4g})"
    if "seeds" in value:
        words += f", seeds {', '.join(f'{one:.3f}' for one in value['seeds'])}"
    return f"{words}, {value['images']} images" if "images" in value else words


if __name__ == "__main__":
    main()
