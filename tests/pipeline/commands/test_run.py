import pytest
from toy_run import run

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
