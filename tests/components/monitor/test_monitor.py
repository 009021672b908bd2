import re
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fitting import SCREENS, misfits
from prometheus_client.parser import text_string_to_metric_families
from traffic import START, log_requests, measured, training_statistics

from components.errors import PipelineError
from components.monitor.compare import compare, window_statistics
from components.monitor.page import render
from components.monitor.textfile import render_metrics
from components.monitor.window import read_window
from components.reasons import CUT_BLACK, OTHER, UNSURE

pytestmark = pytest.mark.long

LABELS = ("glioma", "notumor")


def _table(count: int, seed: int = 0, **shift: float) -> pd.DataFrame:
    """Features as if of that many images, some of them shifted."""
    random = np.random.default_rng(seed)
    centres = {"mean": 50, "std": 40, "foreground": 0.6, "aspect": 1, "sharpness": 30,
               "border": 0.2}  # fmt: skip
    columns = {
        name: random.normal(centre * shift.get(name, 1), centre / 8, count)
        for name, centre in centres.items()
    }
    return pd.DataFrame({**columns, "label": random.choice(LABELS, count)})


@pytest.fixture(scope="module")
def training():
    return training_statistics(_table(2000))


@pytest.mark.parametrize(("count", "shift", "drifted"), [
    (300, {}, ()),
    (300, {"mean": 1.5, "std": 1.5}, ("image/mean", "image/std")),
    (5, {"mean": 3.0}, ()),
])  # fmt: skip
def test_drift_is_named_and_a_handful_of_requests_is_none(
    training, tmp_path, count, shift, drifted
):
    log = log_requests(tmp_path, _table(count, seed=1, **shift))
    report = compare(read_window(log, None), training)
    assert report.drifted == drifted
    assert report.outcome == ("drift" if drifted else "no drift")
    assert (report.images, report.training_images) == (count, 2000)
    assert (report.model, report.version) == ("brain_mri", 1)
    assert (report.first, report.last) == (START, START + timedelta(seconds=count - 1))


def test_answers_of_one_class_are_told_and_decide_nothing(training, tmp_path):
    log = log_requests(tmp_path, _table(300, seed=1).assign(label="glioma"))
    report = compare(read_window(log, None), training)
    assert report.drifted == ("image/label",)
    assert report.outcome == "no drift"
    assert report.labels == {"glioma": 1.0}


def test_a_window_is_of_a_time(training, tmp_path):
    log_requests(tmp_path, _table(100, seed=1))
    log_requests(tmp_path, _table(50, seed=2), version=2, start=START + timedelta(hours=1))
    assert len(read_window(tmp_path, None)) == 150
    assert len(read_window(tmp_path, START + timedelta(minutes=30))) == 50
    (tmp_path / ".unfinished.parquet").write_bytes(b"half")
    assert len(read_window(tmp_path, None)) == 150


def test_what_cannot_be_compared_says_why(training, tmp_path):
    with pytest.raises(PipelineError, match="There is no request log"):
        read_window(tmp_path / "none", None)
    log = log_requests(tmp_path / "log", _table(10))
    with pytest.raises(PipelineError, match="No request in .* is in the window"):
        read_window(log, START + timedelta(days=1))
    (log / "damaged.parquet").write_bytes(b"PAR1 half a file")
    with pytest.raises(PipelineError, match="cannot be read"):
        read_window(log, None)
    pd.DataFrame({"time": [START]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(PipelineError, match="has no column model, version"):
        read_window(tmp_path, None)


def test_images_that_could_not_be_measured_do_no_harm(training, tmp_path):
    table = _table(300, seed=1)
    table.loc[::7, ["mean", "std", "foreground", "aspect", "sharpness", "border"]] = None
    report = compare(read_window(log_requests(tmp_path, table), None), training)
    assert report.outcome == "no drift"


def test_statistics_of_something_else_are_refused(tmp_path):
    other = training_statistics(_table(20).assign(label="one"))
    window = read_window(log_requests(tmp_path, _table(10)), None)
    with pytest.raises(PipelineError, match="have no classes"):
        compare(window, other)


def test_metrics_and_page_say_what_the_report_says(training, tmp_path):
    hostile = "<script>alert(1)</script>"
    table = _table(300, seed=1, std=2.0)
    table.loc[0, "label"] = hostile
    window = read_window(log_requests(tmp_path, table), None)
    report = compare(window, training)
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(render_metrics(report))
        for sample in family.samples
    }
    assert samples["mri_monitor_drift",] == 1
    assert samples["mri_monitor_images",] == 300
    assert (
        samples["mri_monitor_divergence", "image/std"]
        > samples["mri_monitor_divergence_allowed", "image/std"]
    )
    assert samples["mri_monitor_out_of_distribution_share",] == pytest.approx(0.1)
    assert samples["mri_monitor_label_share", hostile] == pytest.approx(1 / 300)
    page = render(report, window_statistics(window), training)
    assert "<strong>Drift</strong>" in page
    assert "in <code>image/std</code>." in re.sub(r"\s+", " ", page)
    assert page.count("<svg") == 6
    assert "not a diagnosis" in page
    assert hostile not in page
    assert "&lt;script&gt;" in page


def test_held_out_images_are_no_drift_and_brightened_ones_are(real_images, tmp_path):
    def files(split: str, each: int) -> list[Path]:
        return [
            path
            for folder in sorted((real_images / split).iterdir())
            for path in sorted(folder.glob("*.jpg"))[:each]
        ]

    train = training_statistics(measured(files("Training", 250)))
    held_out = files("Testing", 150)
    same = log_requests(tmp_path / "same", measured(held_out))
    report = compare(read_window(same, None), train)
    assert report.outcome == "no drift", report.distances
    brighter = log_requests(tmp_path / "brighter", measured(held_out, lambda pixels: pixels * 1.4))
    report = compare(read_window(brighter, None), train)
    assert report.outcome == "drift"
    assert "image/std" in report.drifted


def test_reasons_are_counted_beside_requests_of_an_older_server(training, tmp_path):
    given = [CUT_BLACK, "", f"{CUT_BLACK}; {UNSURE}", "Jane Doe"] * 25
    log_requests(tmp_path, _table(50, seed=1))
    log_requests(tmp_path, _table(100, seed=2), reasons=given, start=START + timedelta(hours=1))
    window = read_window(tmp_path, None)
    assert len(window) == 150
    report = compare(window, training)
    assert report.reasons == {CUT_BLACK: 0.5, UNSURE: 0.25, OTHER: 0.25}
    metrics = render_metrics(report)
    assert f'mri_monitor_reason_share{{reason="{CUT_BLACK}"}} 0.5' in metrics
    shown = render(report, window_statistics(window), training)
    assert CUT_BLACK in shown
    assert "Jane" not in metrics + shown
    older = compare(read_window(log_requests(tmp_path / "old", _table(50)), None), training)
    assert older.reasons == {}


@pytest.mark.parametrize(("width", "scheme"), SCREENS)
def test_the_page_fits_every_screen(training, chromium, tmp_path, width, scheme):
    log = log_requests(tmp_path, _table(300, seed=1, mean=1.5))
    report = compare(read_window(log, None), training)
    name = "glioma_grade_four_with_contrast_enhancement"
    reasons = {UNSURE: 0.1, CUT_BLACK: 0.2}
    crowded = report.model_copy(update={"labels": {**report.labels, name: 0.1}, "reasons": reasons})
    page = tmp_path / "monitor.html"
    page.write_text(render(crowded, window_statistics(read_window(log, None)), training))
    assert misfits(chromium, page, width, scheme) == []
