"""A candidate that cannot be served, from its images to what the user is told."""

import subprocess
import sys
from pathlib import Path

from drawing import draw, encode
from toy_run import arguments

_PLANTED_RUN = Path(__file__).parents[1] / "fixtures" / "planted_run.py"


def test_a_graph_that_fails_on_png_is_refused_and_nothing_is_pushed(tmp_path):
    seed = 0
    for split, count in (("Training", 20), ("Testing", 5)):
        for label, size in (("glioma", (64, 48)), ("notumor", (40, 56))):
            folder = tmp_path / "images" / split / label
            folder.mkdir(parents=True)
            for index in range(count):
                seed += 1
                (folder / f"{index:02}.jpeg").write_bytes(encode(draw(seed, size), "JPEG"))
    work = tmp_path / "work"
    result = subprocess.run(
        [sys.executable, str(_PLANTED_RUN), *arguments(tmp_path / "images", work)],
        capture_output=True,
        text=True,
        check=False,
    )
    said = " ".join(result.stdout.split())
    assert result.returncode == 4, result.stdout + result.stderr
    assert "blessing blessed: every threshold is met" in said
    assert "serving refused: The exported graph fails on test image 1 as PNG" in said
    assert "There is no decoder for this." in said
    assert not list(work.glob("serving/*/*"))
    [blessing] = (work / "artifacts" / "ServeCheck" / "blessing").iterdir()
    assert (blessing / "INFRA_NOT_BLESSED").exists()
