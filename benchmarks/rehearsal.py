"""Where the time of a rehearsal that is answered from cache goes.

    bin/python -m benchmarks.rehearsal [--metadata URL] [--parallel N]

A small pipeline is compiled, rehearsed on the synthetic sample, and rehearsed again; then
everything is cached, and what is left is starting processes. The last line is one JSON object.
"""

import argparse
import io
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

_SETTINGS = (
    ("model.weights", "random"),
    ("model.widths", (4, 4, 8, 8, 8)),
    ("transform.image_size", 32),
    ("train.epochs", 1),
)


def main() -> None:
    """Measures, and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--metadata", metavar="URL", help="default: SQLite, one task at a time")
    parser.add_argument("--parallel", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = _measure(Path(folder), arguments.metadata, arguments.parallel)
    for name, value in figures.items():
        print(f"{name:24} {value}")
    print(json.dumps(figures))


def _measure(folder: Path, url: str | None, parallel: int) -> dict[str, Any]:
    from kubeflow.cluster import Cluster
    from kubeflow.compile import compile_for_kubeflow
    from kubeflow.rehearse import rehearse
    from pipeline.config import load_config

    file = folder / "pipeline.yaml"
    config = load_config("ci", _SETTINGS)
    compiling, nodes = _timed(
        lambda: compile_for_kubeflow(config, "brain-mri:1.0", file, Cluster())
    )

    def play() -> str:
        console = Console(file=io.StringIO(), width=160, highlight=False)
        code = rehearse(file, {}, folder / "storage", console, metadata_url=url, parallel=parallel)
        said = str(console.file.getvalue())  # type: ignore[attr-defined]
        if code:
            sys.exit(f"The rehearsal ended with {code}:\n{said}")
        return said

    first, _ = _timed(play)
    again, said = _timed(play)
    print(said)
    starting, _ = _timed(lambda: _python("pass"))
    importing, _ = _timed(lambda: _python("import kubeflow.node"))
    return {
        "processes": len(nodes) + 1,
        "compile_seconds": round(compiling, 2),
        "first_seconds": round(first, 1),
        "cached_seconds": round(again, 1),
        "interpreter_seconds": round(starting, 2),
        "import_seconds": round(importing - starting, 2),
    }


def _python(program: str) -> None:
    subprocess.run([sys.executable, "-c", program], check=True, stderr=subprocess.DEVNULL)


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.monotonic()
    result = work()
    return time.monotonic() - started, result


if __name__ == "__main__":
    main()
