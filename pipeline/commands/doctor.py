"""`mri doctor`: what this machine has, and what is missing for a run."""

import importlib.metadata
import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from components.errors import PipelineError

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


@dataclass(frozen=True)
class CheckResult:
    """One line of the examination.

    Attributes:
        subject: What was looked at.
        well: Whether a run can do with it.
        detail: What was found, and what to do if it is not well.
    """

    subject: str
    well: bool
    detail: str


def examine(work: Path) -> bool:
    """Looks at everything a run needs and prints what it found.

    Args:
        work: The work folder that a run would use.

    Returns:
        Whether a run can be started.
    """
    from pipeline.terminal import libraries_to

    with libraries_to(Path(os.devnull)) as console:
        return _examine(work, console)


def _examine(work: Path, console: Console) -> bool:
    findings = [
        *_system(),
        *_packages(),
        *_processor(),
        *_memory(),
        *_disk(work),
        *_weights(),
        *_model(work),
    ]
    table = Table(show_header=False, box=None)
    for finding in findings:
        mark = "[green]ok[/]" if finding.well else "[red]--[/]"
        table.add_row(mark, finding.subject, Text(finding.detail))
    console.print(table)
    return all(finding.well for finding in findings)


def _system() -> Iterator[CheckResult]:
    libc = " ".join(platform.libc_ver())
    yield CheckResult("system", True, f"{platform.platform()}, {libc}")
    yield CheckResult("Python", True, platform.python_version())


def _packages() -> Iterator[CheckResult]:
    for package in _PACKAGES:
        try:
            yield CheckResult(package, True, importlib.metadata.version(package))
        except importlib.metadata.PackageNotFoundError:
            yield CheckResult(package, False, "not installed: run through bin/mri")


def _processor() -> Iterator[CheckResult]:
    import tensorflow as tf

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cpuinfo = Path("/proc/cpuinfo")
    flags = cpuinfo.read_text(encoding="utf-8") if cpuinfo.exists() else ""
    bfloat16 = ", bfloat16" if "avx512_bf16" in flags or "amx_bf16" in flags else ""
    yield CheckResult("processor", True, f"{cores} cores{bfloat16}")
    gpus = tf.config.list_physical_devices("GPU")
    yield CheckResult(
        "GPU", True, ", ".join(gpu.name for gpu in gpus) or "none; docs/gpu.md says how"
    )


def _memory() -> Iterator[CheckResult]:
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    yield CheckResult("memory", gigabytes >= _LEAST_MEMORY_GB, f"{gigabytes:.1f} GB")


def _disk(work: Path) -> Iterator[CheckResult]:
    existing = next(folder for folder in (work, *work.parents) if folder.exists())
    free = shutil.disk_usage(existing).free / 1e9
    advice = "" if free >= _LEAST_DISK_GB else f"; a run wants {_LEAST_DISK_GB} GB"
    yield CheckResult("disk", free >= _LEAST_DISK_GB, f"{free:.1f} GB free for {work}{advice}")
    if not existing.is_dir():
        yield CheckResult("work folder", False, f"{existing} is a file: choose another --work")
    elif not os.access(existing, os.W_OK):
        yield CheckResult(
            "work folder", False, f"{existing} cannot be written: choose another --work"
        )


def _weights() -> Iterator[CheckResult]:
    from components.trainer.weights.vgg16 import resolve_weights

    try:
        yield CheckResult("VGG16 weights", True, str(resolve_weights(offline=True)))
    except PipelineError:
        yield CheckResult("VGG16 weights", True, "not here yet; the first run fetches them")


def _model(work: Path) -> Iterator[CheckResult]:
    from pipeline.served import newest_version, served_models

    serving = work / "serving"
    newest = [str(newest_version(serving / name)) for name in served_models(serving)]
    told = "\n".join(newest) or "none yet; `mri run` makes one"
    yield CheckResult("pushed model", True, told)
