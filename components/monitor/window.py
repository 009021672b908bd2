"""A window of the server's request log."""

from datetime import datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

from components.errors import PipelineError, UsageError

FEATURES = ("mean", "std", "foreground", "aspect", "sharpness", "border")
"""Columns that describe an image, as `imaging.quality` measures it."""
REASONS = "reasons"
"""Column of why a person must decide; servers of before have not logged it."""
_COLUMNS = (
    "time", "model", "version", "label", "confidence", "in_distribution", "latency_ms", *FEATURES,
)  # fmt: skip


def read_window(folder: Path, since: datetime | None) -> pd.DataFrame:
    """Reads the logged requests.

    Args:
        folder: Where the server logs, Parquet files.
        since: Requests before are left out; None: from the first.

    Returns:
        A row an image: `time`, `model`, `version`, `label`, `confidence`, `in_distribution`,
        `reasons`, `latency_ms`, and the image's features.

    Raises:
        PipelineError: There is no log, it cannot be read, or no request is in the window.
    """
    files = sorted(str(path) for path in folder.glob("*.parquet") if path.name[0] not in "._")
    if not files:
        raise UsageError(
            f"There is no request log in {folder}: give the folder that the server was started "
            "with, --request_log_dir."
        )
    try:
        log = ds.dataset(files)
        if missing := [name for name in _COLUMNS if name not in log.schema.names]:
            raise UsageError(f"The request log in {folder} has no column {', '.join(missing)}.")
        if REASONS not in log.schema.names:  # in the first file; others may have it
            log = log.replace_schema(log.schema.append(pa.field(REASONS, pa.string())))
        kind = pa.timestamp("us", "UTC")
        wanted = None if since is None else ds.field("time") >= pa.scalar(since, kind)
        rows = log.to_table(columns=[*_COLUMNS, REASONS], filter=wanted)
    except (OSError, pa.ArrowException) as error:
        raise PipelineError(
            f"The request log in {folder} cannot be read: {str(error).splitlines()[0]}"
        ) from error
    if not rows.num_rows:
        raise PipelineError(
            f"No request in {folder} is in the window: choose a longer one with --since."
        )
    table: pd.DataFrame = rows.to_pandas()
    return table


def one_version(window: pd.DataFrame, model: str | None, version: int | None) -> pd.DataFrame:
    """Chooses what one version of one model answered: only that can be compared.

    Args:
        window: What `read_window` gave.
        model: The model's name; None for the only one.
        version: Its version; None for the newest in the window.

    Returns:
        The rows.

    Raises:
        PipelineError: Several models are in the window and none is named, or nothing is of it.
    """
    names = sorted(set(window["model"]))
    if model is None and len(names) > 1:
        raise UsageError(
            f"The window holds requests to several models, {' and '.join(names)}: say which with "
            "--model."
        )
    named = window[window["model"] == (names[0] if model is None else model)]
    chosen: pd.DataFrame = named[
        named["version"] == (named["version"].max() if version is None else version)
    ]
    if chosen.empty:
        asked = f"version {version} of {model or names[0]}" if version is not None else model
        versions = sorted(set(window["model"] + " " + window["version"].astype(str)))
        raise UsageError(
            f"The window holds no request to {asked}; it holds requests to {', '.join(versions)}."
        )
    return chosen
