"""`mri run`: data, run, summary."""

import errno
import logging
from functools import partial
from pathlib import Path

from rich.console import Console

from components.errors import PipelineError
from components.ingest.folder import list_images
from components.ingest.labels import read_labels
from components.trainer.config import ModelConfig
from components.trainer.weights.vgg16 import progress_bar, resolve_weights
from pipeline.config import Config
from pipeline.sample import ensure_sample
from pipeline.terminal import libraries_to
from pipeline.work import LOG_FILE, Work

_LOG = logging.getLogger(__name__)


def run_pipeline(
    config: Config,
    root: Path,
    *,
    metadata_url: str | None = None,
    from_nodes: tuple[str, ...] = (),
    to_nodes: tuple[str, ...] = (),
    wait: bool = False,
) -> bool | None:
    """Runs the pipeline in a work folder and prints what came of it.

    Args:
        config: The configuration; without `data` the synthetic sample is made.
        root: The work folder.
        metadata_url: PostgreSQL for ML Metadata, or None.
        from_nodes: Start here.
        to_nodes: Stop after these.
        wait: Whether another run in the folder is waited for, rather than refused beside.

    Returns:
        Whether the model was blessed, and can be served; None where the run did not go so far.

    Raises:
        PipelineError: It cannot go on.
    """
    work = Work(root)
    say = partial(Console(highlight=False, emoji=False).print, markup=False, soft_wrap=True)
    with work.exclusively(say if wait else None):
        run = work.new_run()
        log_file = run / LOG_FILE
        with libraries_to(log_file) as console:
            try:
                data = config.data.absolute() if config.data else work.sample
                if config.data is None:
                    ensure_sample(work.sample, console, **config.sample.model_dump())
                # What can be known to be wrong is better known before TFX starts.
                list_images(
                    data,
                    span=config.ingest.span,
                    window=config.ingest.window,
                    labels=read_labels(config.ingest.labels, config.ingest.classes),
                )
                work.lend_patient_salt()
                _fetch_weights(config.model, console)
                with console.status("starting TensorFlow and TFX"):
                    from pipeline.local_runner import run_locally
                    from pipeline.summary import Summary
                result = run_locally(
                    config.model_copy(update={"data": data}),
                    work,
                    run,
                    console,
                    metadata_url=metadata_url,
                    from_nodes=from_nodes,
                    to_nodes=to_nodes,
                )
                summary = Summary.of(result, log_file)
            except PipelineError:
                raise
            except Exception as error:
                _LOG.exception("the run failed")
                raise PipelineError(_explain(error, work, log_file)) from error
            summary.print(console)
    return summary.blessed


def _fetch_weights(config: ModelConfig, console: Console) -> None:
    """Brings VGG16's weights to this machine, unless they are here or not wanted."""
    if config.weights == "random":
        return
    with progress_bar(console) as progress:
        resolve_weights(
            None if config.weights == "imagenet" else Path(config.weights), progress=progress
        )


def _explain(error: Exception, work: Work, log_file: Path) -> str:
    """The first line of an unexpected error, and where the rest is."""
    no_space = isinstance(error, OSError) and error.errno == errno.ENOSPC
    if no_space or "disk is full" in str(error) or "No space left" in str(error):
        return (
            f"The disk that holds {work.root} is full: free some space, and the next run goes on "
            "from what is whole."
        )
    reason = (str(error).strip().splitlines() or [""])[0][:300]
    if isinstance(error, OSError) and error.strerror:
        reason = f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return f"{type(error).__name__}: {reason}\nThe log has the details: {log_file}"
