"""By which names the page answers, what it keeps to itself, and what others may keep of it."""

import hashlib
import re
from pathlib import Path

import pytest
from fake_server import FakeServer, running, says
from flask.testing import FlaskClient
from page import page, png, send

from components.errors import PipelineError
from serving.web import WebConfig

SECRET = {"SECRET_KEY": "0123456789abcdef"}


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:8000",
        "mri.localhost",
        "127.0.0.1:8000",
        "10.1.2.3",
        "[::1]:8000",
        "mri.example.org",
        "MRI.example.org:443",
        "a.mri.site",
    ],
)
def test_the_page_answers_to_addresses_and_to_its_names(server: FakeServer, host: str) -> None:
    """An address in numbers is no name that somebody else could point at this machine."""
    names = "mri.example.org, .mri.site"
    client = page(server.address, hosts=names).test_client()
    assert client.get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "attacker.example",
        "localhost.attacker.example",
        "127.0.0.1.attacker.example:8000",
        "notmri.example.org",
        "2130706433",
        "",
        "[::1",
        "a b",
    ],
)
def test_a_name_that_somebody_else_points_here_reads_nothing(
    server: FakeServer, pushed: Path, host: str
) -> None:
    client = page(server.address, hosts="mri.example.org", models=pushed).test_client()
    headers = {"Host": host}
    assert client.get("/models/7/report").status_code == 200
    for path in ("/", "/models/7/report", "/api", "/static/page.js", "/nowhere"):
        answer = client.get(path, headers=headers)
        assert answer.status_code == 400, path
        assert "MRI_WEB_HOSTS" in answer.text
        assert "Blessed" not in answer.text
    answer = client.post("/api/v1/predict", data=png(), headers=headers)
    assert (answer.status_code, answer.content_type) == (400, "application/problem+json")
    assert not any(path.endswith(":predict") for path, _, _ in server.requests)
    # Probes and Prometheus come by whatever name the machine has, and learn nothing of images.
    for path in ("/healthz", "/readyz", "/metrics"):
        assert client.get(path, headers=headers).status_code == 200


def test_behind_a_proxy_it_is_the_name_that_the_proxy_was_asked_by(server: FakeServer) -> None:
    client = page(server.address, proxies=1, hosts="mri.example.org").test_client()
    for asked, status in (("mri.example.org", 200), ("attacker.example", 400)):
        headers = {"Host": "10.0.0.1:8000", "X-Forwarded-Host": asked}
        assert client.get("/", headers=headers).status_code == status


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("MRI_SERVER_TOKEN", "hunter2\n", "hunter2"),
        ("MRI_SERVER_TOKEN", "hunter2 hunter3", "hunter"),
        ("MRI_SERVER_TOKEN", "huntér2", "hunt"),
        ("MRI_WEB_SERVER", "http://user:hunter2@server:8501", "hunter2"),
        ("MRI_WEB_SERVER", "http://hunter2@server:8501", "hunter2"),
        ("MRI_WEB_SERVER", "http://server:8501/?key=hunter2", "hunter2"),
        ("MRI_WEB_SERVER", "http://[hunter2", "hunter2"),
        ("MRI_WEB_SERVER", "http://server:hunter2", "hunter2"),
        ("MRI_WEB_MODEL_CARD", "https://user:hunter2@example.org/card.html", "hunter2"),
        ("MRI_WEB_HOSTS", "mri.example.org,http://mri.example.org", "http"),
    ],
)
def test_a_secret_that_cannot_be_used_is_refused_and_not_told(
    name: str, value: str, kept: str
) -> None:
    with pytest.raises(PipelineError, match=name) as raised:
        WebConfig.from_environment({**SECRET, name: value})
    assert kept not in str(raised.value)


def test_an_answer_says_when_to_come_back_only_where_that_helps(server: FakeServer) -> None:
    client = page(server.address, rate="3 per day").test_client()
    for data, status in ((png(), 200), (b"no image", 415), (b"", 422)):
        answer = client.post("/api/v1/predict", data=data)
        assert answer.status_code == status
        assert "Retry-After" not in answer.headers
    answer = client.post("/api/v1/predict", data=png())
    assert answer.status_code == 429
    assert 3600 < int(answer.headers["Retry-After"]) <= 86_400  # not a minute: the day is over then


def test_frames_to_look_at_are_limited_apart_from_images_to_judge(server: FakeServer) -> None:
    client = page(server.address, rate="1 per day", view_rate="2 per day").test_client()
    for path, expected in (("predict", [200, 429]), ("frames", [200, 200, 429])):
        asked = (client.post(f"/api/v1/{path}", data=png()) for _ in expected)
        assert [answer.status_code for answer in asked] == expected


@pytest.mark.parametrize(
    ("status", "told", "again"),
    [(503, 503, True), (404, 503, True), (504, 504, False), (500, 502, False), (400, 422, False)],
)
def test_of_a_model_server_in_trouble_too(status: int, told: int, again: bool) -> None:
    with running(says(status, {"error": "x"})) as server:
        client = page(server.address).test_client()
        for answer in (send(client, (png(), "x.png")), client.post("/api/v1/predict", data=png())):
            assert answer.status_code == told
            assert ("Retry-After" in answer.headers) == again


def test_what_is_of_a_person_is_kept_by_nobody(client: FlaskClient) -> None:
    for answer in (
        send(client, (png(), "x.png")),
        client.post("/api/v1/predict", data=png()),
        client.post("/api/v1/predict", data=b""),
        client.get("/metrics"),
        client.get("/readyz"),
    ):
        assert answer.headers["Cache-Control"] == "no-store"
    # Whoever reads a model card and goes back finds the results that the form's page shows.
    for path in ("/", "/api"):
        assert client.get(path).headers["Cache-Control"] == "private, no-cache"


def test_what_is_named_by_its_content_is_kept_and_all_else_is_asked_for(
    server: FakeServer, examples: Path
) -> None:
    client = page(server.address, examples=examples).test_client()
    named = re.findall(r'(?:src|href)="(/(?:static|base|examples)[^"]+)"', client.get("/").text)
    assert len(named) == 8
    for address in named:
        answer = client.get(address)
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert "Cookie" not in answer.headers.get("Vary", "")
        path, _, digest = address.partition("?v=")
        for stale in (path, f"{path}?v={digest[::-1]}"):
            assert "immutable" not in client.get(stale).headers["Cache-Control"]
            assert "no-cache" in client.get(stale).headers["Cache-Control"]
    assert "immutable" not in client.get("/static/nothing.js?v=x").headers["Cache-Control"]


def test_a_result_names_the_file_by_its_digest(client: FlaskClient) -> None:
    """What `sha256sum` says of the file that was sent."""
    answer = send(client, (png(), "x.png"))
    assert f"SHA-256 {hashlib.sha256(png()).hexdigest()[:12]}" in answer.text
