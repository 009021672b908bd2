"""The types of the artifacts that only ingest makes."""

from tfx import types


class RejectedImages(types.Artifact):
    """Files that were found and not ingested: `rejected.csv` with a name and a reason a row."""

    TYPE_NAME = "RejectedImages"


class SplitAssignment(types.Artifact):
    """Which image is in which split: `splits.csv`, and `history.parquet` for later ingestions."""

    TYPE_NAME = "SplitAssignment"


class IngestReportFile(types.Artifact):
    """Counts, leaks and label conflicts: `report.json`, an `IngestReport`."""

    TYPE_NAME = "IngestReport"
