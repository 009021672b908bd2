"""The synthetic sample, made where it is not there yet, with a progress bar."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from components.errors import PipelineError
from components.whole_file import writing_in
from samples.synthetic import SampleError, write_patients, write_sample


def ensure_sample(out: Path, console: Console, *, per_class: int, seed: int) -> None:
    """Makes the synthetic images, unless the same ones are there already.

    Args:
        out: Folder to make.
        console: Where progress goes.
        per_class: Training images of each class.
        seed: The same seed gives the same images.

    Raises:
        PipelineError: `out` holds something else or cannot be written.
    """
    _draw(
        out,
        console,
        lambda report: write_sample(out, per_class=per_class, seed=seed, progress=report),
    )


def ensure_patients(out: Path, console: Console, *, patients: int, seed: int) -> None:
    """Makes the synthetic patients, unless the same ones are there already.

    Args:
        out: Folder to make.
        console: Where progress goes.
        patients: How many.
        seed: The same seed gives the same files.

    Raises:
        PipelineError: `out` holds something else or cannot be written.
    """
    _draw(
        out,
        console,
        lambda report: write_patients(out, patients=patients, seed=seed, progress=report),
    )


def _draw(out: Path, console: Console, write: Callable[[Callable[[int, int], None]], bool]) -> None:
    with suppress(OSError):  # said below, in a sentence
        out.parent.mkdir(parents=True, exist_ok=True)
    # `mri clean` takes the unfinished folder beside `out` for nobody's unless its parent is held.
    with Progress(console=console, transient=True) as progress, writing_in(out.parent):
        task = progress.add_task("drawing synthetic images", total=None)

        def report(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        try:
            write(report)
        except SampleError as error:
            raise PipelineError(str(error)) from error
