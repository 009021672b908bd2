import pytest

from components.gate.verdict import DataVerdict, Finding, StoppedByGate, weigh


def _finding(name, severity="stop"):
    return Finding(name=name, severity=severity, found="f", expected="e", action="a")


@pytest.mark.parametrize(
    ("severities", "outcome"),
    [
        ([], "passed"),
        (["pass"], "passed"),
        (["pass", "warn"], "warned"),
        (["warn", "stop", "pass"], "stopped"),
    ],
)
def test_the_most_severe_finding_decides(severities, outcome):
    assert weigh([_finding("leak", severity) for severity in severities], ())[0] == outcome


@pytest.mark.parametrize("accepted", ["drift", "drift:image/mean"])
def test_an_accepted_finding_warns(accepted):
    outcome, [finding] = weigh([_finding("drift:image/mean")], [accepted])
    assert (outcome, finding.severity, finding.accepted) == ("warned", "warn", True)


def test_only_what_is_accepted_is_let_pass():
    findings = [_finding("drift:image/mean"), _finding("leak"), _finding("range:x", "warn")]
    outcome, weighed = weigh(findings, ["drift:image/std", "schema", "leak", "range"])
    assert outcome == "stopped"
    assert [(f.name, f.severity, f.accepted) for f in weighed] == [
        ("drift:image/mean", "stop", False),
        ("leak", "warn", True),
        ("range:x", "warn", False),
    ]


def test_findings_come_by_severity_then_by_rule():
    names = ["drift:b", "drift:a", "missing_class", "rejected_files"]
    _, weighed = weigh([_finding("label_conflicts", "warn"), *map(_finding, names)], ())
    assert [finding.name for finding in weighed] == [
        *reversed(names[2:]), "drift:a", "drift:b", "label_conflicts",
    ]  # fmt: skip


def test_a_verdict_is_read_as_it_was_written(tmp_path):
    verdict = DataVerdict(
        outcome="stopped", source="naïve", span=3, findings=(_finding("leak"),), reason="so"
    )
    verdict.write(tmp_path)
    assert DataVerdict.read(tmp_path) == verdict


def test_the_message_names_what_stopped_and_how_to_go_on(tmp_path):
    findings = (_finding("missing_class"), _finding("drift:image/std"), _finding("leak", "warn"))
    DataVerdict(outcome="stopped", source="s", span=0, findings=findings).write(tmp_path)
    message = str(StoppedByGate(tmp_path))
    assert "stopped the run: missing_class, drift:image/std." in message
    assert str(tmp_path / "index.html") in message
    assert "--accept-anomalies missing_class,drift:image/std --reason TEXT" in message
    assert "leak" not in message
