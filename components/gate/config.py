"""What can be chosen about the gate."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from components.gate.rules import RULES, Severity, rule_of
from components.gate.verdict import Finding
from components.ingest.evidence.table import TELLING
from components.strict_config import StrictConfig


def _known(name: str) -> str:
    rule_of(name)
    return name


FindingName = Annotated[str, AfterValidator(_known)]
"""The name of a finding, or of a rule, which stands for all that the rule finds."""


class GateConfig(StrictConfig):
    """When data are suspicious, and what then happens.

    Attributes:
        severity: `pass`, `warn` or `stop`, by rule (`drift`) or finding (`drift:image/mean`), if it
            should differ from the default.
        max_rejected_share: Largest share of files that may be unusable.
        max_imbalance: How many times more training images the largest class may have than the
            smallest.
        max_excluded_share: Largest share of the training images, all or of one class, that may be
            set aside because they match test images.
        max_levels_auc: Largest area under the ROC curve with which levels that a tumour hardly
            changes may distinguish a class from the rest. Above it, or if a look lacks a class, the
            finding is `source`.
        min_previous_share: Lowest number of images, as a share of the previous data's.
        drift_noise: Allowance for small data: this times (1 / training images now + 1 / training
            images before) is added to the schema's threshold.
    """

    severity: dict[FindingName, Severity] = {}
    max_rejected_share: float = Field(0.01, ge=0, le=1)
    max_imbalance: float = Field(10, ge=1)
    max_excluded_share: float = Field(0.5, ge=0, le=1)
    max_levels_auc: float = Field(TELLING, ge=0.5, le=1)
    min_previous_share: float = Field(0.5, ge=0, le=1)
    drift_noise: float = Field(6, ge=0)

    def severity_of(self, name: str, default: Severity | None = None) -> Severity:
        """How severe a finding is.

        Args:
            name: The finding's name.
            default: Used instead of the rule's own where the configuration says nothing.

        Returns:
            What the configuration says of the finding, or of its rule, or the default.
        """
        rule = rule_of(name)
        chosen = self.severity.get(name) or self.severity.get(rule)
        return chosen or default or RULES[rule]

    def finding(self, name: str, *, default: Severity | None = None, **said: Any) -> Finding:
        """A finding, as severe as `severity_of` says.

        Args:
            name: Its name.
            default: Its severity, unless the configuration says another.
            **said: The rest of `Finding`.

        Returns:
            The finding.
        """
        return Finding(name=name, severity=self.severity_of(name, default), **said)
