"""All real images and a hundred damaged ones, killed half-way."""

import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pyarrow.dataset as ds
import pytest
from small_model import save
from toy_run import mri

_DAMAGED = 100
_SHARD_SIZE = 256
_KILLED_BATCH = Path(__file__).parents[2] / "fixtures" / "killed_batch.py"


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_run_killed_half_way_ends_with_the_same_rows(real_images: Path, tmp_path: Path):
    good = sorted(real_images.rglob("*.jpg"))
    damaged = [_damage(path, tmp_path / "damaged") for path in good[:: len(good) // _DAMAGED]]
    damaged = damaged[:_DAMAGED]
    listing = tmp_path / "list.txt"
    listing.write_text("".join(f"{path}\n" for path in [*good, *damaged]))
    words = (str(listing), "--model", str(save(tmp_path / "model" / "7")))

    whole, out = tmp_path / "whole", tmp_path / "out"
    result = mri("batch", words[0], str(whole), *words[1:], "--shard-size", str(_SHARD_SIZE))
    assert f"{len(good) + _DAMAGED:,} files, {len(good):,} classified" in result.stdout

    shards = -(-(len(good) + _DAMAGED) // _SHARD_SIZE)
    killed = subprocess.run(
        [sys.executable, str(_KILLED_BATCH), str(shards // 2), "batch", words[0], str(out),
         *words[1:], "--shard-size", str(_SHARD_SIZE)],
        capture_output=True, check=False,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    done = _shards(out)
    assert len(done) == shards // 2

    result = mri("batch", words[0], str(out), *words[1:], "--shard-size", str(_SHARD_SIZE))
    assert result.returncode == 0, result.stderr
    assert f"there already: {len(done)} of {shards} shards" in result.stdout
    assert done.items() <= _shards(out).items()  # not written again
    rows = ds.dataset(out).to_table().to_pylist()
    assert rows == ds.dataset(whole).to_table().to_pylist()
    assert max(Counter(row["path"] for row in rows).values()) == 1
    failed = {row["path"] for row in rows if row["error"]}
    assert (len(rows), failed) == (len(good) + _DAMAGED, set(map(str, damaged)))


def _damage(path: Path, folder: Path) -> Path:
    """The beginning of an image, under another name."""
    folder.mkdir(exist_ok=True)
    cut = folder / f"{path.parent.parent.name}-{path.parent.name}-{path.name}"
    content = path.read_bytes()
    cut.write_bytes(content[: len(content) // 3])
    return cut


def _shards(folder: Path) -> dict[str, int]:
    """When each finished shard was written."""
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("shard-*")}
