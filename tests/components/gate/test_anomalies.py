import pytest
import tensorflow_data_validation as tfdv
from counting import CLASSES
from gating import heads, statistics_of
from tensorflow_metadata.proto.v0 import statistics_pb2

from components.gate.anomalies import check_anomalies
from components.gate.config import GateConfig
from components.schema_gen.curated import curated_schema

CONFIG = GateConfig()


def _found(config=CONFIG, **columns):
    statistics = statistics_of(heads(20, 1), **columns)
    anomalies = tfdv.validate_statistics(statistics, curated_schema(CLASSES))
    return check_anomalies({"train": anomalies}, config)


def test_nothing_is_found_where_data_are_as_the_schema_says():
    assert _found() == []


@pytest.mark.parametrize(
    ("feature", "value"),
    [
        ("format", b"AVIF"),
        ("label", b"<script>alert(1)</script>"),
        ("plane", b"oblique"),
        ("mean", float("nan")),
        ("height", 1.5),
    ],
)
def test_what_is_of_another_kind_stops(feature, value):
    [finding] = _found(**{feature: value})
    assert (finding.name, finding.severity) == (f"schema:image/{feature}", "stop")
    assert finding.found.startswith("train: ")
    assert finding.found.endswith(".")


@pytest.mark.parametrize(("feature", "value"), [("mean", 1.0), ("std", 1.0), ("height", 20_000)])
def test_a_value_that_is_hard_to_believe_warns(feature, value):
    [finding] = _found(**{feature: value})
    assert (finding.name, finding.severity) == (f"range:image/{feature}", "warn")


def test_severity_can_be_chosen_for_one_feature():
    config = GateConfig(severity={"range:image/mean": "stop", "range": "pass"})
    assert {f.name: f.severity for f in _found(config, mean=1.0, std=1.0)} == {
        "range:image/mean": "stop",
        "range:image/std": "pass",
    }


def test_one_feature_is_one_finding_over_all_splits():
    statistics = statistics_of(heads(20, 1), format=b"AVIF")
    anomalies = tfdv.validate_statistics(statistics, curated_schema(CLASSES))
    [finding] = check_anomalies({"train": anomalies, "test": anomalies}, CONFIG)
    assert "train: " in finding.found
    assert "test: " in finding.found


def test_an_empty_split_is_not_reported_feature_by_feature():
    empty = statistics_pb2.DatasetFeatureStatisticsList()
    empty.datasets.add()
    anomalies = tfdv.validate_statistics(empty, curated_schema(CLASSES))
    assert check_anomalies({"eval": anomalies}, CONFIG) == []
