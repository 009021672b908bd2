import subprocess
import sys

import pytest
from toy_run import arguments, run

from pipeline.work import Work

pytestmark = pytest.mark.long


@pytest.mark.parametrize("name", ["patient-salt", "runs", "tmp"])
def test_what_cannot_be_written_before_the_first_node_is_a_sentence(name, make_folder, tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    if name == "patient-salt":
        (work / name).mkdir()
    else:
        (work / name).touch()
    result = run(make_folder(train=4, test=2), work)
    assert result.returncode == 1
    assert result.stderr.startswith("mri: ")
    assert "Traceback" not in result.stderr


def test_another_run_in_the_folder_is_waited_for_where_that_is_asked(tmp_path):
    work = Work(tmp_path / "work")
    command = [sys.executable, "-m", "pipeline", *arguments(tmp_path / "nothing", work.root)]
    with work.shared():
        waiting = subprocess.Popen(
            [*command, "--wait"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert waiting.stdout.readline() == f"another run is using {work.root}: waiting for it\n"
    _, said = waiting.communicate(timeout=60)
    assert waiting.returncode == 1
    assert said.startswith("mri: There is no folder")
