"""`mri doctor`: what this machine has, and what is missing for a run."""

import importlib.metadata
import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from components.errors import PipelineError
from components.trainer.weights.vgg16 import resolve_weights
from mri.options import WorkFolder, spread
from mri.served import newest_version, served_models
from pipeline.exit_code import ExitCode
from pipeline.tables import print_table

_PACKAGES = (
    "tensorflow",
    "tfx",
    "tensorflow-data-validation",
    "tensorflow-model-analysis",
    "tensorflow-serving-api",
    "apache-beam",
    "scikit-learn",
    "keras",
)
_LEAST_MEMORY_GB = 4
_LEAST_DISK_GB = 5


app = typer.Typer(add_completion=False)


class Examined(NamedTuple):
    """One line of the examination.

    Attributes:
        subject: What was looked at.
        detail: What was found, and what to do if it is not well.
        well: Whether a run can do with it.
    """

    subject: str
    detail: str
    well: bool = True


@app.command()
@spread
def doctor(console: Console, work: WorkFolder = Path("work")) -> None:
    """Check what this machine has: versions, processor, memory, disk, weights, pushed model."""
    work = work.absolute()
    checks = [*_software(), *_machine(), *_disk(work), *_models(work)]
    table = Table(Column(), Column(), Column(overflow="fold"), show_header=False, box=None)
    for check in checks:
        mark = "[green]ok[/]" if check.well else "[red]--[/]"
        table.add_row(mark, check.subject, Text(check.detail))
    print_table(console, table)
    if not all(check.well for check in checks):
        raise typer.Exit(ExitCode.FAILED)


def _software() -> Iterator[Examined]:
    yield Examined("system", f"{platform.platform()}, {' '.join(platform.libc_ver())}")
    yield Examined("Python", platform.python_version())
    for package in _PACKAGES:
        try:
            yield Examined(package, importlib.metadata.version(package))
        except importlib.metadata.PackageNotFoundError:
            yield Examined(package, "not installed: run through bin/mri", well=False)


def _machine() -> Iterator[Examined]:
    import tensorflow as tf

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cpuinfo = Path("/proc/cpuinfo")
    flags = cpuinfo.read_text(encoding="utf-8") if cpuinfo.exists() else ""
    bfloat16 = ", bfloat16" if "avx512_bf16" in flags or "amx_bf16" in flags else ""
    yield Examined("processor", f"{cores} cores{bfloat16}")
    gpus = tf.config.list_physical_devices("GPU")
    yield Examined("GPU", ", ".join(gpu.name for gpu in gpus) or "none; docs/gpu.md says how")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    yield Examined("memory", f"{memory:.1f} GB", well=memory >= _LEAST_MEMORY_GB)


def _disk(work: Path) -> Iterator[Examined]:
    existing = next(folder for folder in (work, *work.parents) if folder.exists())
    free = shutil.disk_usage(existing).free / 1e9
    enough = free >= _LEAST_DISK_GB
    advice = "" if enough else f"; a run needs {_LEAST_DISK_GB} GB"
    yield Examined("disk", f"{free:.1f} GB free for {work}{advice}", well=enough)
    if not existing.is_dir():
        wrong = "is a file"
    elif not os.access(existing, os.W_OK):
        wrong = "cannot be written"
    else:
        return
    yield Examined("work folder", f"{existing} {wrong}: choose another --work", well=False)


def _models(work: Path) -> Iterator[Examined]:
    try:
        weights = str(resolve_weights(offline=True))
    except PipelineError:
        weights = "not here yet; the first run fetches them"
    yield Examined("VGG16 weights", weights)
    serving = work / "serving"
    newest = [str(newest_version(serving / name)) for name in served_models(serving)]
    yield Examined("pushed model", "\n".join(newest) or "none yet; `mri run` makes one")
