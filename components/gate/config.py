"""What can be chosen about the gate."""

from pydantic import Field, field_validator

from components.gate.rules import RULES, Severity, rule_of
from components.strict_config import StrictConfig


class GateConfig(StrictConfig):
    """When data are suspicious, and what then happens.

    Attributes:
        severity: `pass`, `warn` or `stop` by rule (`drift`) or finding (`drift:image/mean`), where
            it shall differ from the default.
        max_rejected_share: Largest share of files that may be unusable.
        max_imbalance: How many times as many training images the largest class may have as the
            smallest.
        max_excluded_share: Largest share of the training images, all or of one class, that may be
            set aside because they match test images.
        min_previous_share: Least number of images, as a share of the previous data's.
        drift_noise: How much farther small data may lie from the previous: beyond the schema's
            threshold, this times the sum of one over the training images now and one over those
            before.
    """

    severity: dict[str, Severity] = {}
    max_rejected_share: float = Field(0.01, ge=0, le=1)
    max_imbalance: float = Field(10, ge=1)
    max_excluded_share: float = Field(0.5, ge=0, le=1)
    min_previous_share: float = Field(0.5, ge=0, le=1)
    drift_noise: float = Field(6, ge=0)

    @field_validator("severity")
    @classmethod
    def _known(cls, severity: dict[str, Severity]) -> dict[str, Severity]:
        for name in severity:
            rule_of(name)
        return severity

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
