"""A model that was trained on later test images does not win by remembering them."""

import json
from pathlib import Path

import pytest
from drawing import draw, encode
from toy_run import newest, run

CLASSES = ("glioma", "notumor")


def _span(root: Path, number: int, first: int) -> Path:
    span = root / f"span-{number:03}"
    for place, label in enumerate(CLASSES):
        for side, count in (("Training", 20), ("Testing", 6)):
            folder = span / side / label
            folder.mkdir(parents=True)
            for index in range(count):
                seed = first + 100 * place + 50 * (side == "Testing") + index
                (folder / f"{index:02}.png").write_bytes(encode(draw(seed)))
    return span


@pytest.mark.slow
def test_test_images_that_the_last_blessed_model_was_trained_on_are_set_aside(tmp_path):
    data, work = tmp_path / "data", tmp_path / "work"
    earlier = _span(data, 1, 0)
    result = run(data, work)
    assert result.returncode == 0, result.stdout + result.stderr
    later = _span(data, 2, 1000)
    for label in CLASSES:
        for index in range(7):
            copy = (earlier / "Training" / label / f"{index:02}.png").read_bytes()
            (later / "Testing" / label / f"again-{index:02}.png").write_bytes(copy)

    result = run(data, work)
    assert result.returncode == 0, result.stdout + result.stderr
    words = "14 of 26 test images match images that the last blessed model was trained on"
    assert f"compared with the last blessed model on 12 of them: {words}" in result.stdout
    report = newest(work, "Report/model_report")
    comparison = json.loads((report / "figures.json").read_text())["comparison"]
    assert (comparison["images"], comparison["set_aside"]) == (12, words)
    assert words in (report / "index.html").read_text()

    # With too few that are new to it, nothing can be said, and the candidate is refused.
    settings = ("--set", "evaluate.min_compared=13")
    result = run(data, work, *settings)
    assert result.returncode == 4, result.stdout + result.stderr
    assert "the comparison cannot be computed" in result.stdout
