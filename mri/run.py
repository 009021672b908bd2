"""`mri run`: data, run, summary."""

import errno
import logging
from contextlib import ExitStack, nullcontext
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from components.bucket import is_uri
from components.errors import PipelineError, UsageError
from components.ingest.bucket_data import lend_data
from components.ingest.folder import list_data
from components.signature import Signer
from components.trainer.config import ModelConfig
from components.trainer.weights.vgg16 import progress_bar, resolve_weights
from mri.options import Metadata, WorkFolder, spread
from mri.run_flags import Data, Labels, RunFlags, Span
from mri.summary import Summary
from mri.terminal import libraries_to
from pipeline.classes import check_classes
from pipeline.config import Config, tuned_settings
from pipeline.exit_code import ExitCode
from pipeline.local_runner import run_locally
from pipeline.metadata import open_records
from pipeline.partial_run import check_ends
from pipeline.sample import ensure_sample
from pipeline.tracking.sending import is_tracked, track, tracking_uri
from pipeline.work import LOG_FILE, Work

app = typer.Typer(add_completion=False)

_LOG = logging.getLogger(__name__)


@app.command(
    epilog="Examples:\n\n"
    "  mri run\n\n"
    "  mri run --data brain-tumor-mri --preset notebook --set train.epochs=8\n\n"
    "  mri run --data incoming --span 7\n\n"
    "  mri run --data s3://hospital/scans\n\n"
    "  mri run --data scans --labels labels.csv\n\n"
    "  mri run --from Trainer\n\n"
    "  mri run --data brain-tumor-mri --tune --set tune.trials=12\n\n"
    "  mri run --accept-anomalies drift:image/mean --reason 'new scanner, checked by hand'\n\n"
    "Exit codes: 0 done, 1 failed, 2 usage, 3 stopped by the data gate, 4 not blessed."
)
@spread
def run(
    flags: RunFlags,
    data: Data = None,
    span: Span = None,
    labels: Labels = None,
    work: WorkFolder = Path("work"),
    metadata: Metadata = None,
    from_nodes: Annotated[
        list[str] | None, typer.Option("--from", metavar="NODE", help="Start at this node.")
    ] = None,
    to_nodes: Annotated[
        list[str] | None, typer.Option("--to", metavar="NODE", help="Stop after this node.")
    ] = None,
    hyperparameters: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Use the hyperparameters that an earlier --tune found."
        ),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait while another command is using the work folder.")
    ] = False,
) -> None:
    """Run the pipeline: ingest, validate, train, evaluate and push.

    Without --data it makes and uses a [bold]synthetic[/] sample. A node that has run before on the
    same inputs is answered from cache.
    """
    tuned = tuned_settings(hyperparameters) if hyperparameters else ()
    blessed = run_pipeline(
        flags.config(data=data, span=span, labels=labels, tuned=tuned),
        work.absolute(),
        metadata_url=metadata,
        from_nodes=tuple(from_nodes or ()),
        to_nodes=tuple(to_nodes or ()),
        wait=wait,
    )
    if blessed is False:
        raise typer.Exit(ExitCode.NOT_BLESSED)


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
    check_ends(from_nodes, to_nodes)
    # What is wrong with these is said before anything is trained.
    Signer.from_environment()
    uri = tracking_uri(config.tracking_uri)
    work = Work(root)
    with work.exclusively(typer.echo if wait else None):
        run = work.new_run()
        log_file = run / LOG_FILE
        with libraries_to(log_file) as console, ExitStack() as stack:
            try:
                if config.data is None:
                    ensure_sample(work.sample, console, **config.sample.model_dump(), in_work=True)
                data = config.data or work.sample
                if isinstance(data, Path):
                    data = data.absolute()
                with console.status(f"fetching {data}") if is_uri(data) else nullcontext():
                    folder = stack.enter_context(lend_data(data))
                # What can be known to be wrong is better known before TFX starts.
                check_classes(config, list_data(folder, config.ingest))
                work.lend_patient_salt()
                _fetch_weights(config.model, console)
                show = partial(_show, work, metadata_url, uri, console)
                try:
                    result = run_locally(
                        config.model_copy(update={"data": data}),
                        work,
                        run,
                        console,
                        metadata_url=metadata_url,
                        from_nodes=from_nodes,
                        to_nodes=to_nodes,
                    )
                except PipelineError:
                    show()
                    raise
                summary = Summary(result, log_file)
                summary.print(console)
                show()
            except PipelineError:
                raise
            except Exception as error:
                _LOG.exception("the run failed")
                raise PipelineError(_explain(error, work, log_file)) from error
    return summary.blessed


def _show(work: Work, metadata_url: str | None, uri: str | None, console: Console) -> None:
    """Lets an MLflow server show the run, if one is named."""
    if uri is None and not is_tracked(work):
        return
    say = partial(console.print, soft_wrap=True, markup=False)
    try:
        store = open_records(metadata_url, work)
    except UsageError:  # not a single node has begun
        return
    except PipelineError as error:
        say(f"the run is not shown in MLflow: {error}")
        return
    track(store, work, uri, say)


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
            f"The disk that holds {work.root} is full: free some space; the next run continues "
            "from what is complete."
        )
    reason = (str(error).strip().splitlines() or [""])[0][:300]
    if isinstance(error, OSError) and error.strerror:
        reason = f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return f"{type(error).__name__}: {reason}\nThe log has the details: {log_file}"
