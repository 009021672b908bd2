"""The types of the artifacts that only ingest makes."""

from tfx import types

REJECTED_FILE = "rejected.csv"
"""The file in a `RejectedImages`."""
HISTORY = "history"
"""Property of a SplitAssignment: the folder of the one that it went on from, or nothing."""


class RejectedImages(types.Artifact):
    """Files that were found and not ingested: `rejected.csv` with a name and a reason a row."""

    TYPE_NAME = "RejectedImages"


class SplitAssignment(types.Artifact):
    """Which image is in which split: `splits.csv`.

    Beside it `history.parquet` and `compared.npz` for later ingestions, and `sides.parquet`, by
    which a model is known to have seen an image.
    """

    TYPE_NAME = "SplitAssignment"


class IngestReportFile(types.Artifact):
    """Counts, leaks and label conflicts: `report.json`, an `IngestReport`."""

    TYPE_NAME = "IngestReport"
