"""The JSON API against its own OpenAPI document."""

import io
import json
from typing import Any

import pytest
from fake_server import running
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from page import model, page, png

from components.reasons import CUT_BLACK, OTHER, UNSURE

PROBLEM = {"type", "title", "status", "detail", "request_id"}


@pytest.fixture
def client() -> Any:
    with running(model()) as server:
        yield page(server.address, rate="100000 per day").test_client()


def test_raw_bytes_and_a_form_give_the_same(client: FlaskClient) -> None:
    raw = client.post("/api/v1/predict", data=png())
    form = client.post("/api/v1/predict", data={"image": (io.BytesIO(png()), "x.png")})
    assert raw.status_code == 200
    assert raw.json == form.json
    assert raw.json["probabilities"]["pituitary"] == 0.0625
    assert raw.json["reasons"] is None
    assert "overlay" not in raw.json


def test_explain_adds_the_overlay(client: FlaskClient) -> None:
    answer = client.post("/api/v1/predict?explain=1", data=png()).json
    assert answer["crop_box"] == [0.1, 0.2, 0.9, 0.8]
    assert answer["overlay"].startswith("iVBOR")


@pytest.mark.parametrize(
    ("method", "path", "data", "status"),
    [
        ("POST", "/api/v1/predict?explain=maybe", png(), 400),
        ("POST", "/api/v1/predict", b"x", 415),
        ("GET", "/api/v1/predict", None, 405),
        ("GET", "/api/v1/nothing", None, 404),
    ],
)
def test_an_error_is_a_problem(
    client: FlaskClient, method: str, path: str, data: bytes | None, status: int
) -> None:
    answer = client.open(path, method=method, data=data)
    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    problem = json.loads(answer.data)
    assert set(problem) == PROBLEM
    assert problem["status"] == status
    assert problem["request_id"] == answer.headers["X-Request-ID"]


def test_the_document_is_rendered_here(client: FlaskClient) -> None:
    html = client.get("/api").text
    for path in client.get("/api/v1/openapi.json").json["paths"]:
        assert path in html


def test_metrics_count_answers_and_states(client: FlaskClient) -> None:
    client.post("/api/v1/predict", data=png())
    text = client.get("/metrics").text
    assert 'mri_page_requests_total{endpoint="api.predict",status="200"} 1.0' in text
    assert 'mri_page_results_total{state="classified"} 1.0' in text


def test_schemathesis_finds_no_failure() -> None:
    schemathesis = pytest.importorskip("schemathesis")
    from schemathesis.specs.openapi.checks import positive_data_acceptance

    def check(case: Any) -> None:
        # A schema cannot say that bytes are an image: that any are accepted is not expected.
        case.call_and_validate(excluded_checks=[positive_data_acceptance])

    with running(model()) as server:
        app = page(server.address, rate="100000 per minute")
        schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", app)
        operations = [operation.ok() for operation in schema.get_all_operations()]
        assert len(operations) == 5
        for operation in operations:
            few = settings(
                max_examples=10,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            )
            few(given(case=operation.as_strategy())(check))()


def test_reasons_are_counted_by_a_few_sentences() -> None:
    with running(model(refer=True, reasons=f"{CUT_BLACK}; Jane Doe; {UNSURE}")) as server:
        client = page(server.address).test_client()
        answer = client.post("/api/v1/predict", data=png()).json
        text = client.get("/metrics").text
    assert answer["reasons"] == f"{CUT_BLACK}; Jane Doe; {UNSURE}"
    for reason in (CUT_BLACK, UNSURE, OTHER):
        assert f'mri_page_reasons_total{{reason="{reason}"}} 1.0' in text
    assert "Jane" not in text
