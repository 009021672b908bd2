"""The model card and the report of the version that answered, and nothing else of its folder."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_server import FakeServer, running, says
from flask.testing import FlaskClient
from page import page, png, row, send

from components.disclaimer import DISCLAIMER

MODEL = "/v1/models/brain_mri"
OK = {"error_code": "OK", "error_message": ""}


@pytest.fixture
def client(server: FakeServer, pushed: Path) -> FlaskClient:
    return page(server.address, models=pushed).test_client()


def test_a_result_links_the_documents_of_its_version(client: FlaskClient) -> None:
    html = send(client, (png(), "x.png")).text
    assert '<a href="/models/7/card">Model card</a>' in html
    assert '<a href="/models/7/report">Evaluation report</a>' in html


def test_a_push_gives_no_result_another_version_s_number_and_documents(
    pushed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Version 7 answers glioma and 8 no tumour; only the newest is there."""
    # However long it takes: the page learns of a new version by the old one's being gone.
    monkeypatch.setattr("serving.web.model._KNOWN_FOR", 1e9)
    newest = [7]

    def answer(handler: Any, body: bytes) -> None:
        [version] = newest
        if not handler.path.endswith(":predict"):
            states = dict.fromkeys((7, 8), "END") | {version: "AVAILABLE"}
            status = [
                {"version": str(number), "state": state, "status": OK}
                for number, state in states.items()
            ]
            says(200, {"model_version_status": status})(handler, body)
        elif handler.path in (f"{MODEL}:predict", f"{MODEL}/versions/{version}:predict"):
            label = {7: "glioma", 8: "notumor"}[version]
            says(200, {"predictions": [row(label=label)]})(handler, body)
        else:
            says(404, {"error": "Servable not found"})(handler, body)

    shutil.copytree(pushed / "7" / "assets.extra", pushed / "8" / "assets.extra")
    with running(answer) as server:
        client = page(server.address, models=pushed).test_client()
        for version, title in ((7, "Glioma"), (8, "No tumour"), (7, "Glioma")):
            newest[:] = [version]
            html = send(client, (png(), "x.png")).text
            assert re.search(rf"<h2[^>]*>{title}", html)
            assert f"model version {version}" in html
            assert f'href="/models/{version}/card"' in html
            assert client.post("/api/v1/predict", data=png()).json["version"] == version


def test_the_card_is_shown_as_a_page_and_what_it_quotes_is_harmless(client: FlaskClient) -> None:
    answer = client.get("/models/7/card")
    assert answer.status_code == 200
    for words in (
        "Version 7.",
        "Intended use",
        "0.900 (95% interval 0.850 to 0.950)",
        "TRIPOD+AI",
        "&lt;b&gt;Fine&lt;/b&gt;.",
        DISCLAIMER,
    ):
        assert words in answer.text, words
    named = re.findall(r'<th scope="row">([^<]+)</th><td class="text">', answer.text)
    assert "tumour sensitivity" in named
    assert "average precision of glioma" in named
    assert not any("_" in name for name in named)


def test_the_report_is_as_it_was_written_and_kept_apart(client: FlaskClient, pushed: Path) -> None:
    answer = client.get("/models/7/report")
    assert answer.data == (pushed / "7" / "assets.extra" / "report.html").read_bytes()
    policy = answer.headers["Content-Security-Policy"]
    assert "sandbox" in policy
    assert "default-src 'none'" in policy
    assert "script" not in policy
    assert "unsafe" not in client.get("/").headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "path",
    [
        "/models/8/card",
        "/models/8/report",
        "/models/9/card",
        "/models/-1/card",
        "/models/../card",
        "/models/%2e%2e/card",
        "/models/7%2f..%2f7/report",
        "/models/seven/report",
        "/models/" + "7" * 5000 + "/report",
        "/models/7/metadata.json",
        "/models/٧/card",
    ],
)
def test_nothing_else_is_served(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_a_card_that_cannot_be_read_is_not_there(client: FlaskClient, pushed: Path) -> None:
    (pushed / "7" / "assets.extra" / "model_card.json").write_text('{"name": 7')
    answer = client.get("/models/7/card")
    assert answer.status_code == 404
    assert "Traceback" not in answer.text


def test_where_a_version_has_none_the_address_of_the_settings_is_linked(
    server: FakeServer, pushed: Path
) -> None:
    (pushed / "7" / "assets.extra" / "model_card.json").unlink()
    (pushed / "7" / "assets.extra" / "report.html").unlink()
    card = "https://example.org/card.html"
    client = page(server.address, models=pushed, model_card=card).test_client()
    assert f'href="{card}"' in send(client, (png(), "x.png")).text


def test_without_the_folder_nothing_is_linked_or_served(server: FakeServer) -> None:
    client = page(server.address).test_client()
    assert "/models/" not in send(client, (png(), "x.png")).text
    assert client.get("/models/7/card").status_code == 404


def test_in_a_browser_the_report_has_its_style_and_runs_nothing(
    site: Callable[..., str], open_tab: Callable[..., Any], pushed: Path
) -> None:
    tab = open_tab(bypass_csp=False)
    tab.goto(site(settings={"models": pushed}) + "/models/7/report")
    assert tab.title() == "Report"
    assert tab.locator("h1").evaluate("e => getComputedStyle(e).color") == "rgb(1, 2, 3)"
    assert tab.evaluate("() => self.origin") == "null"


def test_a_version_that_is_still_being_copied_is_not_served(
    client: FlaskClient, pushed: Path
) -> None:
    shutil.copytree(pushed / "7", pushed / ".9.abc")
    assert client.get("/models/.9.abc/card").status_code == 404
    assert client.get("/models/.9.abc/report").status_code == 404
