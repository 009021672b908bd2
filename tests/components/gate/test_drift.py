from functools import cache

import numpy as np
import pytest
from counting import CLASSES, report
from gating import heads, statistics_of

from components.gate.config import GateConfig
from components.gate.drift import check_drift, measure_drift
from components.schema_gen.curated import curated_schema

pytestmark = pytest.mark.long

CONFIG = GateConfig()
BEFORE = report(span=1, fingerprint="before")
COMPARED = {"mean", "std", "foreground", "aspect", "sharpness", "border", "label"}

CHANGES = {
    "darker": lambda pixels: pixels * 0.7,
    "brighter": lambda pixels: pixels * 1.3,
    "gamma": lambda pixels: 255 * (pixels / 255) ** 1.6,
    "less contrast": lambda pixels: (pixels - pixels.mean()) * 0.6 + pixels.mean(),
}


@cache
def _heads(count, seed, change=None):
    """Statistics of drawn images."""
    return statistics_of(heads(count, seed, *([CHANGES[change]] if change else [])))


def _drift(now, before, config=CONFIG, previous=BEFORE):
    distances = measure_drift(now, before, curated_schema(CLASSES), config)
    findings = check_drift(distances, report(), previous, config)
    return distances, {finding.name: finding for finding in findings}


@pytest.mark.parametrize("count", [8, 60, 240])
def test_other_images_of_the_same_kind_pass_however_few_they_are(count):
    for seed in (1, 3, 4):
        _, found = _drift(_heads(count, seed), _heads(count, 2))
        assert found == {}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_intensity_distribution_stops(change):
    _, found = _drift(_heads(60, 1, change), _heads(60, 2))
    assert "drift:image/std" in found
    assert {finding.severity for finding in found.values()} == {"stop"}


def test_a_finding_says_what_was_and_what_is():
    distances, found = _drift(_heads(60, 1, "darker"), _heads(60, 2))
    assert {distance.feature for distance in distances} == {f"image/{name}" for name in COMPARED}
    finding = found["drift:image/mean"]
    assert "incoming, span 1" in finding.found
    assert finding.figures["mean"] == pytest.approx(
        0.7 * finding.figures["previous_mean"], rel=0.05
    )
    assert finding.figures["value"] > finding.figures["allowed"]


def test_a_changed_mix_of_classes_stops():
    images = heads(200, 1)
    skewed = (*["glioma"] * 9, "notumor")
    now, before = statistics_of(images, skewed), statistics_of(images, CLASSES)
    distances = measure_drift(now, before, curated_schema(CLASSES), CONFIG)
    [finding] = check_drift(distances, report(), BEFORE, CONFIG)
    assert (finding.name, finding.severity) == ("drift:image/label", "stop")


def test_fewer_images_may_lie_farther():
    def allowed(count):
        distances, _ = _drift(_heads(count, 1), _heads(240, 2))
        return {distance.feature: distance.allowed for distance in distances}["image/std"]

    assert allowed(8) == pytest.approx(0.1 + 6 * (1 / 8 + 1 / 240))
    assert allowed(240) == pytest.approx(0.1 + 6 * (1 / 240 + 1 / 240))


@pytest.mark.parametrize(
    "previous", [report(source="elsewhere"), report(classes=("glioma", "notumor", "pituitary"))]
)
def test_data_of_another_folder_or_other_classes_only_warn(previous):
    darker, before = _heads(60, 1, "darker"), _heads(60, 2)
    _, found = _drift(darker, before, previous=previous)
    assert {finding.severity for finding in found.values()} == {"warn"}
    strict = GateConfig(severity={"drift": "stop"})
    _, found = _drift(darker, before, strict, previous=previous)
    assert {finding.severity for finding in found.values()} == {"stop"}


def test_constant_features_are_compared_too():
    square, wide = (
        statistics_of([np.full((40, width, 3), 90, np.uint8)] * 60) for width in (40, 60)
    )
    assert _drift(square, square)[1] == {}
    assert "drift:image/aspect" in _drift(wide, square)[1]
