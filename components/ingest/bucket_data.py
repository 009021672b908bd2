"""Data that lie in a bucket: a folder of this machine has them for the time of a run."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.bucket import BucketFolder, is_uri
from components.errors import PipelineError, UsageError
from components.ingest.config import DATA_COPY_VARIABLE
from components.whole_file import writing_in


@contextmanager
def lend_data(data: Path | str) -> Iterator[Path]:
    """Gives data a folder on this machine, and tells ingest where that is.

    What is fetched is as it is in the bucket, names of patients that files hold included, so only
    the owner can read it, and it is removed at the end.

    Args:
        data: A folder, or `s3://BUCKET/FOLDER`.

    Yields:
        The folder; that of a bucket has the same name.

    Raises:
        BucketError: The bucket cannot be read, or holds nothing there.
        PipelineError: This machine has no room for a copy.
    """
    if not is_uri(data):
        yield Path(data)
        return
    bucket = BucketFolder.of(str(data))
    found = bucket.objects()
    if not found:
        raise UsageError(f"{bucket} holds no objects; --data takes a folder of class folders.")
    with (
        tempfile.TemporaryDirectory(prefix="mri-data-", ignore_cleanup_errors=True) as made,
        writing_in(Path(made)),
    ):
        copy = Path(made, bucket.name)
        copy.mkdir()
        try:
            bucket.fetch(found, copy, f"fetching {bucket}")
        except OSError as error:
            raise PipelineError(
                f"{bucket} cannot be copied to {made} ({error.strerror}): "
                f"{sum(one.size for one in found):,} bytes are needed there."
            ) from error
        os.environ[DATA_COPY_VARIABLE] = str(copy)
        try:
            yield copy
        finally:
            del os.environ[DATA_COPY_VARIABLE]


def data_folder(data: Path | str) -> Path:
    """Where data are on this machine.

    Args:
        data: A folder, or `s3://BUCKET/FOLDER`.

    Returns:
        The folder, or what `lend_data` has made of a bucket.

    Raises:
        PipelineError: Nobody has fetched them.
    """
    if not is_uri(data):
        return Path(data)
    if not (copy := os.environ.get(DATA_COPY_VARIABLE)):
        raise PipelineError(
            f"{data} was not fetched: ingest reads a bucket in `mri run` and in a task on Kubeflow."
        )
    return Path(copy)
