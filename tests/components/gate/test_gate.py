import pytest
from counting import images_with, report
from gating import heads, judge

from components.gate.config import GateConfig

BEFORE = (report(span=1, fingerprint="before"), heads(60, 2))


def _darker(pixels):
    return pixels * 0.7


def test_a_clean_second_span_passes_and_is_compared_with_the_first(tmp_path):
    verdict, _ = judge(tmp_path, report(), heads(60, 1), BEFORE)
    assert verdict.outcome == "passed"
    assert verdict.findings == ()
    assert (verdict.previous.source, verdict.previous.span) == ("incoming", 1)
    assert {distance.feature for distance in verdict.distances} >= {"image/mean", "image/label"}


@pytest.mark.parametrize(
    ("counts", "change", "name"),
    [
        (report(), _darker, "drift:image/std"),
        (report(images=images_with("train", "notumor", 0)), None, "missing_class"),
        (report(found=300, ingested=240, rejected=60), None, "rejected_files"),
    ],
)
def test_bad_data_stop_and_raise_nothing(tmp_path, counts, change, name):
    images = heads(60, 1, change) if change else heads(60, 1)
    verdict, _ = judge(tmp_path, counts, images, BEFORE)
    assert verdict.outcome == "stopped"
    assert name in verdict.named("stop")


def test_what_is_accepted_lets_the_data_pass_and_is_written_down(tmp_path):
    verdict, artifact = judge(
        tmp_path,
        report(),
        heads(60, 1, _darker),
        BEFORE,
        accepted=["drift", "leak"],
        reason="new scanner",
    )
    assert verdict.outcome == "warned"
    assert verdict.reason == "new scanner"
    assert all(finding.accepted for finding in verdict.findings)
    assert "drift:image/std" in artifact.get_string_custom_property("accepted")
    assert "leak" not in artifact.get_string_custom_property("accepted")


def test_anomalies_of_every_split_are_judged(tmp_path):
    verdict, _ = judge(tmp_path, report(), heads(60, 1), format=b"AVIF")
    [finding] = verdict.findings
    assert finding.name == "schema:image/format"
    assert all(f"{split}: " in finding.found for split in ("train", "eval", "test"))


def test_a_later_run_is_told_what_was_judged(tmp_path):
    _, artifact = judge(
        tmp_path, report(label_conflicts=1, rejected=30), heads(60, 1), config=GateConfig()
    )
    texts = {name: artifact.get_string_custom_property(name) for name in ("outcome", "source")}
    assert texts == {"outcome": "stopped", "source": "incoming"}
    assert artifact.get_string_custom_property("fingerprint") == "now"
    numbers = ("stops", "warnings", "statistics_id", "report_id")
    assert [artifact.get_int_custom_property(name) for name in numbers] == [1, 1, 11, 12]
