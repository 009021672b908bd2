"""What compiling costs, and a rehearsal that is answered from cache.

    bin/python -m benchmarks.rehearsal [--metadata URL] [--rounds N] [--against FOLDER]

A small pipeline is compiled, rehearsed on the synthetic sample, and rehearsed again; then
everything is cached, and what is left is starting processes. FOLDER is a checkout of another commit
(`git worktree add FOLDER COMMIT`), which does the same: the two take turns, so that what else the
machine does slows both. The processor's seconds are those of all processes; half of the cached
rehearsals take no more. The last line is one JSON object.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

_HERE = Path(__file__).parents[1]
_COMPILE = """
import sys, time
from pathlib import Path
from kubeflow.cluster import Cluster
from kubeflow.compile import compile_for_kubeflow
from pipeline.config import load_config
settings = {"model.weights": "random", "model.widths": (4, 4, 8, 8, 8),
            "transform.image_size": 32, "train.epochs": 1}
config = load_config("ci", list(settings.items()))
began = time.process_time()
compile_for_kubeflow(config, "brain-mri:1.0", Path(sys.argv[1]), Cluster())
print(time.process_time() - began)
"""
_TASK = """
try:
    import kubeflow.node
except ModuleNotFoundError:  # an earlier commit's, where the pod itself ran the node
    import kubeflow.pod
"""
"""What a task imports."""


class _Cost(NamedTuple):
    """What a command took: seconds, the processor's seconds, and what it said."""

    seconds: float
    processor: float
    said: str


class _Checkout:
    """A checkout, and a folder in which its pipeline is rehearsed."""

    def __init__(self, code: Path, folder: Path, options: Sequence[str]) -> None:
        self._code, self._options = code, options
        self._file, self._storage = folder / "pipeline.yaml", folder / "storage"
        folder.mkdir()
        self.cached: list[_Cost] = []
        self.compiling = float(self.run("-c", _COMPILE, str(self._file)).said)
        self.starting = self.run("-c", "pass").processor
        self.importing = self.run("-c", _TASK).processor - self.starting
        self.first = self.rehearse()

    def run(self, *words: str) -> _Cost:
        began = time.monotonic()
        environment = {**os.environ, "PYTHONPATH": str(self._code)}
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(
                [sys.executable, *words], stdout=out, stderr=errors, env=environment
            )
            _, status, used = os.wait4(process.pid, 0)
            out.seek(0)
            errors.seek(0)
            said = out.read().decode()
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                sys.exit(f"{self._code}: {' '.join(words)}\n{said}{errors.read().decode()}")
        return _Cost(time.monotonic() - began, used.ru_utime + used.ru_stime, said)

    def rehearse(self) -> _Cost:
        words = ("kubeflow", "rehearse", str(self._file), f"--storage={self._storage}")
        return self.run("-m", "mri", *words, *self._options)

    def figures(self) -> dict[str, float]:
        return {
            "compile_processor_seconds": round(self.compiling, 2),
            "first_seconds": round(self.first.seconds, 1),
            "cached_seconds": round(median(one.seconds for one in self.cached), 1),
            "cached_processor_seconds": round(median(one.processor for one in self.cached), 1),
            "interpreter_processor_seconds": round(self.starting, 2),
            "import_processor_seconds": round(self.importing, 2),
        }


def main() -> None:
    """Measures, and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--metadata", metavar="URL", help="default: SQLite, one task at a time")
    parser.add_argument("--parallel", type=int, default=2)
    parser.add_argument("--against", type=Path, metavar="FOLDER", help="another checkout")
    parser.add_argument("--rounds", type=int, default=3, help="cached rehearsals of each checkout")
    given = parser.parse_args()
    options = [f"--parallel={given.parallel}"]
    if given.metadata and given.against:
        parser.error("--against takes no --metadata: two checkouts would share the database")
    if given.metadata:
        options.append(f"--metadata={given.metadata}")
    with tempfile.TemporaryDirectory() as folder:
        sides = {"this": _Checkout(_HERE, Path(folder, "this"), options)}
        if given.against:
            other = given.against.absolute()
            sides["against"] = _Checkout(other, Path(folder, "against"), options)
        for _ in range(given.rounds):
            for side in sides.values():
                side.cached.append(side.rehearse())
    print(sides["this"].cached[-1].said)
    figures = {name: side.figures() for name, side in sides.items()}
    for name in figures["this"]:
        print(f"{name:30}", *(f"{figures[side][name]:8}" for side in figures))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
