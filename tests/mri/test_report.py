import io
import json
import shutil

import numpy as np
import pytest
from commands import show_report
from predicting import probabilities, write_predictions
from registering import LABELS, RUNS, Registry
from rich.console import Console

from components.errors import PipelineError


@pytest.fixture(scope="module")
def registry(tmp_path_factory) -> Registry:
    made = Registry(tmp_path_factory.mktemp("registry") / "work")
    made.add(0)
    made.add(2)
    return made


def _said(registry, run=None, **settings) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=200, highlight=False)
    show_report(console, registry.work.root, run, **settings)
    return stream.getvalue()


def test_the_path_of_the_newest_report_or_of_a_named_one(registry, monkeypatch):
    reports = registry.work.artifacts / "Report" / "model_report"
    assert _said(registry) == f"{reports / '2' / 'index.html'}\n"
    with monkeypatch.context() as context:
        context.chdir(registry.work.root.parent)
        assert _said(registry) == "work/artifacts/Report/model_report/2/index.html\n"
    assert _said(registry, RUNS[0]) == f"{reports / '0' / 'index.html'}\n"
    with pytest.raises(PipelineError, match="No run or version"):
        _said(registry, "1999")


def test_figures_as_json(registry):
    figures = json.loads(_said(registry, as_json=True))
    assert figures["headline"]["accuracy"]["value"] == 0.9
    assert figures["headline"]["balanced_accuracy"]["value"] is None


def test_the_page_is_opened_on_request(registry, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda url: opened.append(url) or True)
    _said(registry, open_page=True)
    assert opened[0].startswith("file://")
    assert opened[0].endswith("index.html")
    monkeypatch.setattr("webbrowser.open", lambda url: False)
    with pytest.raises(PipelineError, match="by hand"):
        _said(registry, open_page=True)


def test_two_models_side_by_side(registry):
    compared = json.loads(_said(registry, compare=(RUNS[2], RUNS[0]), as_json=True))
    assert [one["run"] for one in compared["models"]] == [RUNS[2], RUNS[0]]
    right = [(probabilities(LABELS, share).argmax(1) == LABELS).mean() for share in (0.8, 0.6)]
    difference = compared["comparison"]["differences"]["accuracy"]["value"]
    assert difference == pytest.approx(np.subtract(*right))
    table = _said(registry, compare=(RUNS[2], RUNS[0]))
    for words in ("Sensitivity for tumour", "McNemar", "0.900 (0.850 to 0.950)"):
        assert words in table


def test_test_images_may_hold_copies_and_come_in_another_order(tmp_path):
    registry = Registry(tmp_path / "work")
    registry.add(0)
    registry.add(1)
    # Each image is there twice, in both tests; the second test has them the other way round.
    half = len(LABELS) // 2
    names = [f"{index % half:064x}" for index in range(len(LABELS))]
    folders = [registry.work.artifacts / f"Predictions/predictions/{number}" for number in (0, 1)]
    right = np.tile(probabilities(LABELS[:half], 0.8), (2, 1))
    write_predictions(folders[0], LABELS, right, sha256=names)
    write_predictions(folders[1], LABELS[::-1], right[::-1], sha256=names[::-1])
    compared = json.loads(_said(registry, compare=(RUNS[0], RUNS[1]), as_json=True))
    assert compared["comparison_missing"] == ""
    assert compared["comparison"]["differences"]["accuracy"]["value"] == 0
    assert compared["comparison"]["better"] == compared["comparison"]["worse"] == 0

    write_predictions(folders[1], LABELS, right, sha256=[names[1], *names[1:]])
    assert "not tested on the same images" in _said(registry, compare=(RUNS[0], RUNS[1]))


def test_images_that_one_was_trained_on_speak_for_neither(tmp_path):
    registry = Registry(tmp_path / "work")
    registry.add(0)
    registry.add(1)
    folders = [registry.work.artifacts / f"Predictions/predictions/{number}" for number in (0, 1)]
    known = np.arange(len(LABELS)) < 60
    # The first is right where it was trained on the image, and nowhere else.
    wrong = np.eye(4)[(LABELS + 1) % 4]
    memory = np.where(known[:, None], np.eye(4)[LABELS], wrong)
    write_predictions(folders[0], LABELS, memory, known_to_model=known)
    write_predictions(folders[1], LABELS, wrong)
    compared = json.loads(_said(registry, compare=(RUNS[0], RUNS[1]), as_json=True))["comparison"]
    assert compared["images"] == len(LABELS) - 60
    assert compared["differences"]["accuracy"]["value"] == 0
    said = _said(registry, compare=(RUNS[0], RUNS[1]))
    assert "60 of 80 test images match images that one of the two models was trained on" in said
    assert "for the other 20" in said

    write_predictions(folders[0], LABELS, memory, known_to_model=np.arange(len(LABELS)) < 75)
    said = _said(registry, compare=(RUNS[0], RUNS[1]))
    assert "No paired test: 75 of 80 test images" in said


def test_without_predictions_there_is_no_paired_test(tmp_path):
    registry = Registry(tmp_path / "work")
    registry.add(0)
    registry.add(1)
    shutil.rmtree(registry.work.artifacts / "Predictions" / "predictions" / "0")
    assert "the predictions of one model no longer exist" in _said(
        registry, compare=(RUNS[0], RUNS[1])
    )


def test_a_run_without_a_report_is_named(tmp_path):
    registry = Registry(tmp_path / "work")
    registry.add(0)
    shutil.rmtree(registry.work.artifacts / "Report")
    with pytest.raises(PipelineError, match=f"no report on the model of run {RUNS[0]}"):
        _said(registry)
