"""The same run with its metadata on a real PostgreSQL server."""

from collections.abc import Iterator

import postgres
import pytest
from toy_run import RESOLVERS, assert_whole, node_states, run, store


@pytest.fixture
def url() -> Iterator[str]:
    binaries = postgres.find_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL server (initdb) on this machine")
    with postgres.server(binaries) as address:
        yield address


def test_a_run_and_its_repetition_on_postgresql(url, make_folder, tmp_path):
    data, work = make_folder(train=20, test=5), tmp_path / "work"
    result = run(data, work, "--metadata", url)
    assert result.returncode == 0, result.stdout + result.stderr
    assert set(node_states(result.stdout).values()) == {"done"}
    assert not (work / "metadata.sqlite").exists()
    assert_whole(store(work, url))
    assert len(list((work / "serving" / "brain_mri").iterdir())) == 1

    result = run(data, work, MRI_METADATA=url)
    assert result.returncode == 0, result.stdout + result.stderr
    states = node_states(result.stdout)
    assert {states[name] for name in states if name not in RESOLVERS} == {"cached"}
    assert "mlmd:unused" not in result.stdout
    for file in work.rglob("*"):
        if file.is_file():
            assert b"mlmd:unused" not in file.read_bytes(), f"{file} holds the password"
