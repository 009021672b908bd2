"""The alert rules and the dashboard: Prometheus takes them, and what they name is exposed."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timezone
from itertools import chain
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from fake_server import running
from grpc import StatusCode
from page import model, page, png
from prometheus_client.parser import text_string_to_metric_families
from pydantic import BaseModel, ConfigDict, Field

from components.gate.verdict import Distance
from components.monitor.report import Latency, MonitorReport
from components.monitor.textfile import render_metrics
from serving.server.metrics import ServerMetrics
from serving.tf_serving.config import DeploymentConfig
from serving.tf_serving.files import deployment_file

FOLDER = Path(__file__).parents[3] / "serving" / "monitoring"
BY_PROMETHEUS = {"up": {"job", "instance"}}
"""What Prometheus itself says of each target."""


class Rule(BaseModel):
    """An alert rule, as Prometheus 3 reads it (`rulefmt`)."""

    model_config = ConfigDict(extra="forbid")
    alert: str = Field(pattern=r"^[A-Za-z]\w*$")
    expr: str
    for_: str = Field("0s", alias="for", pattern=r"^\d+[smhd]$")
    labels: dict[str, str]
    annotations: dict[str, str]


class Group(BaseModel):
    """A group of rules."""

    model_config = ConfigDict(extra="forbid")
    name: str
    rules: list[Rule]


class Rules(BaseModel):
    """The file."""

    model_config = ConfigDict(extra="forbid")
    groups: list[Group]


def report() -> MonitorReport:
    """What monitoring says of a window with every value."""
    return MonitorReport(
        outcome="drift",
        first=datetime(2026, 1, 1, tzinfo=timezone.utc),
        last=datetime(2026, 1, 2, tzinfo=timezone.utc),
        images=100,
        model="brain_mri",
        version=7,
        training_images=1000,
        distances=(Distance(feature="image/std", value=0.3, allowed=0.1),),
        labels={"glioma": 1.0},
        training_labels={"glioma": 1.0},
        confidence=0.9,
        out_of_distribution=0.1,
        reasons={"it is blurred": 0.1},
        latency=Latency(p50=1, p95=2, p99=3),
    )


def rules() -> list[Rule]:
    document = yaml.safe_load((FOLDER / "alerts.yaml").read_text(encoding="utf-8"))
    return [rule for group in Rules.model_validate(document).groups for rule in group.rules]


def panels() -> list[dict[str, Any]]:
    return json.loads((FOLDER / "dashboard.json").read_text(encoding="utf-8"))["panels"]


def expressions() -> dict[str, str]:
    shown = {
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in panels()
        for target in panel["targets"]
    }
    return {**{rule.alert: rule.expr for rule in rules()}, **shown}


@pytest.fixture(scope="module")
def exposed() -> dict[str, dict[str, set[str]]]:
    """Names of samples, their labels and the values of these: of server, page and monitor."""
    server = ServerMetrics()
    for code in StatusCode:
        server.request("brain_mri", code.name)
    server.request_latency("brain_mri", "Predict", "GRPC", 0.1)
    server.runtime_latency("brain_mri", "Predict", 0.1)
    texts = [server.text(), render_metrics(report())]
    answers: tuple[dict[str, Any], ...] = (
        {},
        {"refer": True, "reasons": "x"},
        {"in_distribution": False},
    )
    for told in answers:
        with running(model(**told)) as answering:
            client = page(answering.address).test_client()
            client.post("/api/v1/predict", data=png())
            client.post("/results")
            texts.append(client.get("/metrics").text)
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for family in chain.from_iterable(map(text_string_to_metric_families, texts)):
        for sample in family.samples:
            name = sample.name
            if name.startswith(":"):  # as the server wrote it, before the parser added the ending
                name = name.removesuffix("_total")
            for label, value in sample.labels.items():
                found[name][label].add(value)
            found[name].setdefault("", set())
    return found


def nodes(node: Any) -> Iterator[Any]:
    """A parsed expression and everything in it."""
    yield node
    for name in ("lhs", "rhs", "expr", "vector_selector", "args", "param"):
        inner = getattr(node, name, None)
        for one in inner if isinstance(inner, list) else [inner]:
            if type(one).__module__ == "promql_parser":
                yield from nodes(one)


def selectors(expression: str) -> list[Any]:
    found = nodes(promql_parser.parse(expression))
    return [node for node in found if type(node).__name__ == "VectorSelector"]


@pytest.mark.parametrize("name", expressions())
def test_what_is_asked_for_is_exposed(name, exposed):
    found = selectors(expressions()[name])
    assert found, "nothing is asked for"
    for selector in found:
        if selector.name in BY_PROMETHEUS:
            continue
        assert selector.name in exposed
        for matcher in selector.matchers.matchers:
            values = exposed[selector.name].get(matcher.name)
            assert values, f"{selector.name} has no label {matcher.name}"
            for value in matcher.value.split("|"):
                # The page answers 5.. only where the model server fails.
                assert value == "5.." or any(re.fullmatch(value, one) for one in values), value


@pytest.mark.parametrize("name", expressions())
def test_what_is_summed_by_is_a_label(name, exposed):
    for node in nodes(promql_parser.parse(expressions()[name])):
        modifier = getattr(node, "modifier", None)
        if type(node).__name__ != "AggregateExpr" or modifier is None:
            continue
        for selector in selectors(str(node)):
            labels = BY_PROMETHEUS.get(selector.name) or set(exposed[selector.name])
            assert set(modifier.labels) <= labels


def values_asked_for(label: str) -> set[str]:
    """The values of a label that any expression selects."""
    return {
        value
        for expression in expressions().values()
        for selector in selectors(expression)
        for matcher in selector.matchers.matchers
        if matcher.name == label
        for value in matcher.value.split("|")
    }


def test_jobs_are_those_of_the_written_configuration(tmp_path):
    written = yaml.safe_load(deployment_file("prometheus.yml", DeploymentConfig(models=tmp_path)))
    jobs = {one["job_name"] for one in written["scrape_configs"]}
    asked = values_asked_for("job")
    assert asked == jobs


def test_each_alert_says_what_it_is_about():
    names = [rule.alert for rule in rules()]
    assert len(set(names)) == len(names)
    for rule in rules():
        assert set(rule.annotations) == {"summary", "description"}
        assert rule.labels["severity"] in ("critical", "warning")
    told = (FOLDER.parents[1] / "docs" / "operations.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \|", told, re.MULTILINE) == names


def test_panels_have_room_and_a_data_source():
    taken: set[tuple[int, int]] = set()
    ids = [panel["id"] for panel in panels()]
    assert len(set(ids)) == len(ids)
    for panel in panels():
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (place["x"] + column, place["y"] + row)
            for column in range(place["w"])
            for row in range(place["h"])
        }
        assert not cells & taken, f"{panel['title']} lies over another panel"
        taken |= cells


def test_the_pages_endpoints_exist():
    app = page("http://127.0.0.1:9")
    known = {rule.endpoint for rule in app.url_map.iter_rules()}
    asked = values_asked_for("endpoint")
    assert asked
    assert asked <= known
