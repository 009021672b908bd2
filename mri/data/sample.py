"""`mri data sample`: synthetic images in a folder of one's choice."""

from pathlib import Path

from rich.console import Console

from pipeline.datasets.sample import ensure_sample


def make_sample(out: Path, *, per_class: int, seed: int) -> None:
    """Makes a sample where a person asked for it.

    Args:
        out: Folder to make.
        per_class: Training images of each class.
        seed: Same seed, same images.

    Raises:
        PipelineError: `out` holds something else or cannot be written.
    """
    console = Console(highlight=False, emoji=False)
    ensure_sample(out, console, per_class=per_class, seed=seed)
    said = f"Synthetic images in {out}. Try: mri run --data {out}"
    console.print(said, soft_wrap=True, markup=False)
