"""The type of the artifact that only the gate makes."""

from tfx import types


class GateVerdict(types.Artifact):
    """`verdict.json`, a `DataVerdict`, and `index.html`, the same as a page.

    Custom properties: `outcome`, `stops` and `warnings` (counts), `accepted` (names), `source` and
    `fingerprint` of the data, and `statistics_id` and `report_id`, the artifacts that were judged.
    """

    TYPE_NAME = "GateVerdict"
