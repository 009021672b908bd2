"""What the gate came to: findings, and whether the run goes on."""

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Literal

from components.errors import PipelineError
from components.gate.rules import RULES, Severity, rule_of
from components.json_file import JsonFile
from components.strict_config import StrictConfig

PAGE_FILE = "index.html"

Outcome = Literal["passed", "warned", "stopped"]

PASSING: tuple[Outcome, ...] = ("passed", "warned")
"""Outcomes after which a run goes on."""

STATISTICS_ID = "statistics_id"
REPORT_ID = "report_id"
"""Custom properties of a GateVerdict: which statistics and which report of ingest were judged."""


class Finding(StrictConfig):
    """Something about the data that a person should know.

    Attributes:
        name: The rule, and behind a colon the feature where the rule is about one.
        severity: What it does to the run.
        found: What is the matter, in a sentence.
        expected: What would have been in order.
        action: What can be done.
        figures: The numbers behind it.
        accepted: Whether it would have stopped the run, and a person accepted it.
    """

    name: str
    severity: Severity
    found: str
    expected: str
    action: str
    figures: dict[str, int | float] = {}
    accepted: bool = False


class Distance(StrictConfig):
    """How far a feature's distribution lies from that of the previous data.

    Attributes:
        feature: The feature.
        value: Jensen-Shannon divergence of the training images, 0 (alike) to 1.
        allowed: Up to which value it counts as the same distribution.
        mean: Of the feature's values, where they are numbers.
        previous_mean: The same of the previous data.
    """

    feature: str
    value: float
    allowed: float
    mean: float | None = None
    previous_mean: float | None = None


class Previous(StrictConfig):
    """The data that were compared with: the last that passed.

    Attributes:
        source: Name of their folder.
        span: Their newest span.
        images: How many images they had in all splits.
    """

    source: str
    span: int
    images: int


class DataVerdict(JsonFile):
    """The gate's judgement of one ingestion.

    Attributes:
        outcome: `stopped` if a finding stops the run, `warned` if one warns, else `passed`.
        source: Name of the data folder.
        span: The newest span in the data.
        findings: The most severe first.
        reason: Why findings were accepted.
        previous: What the data were compared with; None where nothing has passed before.
        distances: How far the features lie from those of the previous data.
    """

    FILE = "verdict.json"

    outcome: Outcome
    source: str
    span: int
    findings: tuple[Finding, ...]
    reason: str = ""
    previous: Previous | None = None
    distances: tuple[Distance, ...] = ()

    def named(self, severity: Severity) -> tuple[str, ...]:
        """Names of the findings of one severity."""
        return tuple(finding.name for finding in self.findings if finding.severity == severity)


class StoppedByGate(PipelineError):  # noqa: N818 - a decision, not an error
    """The data must not be used as they are."""

    exit_code = 3  # STOPPED_BY_GATE, as pipeline.exit_code calls it

    def __init__(
        self, folder: Path, accepting: str = "--accept-anomalies {names} --reason TEXT"
    ) -> None:
        """Says what stopped the run, where to read why, and how to go on.

        Args:
            folder: The verdict's folder.
            accepting: How the findings, `{names}`, are accepted where the run was started.
        """
        names = DataVerdict.read(folder).named("stop")
        super().__init__(
            f"The data gate stopped the run: {', '.join(names)}. {folder / PAGE_FILE} shows why; "
            f"correct the data, or accept the findings with "
            f"{accepting.format(names=','.join(names))}."
        )


_OUTCOMES: dict[Severity, Outcome] = {"stop": "stopped", "warn": "warned", "pass": "passed"}
"""By the severity of the worst finding, the worst first."""


def weigh(
    findings: Iterable[Finding], accepted: Collection[str]
) -> tuple[Outcome, tuple[Finding, ...]]:
    """Decides what findings come to.

    Args:
        findings: All that was found.
        accepted: Names of findings, or of rules, that shall warn instead of stop.

    Returns:
        The outcome, and the findings, the most severe first, then in the order of the rules.
    """
    rules, severities = list(RULES), list(_OUTCOMES)
    weighed = sorted(
        (_accept(finding, accepted) for finding in findings),
        key=lambda finding: (
            severities.index(finding.severity),
            rules.index(rule_of(finding.name)),
            finding.name,
        ),
    )
    return _OUTCOMES[weighed[0].severity if weighed else "pass"], tuple(weighed)


def _accept(finding: Finding, accepted: Collection[str]) -> Finding:
    if finding.severity == "stop" and {finding.name, rule_of(finding.name)} & set(accepted):
        return finding.model_copy(update={"severity": "warn", "accepted": True})
    return finding
