"""Spans that come in one after the other: a clean one passes, a bad one is stopped."""

import json
import re

import numpy as np
import pytest
from drawing import draw, encode
from toy_run import JUDGED, assert_whole, mri, node_states, run, store

CLASSES = ("glioma", "meningioma", "notumor")
SETTINGS = (
    "--set", "ingest.classes=[glioma, meningioma, notumor]",
    "--set", "gate.max_rejected_share=0.01",
)  # fmt: skip


def _span(data, number, *, classes=CLASSES, gain=1.0, broken=0.0, count=60):
    """A span of small images; `gain` darkens them, a share of them is `broken`."""
    folder = data / f"span-{number:03}"
    for index, label in enumerate(classes):
        (folder / label).mkdir(parents=True)
        for i in range(count):
            pixels = draw(100_000 * number + 1_000 * index + i)
            content = encode((pixels * gain).astype(np.uint8))
            bad = i < broken * count
            (folder / label / f"{i:03}.png").write_bytes(content[:60] if bad else content)


@pytest.fixture(scope="module")
def passed(tmp_path_factory):
    """A data folder and a work folder in which two clean spans have passed."""
    root = tmp_path_factory.mktemp("spans")
    data, work = root / "incoming", root / "work"
    _span(data, 1)
    first = run(data, work, *SETTINGS, "--to", "Gate")
    assert first.returncode == 0, first.stdout + first.stderr
    _span(data, 2)
    second = run(data, work, *SETTINGS, "--to", "Gate")
    return data, work, second


def _page(work):
    newest = max(work.glob("artifacts/Gate/verdict/*/index.html"), key=lambda p: int(p.parent.name))
    return newest.read_text(), json.loads((newest.parent / "verdict.json").read_text())


def test_a_clean_second_span_passes_and_is_compared_with_the_first(passed):
    _, work, second = passed
    assert second.returncode == 0, second.stdout + second.stderr
    assert node_states(second.stdout)["Gate"] == "done"
    page, verdict = _page(work)
    assert verdict["outcome"] in ("passed", "warned")
    assert verdict["previous"]["span"] == 1
    assert "compared with" in page.lower()


def test_after_a_clean_the_newest_run_is_still_answered_from_cache(passed):
    data, work, _ = passed
    cleaned = mri("clean", "--keep", "1", "--work", str(work))
    assert cleaned.returncode == 0, cleaned.stdout + cleaned.stderr
    assert "bytes freed" in cleaned.stdout
    assert len(list((work / "artifacts" / "Ingest" / "examples").iterdir())) == 1
    again = run(data, work, *SETTINGS, "--to", "Gate")
    assert again.returncode == 0, again.stdout + again.stderr
    states = node_states(again.stdout)
    assert [name for name in JUDGED if states[name] != "cached"] == ["PreviousData"]
    assert_whole(store(work))


def test_a_bad_span_is_stopped_with_a_page_that_says_why_and_can_be_accepted(passed):
    data, work, _ = passed
    _span(data, 3, classes=CLASSES[:2], gain=0.5, broken=0.2)
    result = run(data, work, *SETTINGS)
    assert result.returncode == 3, result.stdout + result.stderr
    assert "index.html" in result.stderr
    assert "Traceback" not in result.stdout + result.stderr
    page, verdict = _page(work)
    assert verdict["outcome"] == "stopped"
    for finding in ("drift:image/mean", "missing_class", "rejected_files"):
        assert finding in result.stderr
        assert finding in page
    assert not (work / "artifacts" / "Transform").exists()

    [told] = re.findall(r"accept the findings with (--accept-anomalies \S+)", result.stderr)
    accept = (*told.split(), "--reason", "a new scanner, checked by hand", "--to", "Gate")
    result = run(data, work, *SETTINGS, *accept)
    assert result.returncode == 0, result.stdout + result.stderr
    page, _ = _page(work)
    assert "a new scanner, checked by hand" in page


def test_accepting_needs_a_reason(tmp_path):
    (tmp_path / "data" / "a").mkdir(parents=True)
    result = run(tmp_path / "data", tmp_path / "work", "--accept-anomalies", "drift")
    assert result.returncode == 2
    assert "--reason" in result.stderr


def test_help_names_the_exit_code():
    assert "3 stopped by the data gate" in mri("run", "--help").stdout
