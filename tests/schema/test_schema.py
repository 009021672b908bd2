import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_data_validation as tfdv
from drawing import encode
from gating import heads
from surveys import record
from tensorflow_data_validation.statistics.stats_impl import generate_statistics_in_memory
from tensorflow_transform.tf_metadata import schema_utils
from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

from components.schema_gen.curated import curated_schema
from imaging.picture import TechnicalTags
from imaging.quality import measure
from schema.statistics import statistics_options

pytestmark = pytest.mark.long

CLASSES = ("glioma", "notumor")
SCHEMA = curated_schema(CLASSES)
README = Path(__file__).parents[2] / "schema" / "README.md"
TAGS = TechnicalTags("MR", "axial", 0.9, 5.0, 1.5, "Scanner 3000", "0" * 32)


def _examples(count: int, tags: TechnicalTags | None = None, encoded: bytes | None = None):
    """Examples as ingest writes them."""
    made = []
    for index, pixels in enumerate(heads(count, 1)):
        described = replace(
            record(f"{index}", CLASSES[index % 2]),
            height=pixels.shape[0],
            width=pixels.shape[1],
            channels=3,
            quality=measure(pixels),
            **({"tags": tags} if tags else {}),
        )
        made.append(
            described.to_example(
                encoded or encode(pixels),
                class_index=index % 2,
                source="images",
                group=f"{index}",
                seen=False,
            )
        )
    return made


def _statistics(examples):
    """As StatisticsGen computes them, but without Beam."""
    options = statistics_options()
    options.schema = SCHEMA
    batch = ExamplesToRecordBatchDecoder().DecodeBatch([e.SerializeToString() for e in examples])
    return generate_statistics_in_memory(batch, options)


def _anomalies(examples):
    found = tfdv.validate_statistics(_statistics(examples), SCHEMA)
    return {name: info.short_description for name, info in found.anomaly_info.items()}


@pytest.mark.parametrize("tags", [None, TAGS])
def test_what_ingest_writes_is_in_order(tags):
    assert _anomalies(_examples(110, tags)) == {}


def test_the_schema_knows_every_feature_that_ingest_writes():
    [example] = _examples(1, TAGS)
    known = {feature.name for feature in SCHEMA.feature}
    assert set(example.features.feature) == known | {"image/filename"}


def test_names_of_files_stay_out_of_statistics():
    examples = _examples(3, None)
    names = [one.features.feature["image/filename"].bytes_list.value[0] for one in examples]
    found = _statistics(examples).SerializeToString()
    assert all(names)
    assert not any(name in found for name in names)
    assert b"image/filename" not in found


@pytest.mark.parametrize("tags", [None, TAGS])
def test_transform_can_parse_examples_with_and_without_tags(tags):
    spec = schema_utils.schema_as_feature_spec(SCHEMA).feature_spec
    parsed = tf.io.parse_example([e.SerializeToString() for e in _examples(2, tags)], spec)
    assert parsed["image/encoded"].shape == (2, 1)
    spacing = tf.sparse.to_dense(parsed["image/pixel_spacing"]).numpy()
    np.testing.assert_allclose(spacing, [[0.9], [0.9]] if tags else np.zeros((2, 0)))


def test_only_a_request_for_a_prediction_may_lack_label_and_class():
    examples = _examples(4)
    for example in examples:
        del example.features.feature["image/label"], example.features.feature["image/class"]
    statistics = _statistics(examples)
    assert not tfdv.validate_statistics(statistics, SCHEMA, "SERVING").anomaly_info
    for environment in ("TRAINING", None):
        missing = tfdv.validate_statistics(statistics, SCHEMA, environment).anomaly_info
        assert set(missing) == {"image/label", "image/class"}


@pytest.mark.parametrize("bad", [b"", b"\xff\xd8\xff cut off"])
def test_images_that_cannot_be_decoded_do_not_fail_the_statistics(bad):
    examples = _examples(110)
    for example in examples[:40]:
        example.features.feature["image/encoded"].bytes_list.value[0] = bad
    [encoded] = [
        feature
        for feature in _statistics(examples).datasets[0].features
        if feature.path.step == ["image/encoded"]
    ]
    assert encoded.bytes_stats.common_stats.num_non_missing == 110


def test_bytes_that_are_no_image_are_an_anomaly():
    examples = _examples(110)
    examples[0].features.feature["image/encoded"].bytes_list.value[0] = b"hello"
    assert set(_anomalies(examples)) == {"image/encoded"}


def test_every_number_that_describes_a_picture_is_watched_for_drift_and_skew():
    for feature in SCHEMA.feature:
        watched = feature.name in {f"image/{name}" for name in measure(heads(1, 1)[0]).__dict__}
        drift = feature.drift_comparator.jensen_shannon_divergence
        skew = feature.skew_comparator.jensen_shannon_divergence
        assert (skew.threshold > 0) == watched
        assert (drift.threshold > 0) == (watched or feature.name == "image/label")
        assert not watched or skew == drift


def test_the_readme_quotes_the_ranges_and_thresholds():
    quoted = {
        name: [cell.strip() for cell in line.split("|")]
        for line in README.read_text(encoding="utf-8").splitlines()
        if line.startswith("| `image/")
        for name in re.findall(r"`(image/\w+)`", line)
    }
    for feature in SCHEMA.feature:
        if threshold := feature.drift_comparator.jensen_shannon_divergence.threshold:
            assert f"{threshold:.2f}" in quoted[feature.name], feature.name
        domain = feature.float_domain if feature.HasField("float_domain") else feature.int_domain
        if domain.max and not getattr(domain, "is_categorical", False):
            assert f"{domain.min:g} to {domain.max:g}" in quoted[feature.name], feature.name
