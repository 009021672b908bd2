"""What ExampleValidator found, as findings of the gate."""

from collections import defaultdict
from collections.abc import Mapping

from tensorflow_metadata.proto.v0 import anomalies_pb2

from components.gate.config import GateConfig
from components.gate.verdict import Finding

_OUT_OF_RANGE = {
    anomalies_pb2.AnomalyInfo.FLOAT_TYPE_BIG_FLOAT,
    anomalies_pb2.AnomalyInfo.FLOAT_TYPE_SMALL_FLOAT,
    anomalies_pb2.AnomalyInfo.INT_TYPE_BIG_INT,
    anomalies_pb2.AnomalyInfo.INT_TYPE_SMALL_INT,
}
_DATASET = "dataset"
"""What an anomaly of no particular feature is named after."""


def check_anomalies(
    anomalies: Mapping[str, anomalies_pb2.Anomalies], config: GateConfig
) -> list[Finding]:
    """Turns TFDV's anomalies into findings.

    A value outside its range of plausibility is found by `range`: one dark image among thousands
    is worth a look, not a stop. Everything else that differs from the schema is found by `schema`.

    Args:
        anomalies: ExampleValidator's output by split.
        config: Severities.

    Returns:
        A finding for each feature and rule, over all splits.
    """
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for split, of_split in anomalies.items():
        for feature, info in of_split.anomaly_info.items():
            types = {reason.type for reason in info.reason}
            rule = "range" if types and types <= _OUT_OF_RANGE else "schema"
            found[f"{rule}:{feature}"][split] = _sentence(info)
        if of_split.HasField("dataset_anomaly_info"):
            found[f"schema:{_DATASET}"][split] = _sentence(of_split.dataset_anomaly_info)
    return [
        config.finding(
            name,
            found=" ".join(f"{split}: {sentence}" for split, sentence in by_split.items()),
            expected="What schema.pbtxt says.",
            action="Look at what differs, and correct it; if it is right, correct the schema.",
        )
        for name, by_split in found.items()
    ]


def _sentence(info: anomalies_pb2.AnomalyInfo) -> str:
    text = str(info.description or info.short_description).strip()
    return text if text.endswith(".") else f"{text}."
