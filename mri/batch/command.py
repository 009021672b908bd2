"""`mri batch`: many images with the pushed model, into Parquet or CSV."""

import os
from pathlib import Path
from typing import Literal

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from components.disclaimer import DISCLAIMER
from imaging.leftovers import Leftovers
from mri.batch.inputs import list_files
from mri.predictor import find_saved_model
from mri.terminal import libraries_to
from pipeline.config import Config


def classify_files(
    source: str,
    out: Path,
    model: Path | None,
    work: Path,
    *,
    format: Literal["parquet", "csv"],  # noqa: A002 - as users call it
    shard_size: int,
    batch_size: int,
) -> bool:
    """Classifies files, and goes on where the same command was cut off before.

    Args:
        source: A folder, a glob pattern, a `.txt` file with a path a line, or an image.
        out: The folder of the results.
        model: As `mri.predictor.find_saved_model` takes it.
        work: The work folder.
        format: Of the results.
        shard_size: How many files make a shard.
        batch_size: How many images go through the model at once.

    Returns:
        Whether any file could be classified: of many some may be bad, and their rows say why.

    Raises:
        PipelineError: There are no files or no model, or the results cannot be written.
    """
    leftovers = Leftovers()
    files = list_files(source, out, leftovers)
    model = find_saved_model(model, work).absolute()
    with libraries_to(Path(os.devnull)) as console:
        with console.status("starting TensorFlow and Beam"):
            from mri.batch.shards import open_batch, run_batch
        batch = open_batch(out, files, model, shard_size, format)
        columns = (
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
            TimeRemainingColumn(),
        )  # fmt: skip
        skipped = 0
        with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
            task = progress.add_task("files", total=len(files))

            def done(count: int, there: bool) -> None:
                nonlocal skipped
                skipped += there
                progress.advance(task, count)

            rows, errors = run_batch(
                batch, files, model, out,
                batch_size=batch_size, beam_options=Config().beam, done=done,
            )  # fmt: skip
        if leftovers.count:
            console.print(f"{leftovers.count:,} files and folders that systems left passed over")
        if skipped:
            console.print(f"{skipped:,} of {batch.shards:,} shards were there already")
        console.print(
            f"{rows:,} files, {rows - errors:,} classified, {errors:,} with an error; model "
            f"{model.name}; results in {out}",
            soft_wrap=True,
            markup=False,
        )
        console.print(f"[dim]{DISCLAIMER}[/]")
    return errors < rows
