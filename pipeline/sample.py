"""The synthetic sample, made where it is not there yet, with a progress bar."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from components.errors import PipelineError, UsageError, path_error
from components.whole_file import writing_in
from samples.synthetic import SampleError, TakenError, write_patients, write_sample


def ensure_sample(
    out: Path, console: Console, *, per_class: int, seed: int, in_work: bool = False
) -> None:
    """Makes the synthetic images, unless the same ones are there already.

    Args:
        out: Folder to make.
        console: Where progress goes.
        per_class: Training images of each class.
        seed: The same seed gives the same images.
        in_work: Whether the user named the work folder, of which `out` is a part.

    Raises:
        UsageError: `out` holds something else, or cannot be written by this user.
        PipelineError: The images cannot be made here and now.
    """
    _draw(
        out,
        console,
        lambda report: write_sample(out, per_class=per_class, seed=seed, progress=report),
        in_work=in_work,
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


_DRAWING = "drawing synthetic images"


def _draw(
    out: Path,
    console: Console,
    write: Callable[[Callable[[int, int], None]], bool],
    *,
    in_work: bool = False,
) -> None:
    with suppress(OSError):  # said below, in a sentence
        out.parent.mkdir(parents=True, exist_ok=True)
    # `mri clean` takes the unfinished folder beside `out` for nobody's unless its parent is held.
    shown = Progress(console=console, transient=True, disable=not console.is_terminal)
    with shown as progress, writing_in(out.parent):
        task = progress.add_task(_DRAWING, total=None)

        def report(done: int, total: int) -> None:
            if not console.is_terminal and done <= 1:  # a log gets a line, not a bar
                console.print(_DRAWING)
            progress.update(task, completed=done, total=total)

        try:
            write(report)
        except TakenError as error:
            advice = f"choose another work folder with --work, or remove {out}"
            said = f"{error.found}: {advice}; nothing in it was changed." if in_work else str(error)
            raise UsageError(said) from error
        except SampleError as error:
            cause = error.__cause__
            kind = path_error(cause) if isinstance(cause, OSError) else PipelineError
            raise kind(str(error)) from error
