"""A run whose metadata are in PostgreSQL, and its repetition."""

import postgres
from toy_run import JUDGED, assert_whole, node_states, run, store


def test_a_run_and_its_repetition_on_postgresql(make_folder, tmp_path):
    data, work = make_folder(train=20, test=5), tmp_path / "work"
    with postgres.server() as url:
        first = run(data, work, "--to", "Gate", "--metadata", url)
        assert first.returncode == 0, first.stdout + first.stderr
        states = node_states(first.stdout)
        assert {states[name] for name in JUDGED} == {"done"}
        assert not (work / "metadata.sqlite").exists()
        assert_whole(store(work, url))

        again = run(data, work, "--to", "Gate", MRI_METADATA=url)
    assert again.returncode == 0, again.stdout + again.stderr
    states = node_states(again.stdout)
    assert [name for name in JUDGED if states[name] != "cached"] == ["PreviousData"]
    assert "mlmd:unused" not in first.stdout + again.stdout
    for file in work.rglob("*"):
        if file.is_file():
            assert b"mlmd:unused" not in file.read_bytes(), f"{file} holds the password"
