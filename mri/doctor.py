"""`mri doctor`: what this machine has, and what is missing for a run."""

import importlib.metadata
import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from components.errors import PipelineError
from components.trainer.weights.vgg16 import resolve_weights
from mri.options import WorkFolder, spread
from mri.served import newest_version, served_models
from pipeline.exit_code import ExitCode

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


@dataclass(frozen=True)
class Examined:
    """One line of the examination.

    Attributes:
        subject: What was looked at.
        well: Whether a run can do with it.
        detail: What was found, and what to do if it is not well.
    """

    subject: str
    well: bool
    detail: str


@app.command()
@spread
def doctor(console: Console, work: WorkFolder = Path("work")) -> None:
    """Check what this machine has: versions, processor, memory, disk, weights, pushed model."""
    work = work.absolute()
    checks = [
        *_system(),
        *_packages(),
        *_processor(),
        *_memory(),
        *_disk(work),
        *_weights(),
        *_model(work),
    ]
    table = Table(show_header=False, box=None)
    for check in checks:
        mark = "[green]ok[/]" if check.well else "[red]--[/]"
        table.add_row(mark, check.subject, Text(check.detail))
    console.print(table)
    if not all(check.well for check in checks):
        raise typer.Exit(ExitCode.FAILED)


def _system() -> Iterator[Examined]:
    libc = " ".join(platform.libc_ver())
    yield Examined("system", True, f"{platform.platform()}, {libc}")
    yield Examined("Python", True, platform.python_version())


def _packages() -> Iterator[Examined]:
    for package in _PACKAGES:
        try:
            yield Examined(package, True, importlib.metadata.version(package))
        except importlib.metadata.PackageNotFoundError:
            yield Examined(package, False, "not installed: run through bin/mri")


def _processor() -> Iterator[Examined]:
    import tensorflow as tf

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cpuinfo = Path("/proc/cpuinfo")
    flags = cpuinfo.read_text(encoding="utf-8") if cpuinfo.exists() else ""
    bfloat16 = ", bfloat16" if "avx512_bf16" in flags or "amx_bf16" in flags else ""
    yield Examined("processor", True, f"{cores} cores{bfloat16}")
    gpus = tf.config.list_physical_devices("GPU")
    yield Examined("GPU", True, ", ".join(gpu.name for gpu in gpus) or "none; docs/gpu.md says how")


def _memory() -> Iterator[Examined]:
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    yield Examined("memory", gigabytes >= _LEAST_MEMORY_GB, f"{gigabytes:.1f} GB")


def _disk(work: Path) -> Iterator[Examined]:
    existing = next(folder for folder in (work, *work.parents) if folder.exists())
    free = shutil.disk_usage(existing).free / 1e9
    advice = "" if free >= _LEAST_DISK_GB else f"; a run wants {_LEAST_DISK_GB} GB"
    yield Examined("disk", free >= _LEAST_DISK_GB, f"{free:.1f} GB free for {work}{advice}")
    if not existing.is_dir():
        yield Examined("work folder", False, f"{existing} is a file: choose another --work")
    elif not os.access(existing, os.W_OK):
        yield Examined("work folder", False, f"{existing} cannot be written: choose another --work")


def _weights() -> Iterator[Examined]:
    try:
        yield Examined("VGG16 weights", True, str(resolve_weights(offline=True)))
    except PipelineError:
        yield Examined("VGG16 weights", True, "not here yet; the first run fetches them")


def _model(work: Path) -> Iterator[Examined]:
    serving = work / "serving"
    newest = [str(newest_version(serving / name)) for name in served_models(serving)]
    told = "\n".join(newest) or "none yet; `mri run` makes one"
    yield Examined("pushed model", True, told)
