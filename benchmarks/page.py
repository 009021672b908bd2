"""What the page costs: its own work on an image, its first load, many uploads at once, its memory.

    bin/python -m benchmarks.page [--quick] [--work WORK]

The page runs as `mri web` runs it. (a) An upload of a 512 x 512 PNG by the form and by the API, one
at a time, and of 20 slices by the form, to a model server that answers at once: what is left is the
page's own work and loopback; of the slices also processor time, which a busy machine does not
change much, and what the browser takes from their answer until they are drawn. (b) The first load
in Chromium with nothing cached, on a connection as Lighthouse's slow 4G: 1.6 Mbit/s and 150 ms a
request. (c) 50 uploads at once, while the model takes 0.2 s an image, one after the other; in full,
1 s too, which is more than may wait. (d) With --work, memory of the page and of the embedded server
with that folder's pushed model, before and after 20 images; of a limit such as a container's,
anonymous memory is what cannot be given back. The last line is one JSON object.
"""

import argparse
import io
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from nibabel import Nifti1Image
from PIL import Image

from components.child_process import start
from components.free_ports import free_ports

_OWN_WORK_LIMIT_MS, _FIRST_LOAD_LIMIT_BYTES, _INTERACTIVE_LIMIT_MS = 30, 100_000, 1000
_SLICES, _VOLUME_LIMIT_MS = 20, 1000
_AT_ONCE = 50
_MODEL_SECONDS = (0.2, 1.0)
_SLOW_4G = {
    "offline": False,
    "latency": 150,
    "downloadThroughput": 1.6e6 / 8,
    "uploadThroughput": 0.75e6 / 8,
}
_START_SECONDS = 120
_DRAWN = """() => new Promise((done) => {
  const status = document.getElementById("status");
  new MutationObserver(() => {
    if (!status.textContent.startsWith("1 result")) return;
    requestAnimationFrame(() => setTimeout(() => {
      const answer = performance.getEntriesByType("resource").findLast(
        (one) => one.name.endsWith("/results"));
      done(performance.now() - answer.responseEnd);
    }));
  }).observe(status, { childList: true });
  document.getElementById("form").requestSubmit();
})"""
_FREE_RATE = {"MRI_WEB_RATE": "1000000 per minute"}


def main() -> None:
    """Measures and prints every figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    parser.add_argument("--work", type=Path, help="a work folder with a pushed model, for memory")
    arguments = parser.parse_args()
    figures: dict[str, Any] = {}
    image = _png()
    print(f"{os.cpu_count()} processors; a PNG of 512 x 512 pixels, {len(image):,} bytes")
    with tempfile.TemporaryDirectory() as folder:
        with (
            _model_server() as server,
            _page("--server", server, work=folder, **_FREE_RATE) as (at, root),
        ):
            figures |= _own_work(at, image, 50 if arguments.quick else 400)
            figures |= _volume(at, root, 5 if arguments.quick else 40)
            figures |= _first_load(at, 3 if arguments.quick else 15)
        for seconds in _MODEL_SECONDS[:1] if arguments.quick else _MODEL_SECONDS:
            with (
                _model_server(seconds) as server,
                _page("--server", server, work=folder) as (at, _),
            ):
                figures |= _many_at_once(at, image, seconds)
    if arguments.work is not None:
        figures |= _memory(arguments.work, image)
    print(json.dumps(figures))


def _png() -> bytes:
    """A grey disc with the noise of a scanner."""
    random = np.random.default_rng(0)
    rows, columns = np.ogrid[-1:1:512j, -1:1:512j]
    grey = np.where(rows**2 + columns**2 < 0.7, 120 + random.normal(0, 12, (512, 512)), 4)
    stream = io.BytesIO()
    Image.fromarray(grey.astype(np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def _own_work(at: str, image: bytes, count: int) -> dict[str, float]:
    """(a): milliseconds of an upload."""
    with httpx.Client(base_url=at, timeout=60) as client:
        token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/").text)
        assert token is not None
        form = {"data": {"csrf_token": token[1]}, "headers": {"X-Fragment": "1"}}
        median = {}
        for name, path, sent in (
            ("form", "/results", {"files": {"image": ("scan.png", image)}, **form}),
            ("api", "/api/v1/predict", {"content": image}),
            ("api_explain", "/api/v1/predict?explain=1", {"content": image}),
        ):
            taken = []
            for number in range(count + 10):
                started = time.perf_counter()
                answer = client.post(path, **sent)
                if number >= 10:
                    taken.append(1e3 * (time.perf_counter() - started))
                assert answer.status_code == 200, answer.text
            median[f"{name}_p50_ms"] = statistics.median(taken)
            print(
                f"(a) {name:<12} p50 {statistics.median(taken):6.1f} ms  "
                f"p95 {np.percentile(taken, 95):6.1f} ms"
            )
    print(f"    limit of p50 {_OWN_WORK_LIMIT_MS} ms")
    return median


def _volume_file() -> bytes:
    """A NIfTI volume of discs with noise."""
    random = np.random.default_rng(0)
    rows, columns = np.ogrid[-1:1:512j, -1:1:512j]
    disc = (rows**2 + columns**2 < 0.7)[..., None]
    noise = random.normal(0, 12, (512, 512, _SLICES))
    values = np.where(disc, 120 + noise, 4).astype(np.int16)
    return bytes(Nifti1Image(values, np.eye(4)).to_bytes())


def _volume(at: str, root: int, count: int) -> dict[str, float]:
    """(a): milliseconds of a volume by the form, reading and encoding its slices included."""
    content = _volume_file()
    taken, worked = [], []
    with httpx.Client(base_url=at, timeout=60) as client:
        token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/").text)
        assert token is not None
        for _ in range(count + 1):
            started, before = time.perf_counter(), _worked(root)
            answer = client.post(
                "/results",
                files={"image": ("scan.nii", content)},
                data={"csrf_token": token[1]},
                headers={"X-Fragment": "1"},
            )
            taken.append(1e3 * (time.perf_counter() - started))
            worked.append(1e3 * (_worked(root) - before))
            assert answer.status_code == 200, answer.text
    median, work = statistics.median(taken[1:]), statistics.median(worked[1:])
    print(
        f"(a) {_SLICES} slices    p50 {median:6.1f} ms, of that processor {work:.0f} ms, "
        f"limit {_VOLUME_LIMIT_MS} ms"
    )
    return {"volume_p50_ms": median, "volume_processor_ms": work}


def _worked(pid: int) -> float:
    """Processor seconds of a process and its threads; 0 where the system does not say."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _first_load(at: str, count: int) -> dict[str, float]:
    """(b): bytes on the wire, and milliseconds until the form's script has run."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium-headless-shell")
    if program is None:
        print("(b) not measured: there is no chromium-headless-shell")
        return {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        loads = [_load(browser, at) for _ in range(count)]
        drawn = statistics.median(_drawn(browser, at) for _ in range(count))
        browser.close()
    size = max(size for size, _ in loads)
    interactive = statistics.median(taken for _, taken in loads)
    print(f"(b) first load   {size:,} bytes on the wire, limit {_FIRST_LOAD_LIMIT_BYTES:,}")
    print(f"(b) interactive  {interactive:.0f} ms, limit {_INTERACTIVE_LIMIT_MS} ms")
    print(f"(a) {_SLICES} slices    drawn by the browser in {drawn:.0f} ms")
    return {"first_load_bytes": size, "interactive_ms": interactive, "volume_drawn_ms": drawn}


def _drawn(browser: Any, at: str) -> float:
    """(a): milliseconds from the end of a volume's answer until its slices are drawn."""
    context = browser.new_context()
    context.set_default_timeout(1e3 * _START_SECONDS)
    tab = context.new_page()
    tab.goto(at)
    volume = {"name": "scan.nii", "mimeType": "application/octet-stream", "buffer": _volume_file()}
    tab.set_input_files("#image", [volume])
    tab.locator("#previews canvas").wait_for()
    taken = tab.evaluate(_DRAWN)
    context.close()
    return float(taken)


def _load(browser: Any, at: str) -> tuple[float, float]:
    context = browser.new_context()
    tab = context.new_page()
    session = context.new_cdp_session(tab)
    sizes: list[float] = []
    session.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", _SLOW_4G)
    tab.goto(at, wait_until="networkidle")
    # Deferred scripts have run when this event ends: dropping and sending work from then on.
    taken = tab.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd")
    context.close()
    return sum(sizes), float(taken)


def _many_at_once(at: str, image: bytes, seconds: float) -> dict[str, Any]:
    """(c): what becomes of 50 uploads that come together."""

    def ask(_: int) -> str:
        try:
            answer = httpx.post(f"{at}/api/v1/predict", content=image, timeout=120)
            readable = answer.json()["label" if answer.status_code == 200 else "detail"]
        except (httpx.HTTPError, ValueError, KeyError):
            return "lost"
        return str(answer.status_code) if readable else "lost"

    started = time.perf_counter()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        counts = Counter(pool.map(ask, range(_AT_ONCE)))
    taken = time.perf_counter() - started
    words = ", ".join(f"{status}: {count}" for status, count in sorted(counts.items()))
    print(f"(c) {_AT_ONCE} at once, {seconds:g} s an image: {words}; all within {taken:.1f} s")
    return {f"at_once_{seconds:g}s": dict(counts), f"lost_{seconds:g}s": counts["lost"]}


def _memory(work: Path, image: bytes) -> dict[str, float]:
    """(d): MB of 10^6 bytes, of the page's processes and of the model server's."""
    figures = {}
    with (
        _page(work=str(work), **_FREE_RATE) as (at, root),
        httpx.Client(base_url=at, timeout=120) as web,
    ):
        until = time.monotonic() + _START_SECONDS
        while web.get("/readyz").status_code != 200 and time.monotonic() < until:
            time.sleep(0.5)
        for when in ("at first", "after 20 images"):
            for name, wanted in (("server", True), ("page", False)):
                pss, anonymous = _held(root, wanted)
                print(f"(d) {name:<7} {when:<15} {pss:7.1f} MB, {anonymous:7.1f} MB anonymous")
                figures[f"{name}_mb"], figures[f"{name}_anonymous_mb"] = pss, anonymous
            if when == "at first":
                for _ in range(20):
                    web.post("/api/v1/predict?explain=1", content=image).raise_for_status()
    return figures


def _held(root: int, server: bool) -> tuple[float, float]:
    """Memory of the model server's process, or of all others below `mri web`; Linux."""
    below: set[int] = set()
    todo = {root}
    while todo:
        below |= todo
        todo = {pid for pid in _commands() if _parent(pid) in todo} - below
    chosen = [pid for pid in below if (b"serving.server" in _commands()[pid]) == server]
    held = {"Pss": 0, "Pss_Anon": 0}
    for pid in chosen:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
            name, _, value = line.partition(":")
            if name in held:
                held[name] += int(value.split()[0]) * 1024
    return held["Pss"] / 1e6, held["Pss_Anon"] / 1e6


def _commands() -> dict[int, bytes]:
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            found[int(folder.name)] = (folder / "cmdline").read_bytes()
        except OSError:
            continue
    return found


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


@contextmanager
def _model_server(seconds: float = 0.0) -> Iterator[str]:
    [port] = free_ports(1)
    with _process("benchmarks.instant_model", str(port), str(seconds)):
        address = f"http://127.0.0.1:{port}"
        _wait(address)
        yield address


@contextmanager
def _page(*arguments: str, work: str, **variables: str) -> Iterator[tuple[str, int]]:
    """`mri web`: its address and its process."""
    [port] = free_ports(1)
    words = ("web", "--port", str(port), "--work", work, *arguments)
    with _process("mri", *words, **variables) as root:
        address = f"http://127.0.0.1:{port}"
        _wait(f"{address}/healthz")
        yield address, root


@contextmanager
def _process(module: str, *arguments: str, **variables: str) -> Iterator[int]:
    process = start(
        [sys.executable, "-m", module, *arguments],
        env={**os.environ, **variables},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def _wait(address: str) -> None:
    until = time.monotonic() + _START_SECONDS
    while True:
        try:
            httpx.get(address, timeout=5)
        except httpx.TransportError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return


if __name__ == "__main__":
    main()
