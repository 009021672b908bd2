"""A run in folders whose names mean something to a shell, to Beam, to TensorFlow or a terminal."""

import pytest
from toy_run import NODES, assert_whole, node_states, run, store

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


def test_a_run_in_folders_of_odd_names(make_folder, tmp_path):
    # Of the work folder TensorFlow and Beam would take the brackets and what is like them as well.
    data = make_folder(train=20, test=5).rename(
        tmp_path / "data [4]*?{a} %s é𝛼 #'\"$HOME \\ :ok: [b] -\n-"
    )
    work = tmp_path / "w {a} %s é𝛼 #'\"$HOME :ok: ,;~ \n-"

    result = run(data, work)

    assert result.returncode == 0, result.stdout + result.stderr
    states = node_states(result.stdout)
    assert {states[node] for node in NODES} == {"done"}
    assert_whole(store(work))
    [version] = (work / "serving" / "brain_mri").iterdir()
    assert (version / "saved_model.pb").exists()
    assert list((work / "tmp").iterdir()) == []
