"""Ingest and Transform on Beam with one and with two worker processes, against Beam in one process.

    bin/python -m benchmarks.beam [--quick] [--images N] [--data FOLDER]

`--images` is how many of each class folder are taken (400; `--quick`: 60). Each way runs the
pipeline up to Transform, in a process and a work folder of its own, as `mri run --to Transform`
does. A worker process imports TensorFlow and TFX before its first image; `idle` is the same
pipeline on 20 images a folder, so that what grows with the images can be told from that; a rate is
null where that does not come out of the noise. The last line is one JSON object.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import add_data, drawn
from benchmarks.processes import run_alone

_FEW = 20
_RUNNER = "--runner=FnApiRunner"
_WAYS = {
    "in_memory": (_RUNNER, "--direct_running_mode=in_memory"),
    "one_worker": (
        _RUNNER,
        "--direct_running_mode=multi_processing",
        "--direct_num_workers=1",
    ),
    "two_workers": (
        _RUNNER,
        "--direct_running_mode=multi_processing",
        "--direct_num_workers=2",
    ),
}
_NODES = ("Ingest", "StatisticsGen", "Transform")


def main() -> None:
    """Runs the ways one after the other and prints their figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="60 images of each class folder")
    parser.add_argument("--images", type=int, default=400, help="of each class folder")
    add_data(parser)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        few, many = scratch / "few", scratch / "many"
        _link(arguments.data, few, _FEW)
        _link(arguments.data, many, 60 if arguments.quick else arguments.images)
        figures: dict[str, Any] = {}
        for way, options in _WAYS.items():
            idle = run_alone(_run, few, scratch / f"{way}-idle", options).figures
            busy = run_alone(_run, many, scratch / way, options)
            found = _figures(way, idle, busy.figures) | {f"{way}_peak_bytes": busy.peak_bytes}
            for key in sorted(found.keys() - figures.keys()):
                value = found[key]
                shown = f"{value:,.3f}" if isinstance(value, float) else value
                print(f"{key:<44} {shown}", flush=True)
            figures |= found
    print(json.dumps(figures))


def _figures(way: str, idle: dict[str, Any], busy: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {key: busy[key] for key in busy if key not in _NODES}
    for node in _NODES:
        seen = "training_images" if node == "Transform" else "images"
        more, longer = busy[seen] - idle[seen], busy[node] - idle[node]
        found[f"{way}_{node}_seconds"] = busy[node]
        found[f"{way}_{node}_idle_seconds"] = idle[node]
        found[f"{way}_{node}_images_per_second"] = more / longer if longer > 0 else None
    return found


def _run(data: Path, root: Path, options: tuple[str, ...]) -> dict[str, Any]:
    from components.gate.rules import RULES
    from mri.terminal import libraries_to
    from pipeline.beam_config import BeamConfig
    from pipeline.config import load_config
    from pipeline.local_runner import run_locally
    from pipeline.work import LOG_FILE, Work

    # All images are used, and nothing stops the run: what is measured is how fast it goes.
    config = load_config(
        "sample",
        [
            ("model.weights", "random"),
            ("transform.image_size", 128),
            ("ingest.split_policy", "as_is"),
            ("gate.severity", dict.fromkeys(RULES, "warn")),
        ],
    )
    work = Work(root)
    with work.exclusively():
        run = work.new_run()
        with libraries_to(run / LOG_FILE) as console:
            console.quiet = True
            result = run_locally(
                config.model_copy(
                    update={"data": data, "beam": BeamConfig(runner=None, options=options)}
                ),
                work,
                run,
                console,
                to_nodes=("Transform",),
            )
    files = [file for file in data.rglob("*") if file.is_file()]
    return {
        "images": len(files),
        "training_images": sum("Training" in file.parts for file in files),
        "encoded_bytes": sum(file.stat().st_size for file in files),
        "example_bytes": _bytes(work.artifacts / "Ingest" / "examples"),
        "transformed_bytes": _bytes(work.artifacts / "Transform" / "transformed_examples"),
        **{node.node_id: node.seconds for node in result.nodes if node.node_id in _NODES},
    }


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _link(data: Path, folder: Path, limit: int) -> None:
    for source in sorted(path for path in data.glob("*/*") if path.is_dir()):
        target = folder / source.parent.name / source.name
        target.mkdir(parents=True)
        for image in drawn(sorted(source.iterdir()), limit):
            (target / image.name).symlink_to(image.resolve())


if __name__ == "__main__":
    main()
