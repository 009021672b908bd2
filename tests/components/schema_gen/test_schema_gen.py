import json

import pytest
from gating import heads, statistics_of
from tfx.types import standard_artifacts
from tfx.utils import io_utils

from components.schema_gen.component import SchemaGen
from components.schema_gen.curated import curated_schema

FIVE = ("glioma", "meningioma", "metástasis", "notumor", "pituitary")


def _write(folder, classes):
    schema = standard_artifacts.Schema()
    schema.uri = str(folder)
    SchemaGen.test_call(schema=schema, classes=json.dumps(classes), code="")
    return io_utils.SchemaReader().read(io_utils.get_only_uri_in_dir(schema.uri))


def _feature(schema, name):
    [found] = [feature for feature in schema.feature if feature.name == name]
    return found


@pytest.mark.parametrize("classes", [("a", "b"), FIVE])
def test_the_classes_are_those_that_are_configured(tmp_path, classes):
    schema = _write(tmp_path, classes)
    assert tuple(_feature(schema, "image/label").string_domain.value) == classes
    assert _feature(schema, "image/class").int_domain.min == 0
    assert _feature(schema, "image/class").int_domain.max == len(classes) - 1


def test_all_else_is_as_it_was_curated(tmp_path):
    written, curated = _write(tmp_path, ("a", "b")), curated_schema(("c", "d", "e"))
    for schema in (written, curated):
        _feature(schema, "image/label").string_domain.Clear()
        _feature(schema, "image/class").int_domain.Clear()
    assert written == curated


def test_a_fifth_class_is_in_order_only_where_it_is_configured(tmp_path):
    import tensorflow_data_validation as tfdv

    statistics = statistics_of(heads(50, 1), FIVE)
    assert not tfdv.validate_statistics(statistics, _write(tmp_path, FIVE)).anomaly_info
    anomalies = tfdv.validate_statistics(statistics, curated_schema(FIVE[:4]))
    assert set(anomalies.anomaly_info) == {"image/label", "image/class"}
