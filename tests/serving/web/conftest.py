"""A browser, and the page at an address that it can open."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import npm
import pytest
from carding import card
from drawing import draw, encode
from fake_server import FakeServer, running
from flask.testing import FlaskClient
from page import listening, model, page

from components.evaluate.report.card import Decision
from components.servable import EXTRAS, REPORT_FILE

_NODE = Path(__file__).parent / "node"
_HANGS = 300.0
"""Seconds after which a browser is taken to hang, also on a machine that does much else."""


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine, a model server's status may take longer than a page has time for it."""
    monkeypatch.setattr("serving.web.model._STATUS_TIMEOUT", _HANGS)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    """A fake model server."""
    with running(model()) as started:
        yield started


@pytest.fixture
def client(server: FakeServer) -> FlaskClient:
    """A client of the page in front of that server."""
    return page(server.address).test_client()


@pytest.fixture
def site() -> Iterator[Callable[..., str]]:
    """Starts the page in front of a fake model server, and gives its address."""
    with ExitStack() as stack:

        def start(
            server: str | None = None, settings: dict[str, Any] | None = None, **values: Any
        ) -> str:
            address = server or stack.enter_context(running(model(**values))).address
            return stack.enter_context(listening(page(address, **(settings or {}))))

        yield start


@pytest.fixture(scope="session")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `mri data sample` makes it; tests/mri/test_web.py reads such a one."""
    folder = tmp_path_factory.mktemp("examples")
    manifest = {"kind": "synthetic", "notice": "Computer-generated pictures."}
    (folder / "sample.json").write_text(json.dumps(manifest))
    for seed, name in enumerate(("glioma", "meningioma", "notumor", "pituitary")):
        (folder / "Testing" / name).mkdir(parents=True)
        (folder / "Testing" / name / "0.jpg").write_bytes(encode(draw(seed, (64, 80)), "JPEG"))
    return folder


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with node_modules, as node/package-lock.json says."""
    folder = tmp_path_factory.mktemp("node")
    npm.install(_NODE, folder)
    return folder


@pytest.fixture
def pushed(tmp_path: Path) -> Path:
    """A folder of served versions: 7, with a card and a report, and 8, which has neither."""
    extras = tmp_path / "served" / "7" / EXTRAS
    extras.mkdir(parents=True)
    (tmp_path / "served" / "8").mkdir()
    card().decided(
        Decision(decision="pushed", time="now", reason="<b>Fine</b>.", report="x", version="7")
    ).write(extras)
    (extras / REPORT_FILE).write_text(
        '<!doctype html><html lang="en"><head><title>Report</title>'
        "<style>h1 { color: rgb(1, 2, 3); }</style></head><body><h1>Blessed</h1>"
        "<script>document.title = 'ran';</script></body></html>"
    )
    return tmp_path / "served"


@pytest.fixture
def open_tab(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Opens a tab that fails the test where the page's own script or policy does."""
    contexts, said = [], []

    def open_one(**options: Any) -> Any:
        context = chromium.new_context(**options)
        context.set_default_timeout(_HANGS * 1000)
        contexts.append(context)
        tab = context.new_page()
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on(
            "console",
            lambda message: said.append(message.text) if "Policy" in message.text else None,
        )
        return tab

    yield open_one
    for context in contexts:
        context.close()
    assert said == []
