"""Thresholds that make no sense are refused before anything runs."""

import pytest
from pydantic import ValidationError

from components.evaluate.config import Threshold


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"metric": "accuracy"}, "threshold on accuracy needs min, max or max_drop"),
        ({"metric": "accuracy", "min": 0.5, "of": "glioma"}, "accuracy is not a metric of one"),
        ({"metric": "accuracy", "min": 0.5, "slice": "seen"}, "'seen' is not FEATURE=VALUE"),
        ({"metric": "accuracy", "min": 0.5, "slice": "seen="}, "'seen=' is not FEATURE=VALUE"),
        ({"metric": "accuracy", "min": 0.5, "slice": "nurse=x"}, "features: .*seen"),
        ({"metric": "beauty", "min": 0.5}, "metric"),
        ({"metric": "accuracy", "max_drop": -0.1}, "max_drop"),
        ({"metric": "accuracy", "min": "high"}, "min"),
        ({"metric": "accuracy", "min": 0.5, "least": 0.5}, "least"),
    ],
)
def test_a_threshold_that_makes_no_sense(given, said):
    with pytest.raises(ValidationError, match=said):
        Threshold(**given)


def test_a_threshold_on_one_class_in_one_slice():
    threshold = Threshold(metric="recall", of="glioma", slice="seen=novel", min=0.5)
    assert (threshold.of, threshold.slice, threshold.max) == ("glioma", "seen=novel", None)
