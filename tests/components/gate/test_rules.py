import pytest
from pydantic import ValidationError

from components.gate.config import GateConfig
from components.gate.rules import RULES, rule_of


@pytest.mark.parametrize("name", [*RULES, "drift:image/mean", "schema:image/label", "range:a:b"])
def test_known_names_belong_to_a_rule(name):
    assert rule_of(name) == name.partition(":")[0]


@pytest.mark.parametrize(
    "name", ["", "drfit", "leak:image/mean", "drift:", ":", "Drift", "<script>", "drift image/mean"]
)
def test_unknown_names_are_refused(name):
    with pytest.raises(ValueError, match="the gate has no finding named"):
        rule_of(name)


def test_severity_is_that_of_the_finding_then_of_the_rule_then_the_default():
    config = GateConfig(severity={"drift": "warn", "drift:image/mean": "stop"})
    assert config.severity_of("drift:image/mean") == "stop"
    assert config.severity_of("drift:image/std", "stop") == "warn"
    assert config.severity_of("leak", "warn") == "warn"
    assert config.severity_of("leak") == "stop"


@pytest.mark.parametrize(
    ("severity", "words"),
    [
        ({"drfit": "warn"}, "did you mean 'drift'"),
        ({"drift": "ignore"}, "'pass', 'warn' or 'stop'"),
        ({"leak:image/mean": "warn"}, "did you mean 'leak'"),
    ],
)
def test_severities_of_other_names_or_kinds_are_refused(severity, words):
    with pytest.raises(ValidationError, match=words):
        GateConfig(severity=severity)
