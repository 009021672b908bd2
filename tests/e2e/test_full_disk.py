"""A disk that fills up in the middle of a run costs that run, and nothing else."""

import os
import shutil
import subprocess
import sys

import pytest
from toy_run import arguments, assert_whole, node_states, store

_TMPFS_BYTES = 1_000_000_000
_LEFT_BYTES = 700_000

# Two runs in one small file system: the first has hardly any room, the second has all of it.
_SCRIPT = """
head -c {filler} /dev/zero > "$0/filler"
"$@"
echo "first ended with $?"
rm "$0/filler"
"$@"
echo "second ended with $?"
cp -r "$0/work" "{kept}"
"""


@pytest.mark.slow
def test_a_full_disk_is_one_sentence_and_the_next_run_goes_on(make_folder, tmp_path):
    bubblewrap = shutil.which("bwrap")
    if bubblewrap is None:
        pytest.skip("no bubblewrap on this machine to make a small file system with")
    data, disk = make_folder(train=60, test=10), tmp_path / "disk"
    disk.mkdir()
    script = _SCRIPT.format(filler=_TMPFS_BYTES - _LEFT_BYTES, kept=tmp_path / "kept")
    command = [sys.executable, "-m", "mri", *arguments(data, disk / "work")]
    result = subprocess.run(
        [
            *(bubblewrap, "--dev-bind", "/", "/"),
            *("--size", str(_TMPFS_BYTES), "--tmpfs", str(disk)),
            *("--", "bash", "-c", script, str(disk), *command),
        ],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "200"},
    )
    first, second = result.stdout.split("first ended with ")
    assert first.strip(), result.stderr
    assert second.startswith("1\n"), result.stdout + result.stderr
    assert "is full: free some space" in result.stderr
    assert "Traceback" not in result.stderr
    assert "second ended with 0" in second, result.stdout + result.stderr
    assert set(node_states(second).values()) <= {"done", "cached"}
    shutil.move(tmp_path / "kept", disk / "work")
    assert_whole(store(disk / "work"))
