"""What many tests need: folders of small images, and the real ones where they are."""

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from drawing import draw, encode

# A machine may be busy: how long an example takes is no verdict.
hypothesis.settings.register_profile(
    "steady", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("steady")

_REAL_IMAGES = Path(
    os.environ.get("MRI_TEST_DATA")
    or Path(__file__).parents[2] / "shared" / "data" / "brain-tumor-mri"
)
_REAL = ("images", "real")
_SLOWEST = 10


@pytest.fixture
def real_images(request: pytest.FixtureRequest) -> Path:
    """The folder of real MRI images; a test that asks for it is skipped where it is absent."""
    if not _REAL_IMAGES.is_dir():
        pytest.skip(f"no real MRI images at {_REAL_IMAGES}: set MRI_TEST_DATA")
    request.node.user_properties.append(_REAL)
    return _REAL_IMAGES


@pytest.fixture(autouse=True)
def _own_temporary_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run moves the process's temporary folder into its work folder; a test gives it back."""
    monkeypatch.setattr(tempfile, "tempdir", tempfile.tempdir)
    monkeypatch.setenv("TMPDIR", tempfile.gettempdir())


@pytest.fixture
def bucket_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An S3 server on this machine, with an empty bucket, where the environment leads."""
    import bucket_server

    with bucket_server.running(monkeypatch) as server:
        yield server


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A headless Chromium; of one module, as its event loop runs in the process meanwhile."""
    playwright = pytest.importorskip("playwright.sync_api")
    path = shutil.which("chromium-headless-shell")
    if path is None:
        pytest.skip("no chromium-headless-shell on the PATH")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "e2e" in item.path.parts:
            item.add_marker(pytest.mark.long)
    # What takes long comes first, or one worker would be left with it while the others are idle.
    long = {item.path for item in items if item.get_closest_marker("long")}
    items.sort(key=lambda item: ("e2e" not in item.path.parts, item.path not in long))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    # By the reports, as tests may run in several processes.
    stats = terminalreporter.stats.values()
    reports = [one for several in stats for one in several if isinstance(one, pytest.TestReport)]
    _tell_slowest_files(terminalreporter, reports)
    saw = [one for one in reports if one.when == "call" and _REAL in one.user_properties]
    terminalreporter.write_line(f"{len(saw)} tests saw real images")


def _tell_slowest_files(
    terminalreporter: pytest.TerminalReporter, reports: list[pytest.TestReport]
) -> None:
    """Where the time goes; what a fixture of several tests takes is in the first one's setup."""
    seconds: Counter[str] = Counter()
    for report in reports:
        seconds[report.nodeid.partition("::")[0]] += report.duration
    if len(seconds) <= 2 * _SLOWEST:
        return
    terminalreporter.section(f"slowest {_SLOWEST} of {len(seconds)} files")
    for name, taken in seconds.most_common(_SLOWEST):
        terminalreporter.write_line(f"{taken:7.1f}s {name}")


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Path]:
    """Makes `Training/` and `Testing/` folders of small distinct images."""

    def make(
        classes: tuple[str, ...] = ("glioma", "notumor"),
        train: int = 12,
        test: int = 4,
        name: str = "images",
    ) -> Path:
        root = tmp_path / name
        seed = 0
        for split, count in (("Training", train), ("Testing", test)):
            for label in classes:
                folder = root / split / label
                folder.mkdir(parents=True)
                for index in range(count):
                    seed += 1
                    (folder / f"{index:03}.png").write_bytes(encode(draw(seed)))
        return root

    return make
