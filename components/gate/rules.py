"""The rules that data are judged by, and the names of what they find."""

from typing import Literal

from components.validation import nearest_name

Severity = Literal["pass", "warn", "stop"]

RULES: dict[str, Severity] = {
    "rejected_files": "stop",
    "empty_split": "stop",
    "missing_class": "stop",
    "class_imbalance": "warn",
    "excluded_images": "warn",
    "leak": "stop",
    "label_conflicts": "warn",
    "source": "warn",
    "shrunk": "warn",
    "schema": "stop",
    "range": "warn",
    "drift": "stop",
}
"""Every rule with the severity of what it finds, unless the configuration says otherwise."""

FEATURE_RULES = ("schema", "range", "drift")
"""Rules that find something in one feature: the finding is named `rule:feature`."""


def rule_of(name: str) -> str:
    """The rule that makes findings of this name.

    Args:
        name: A finding's name, such as `drift:image/mean`, or a rule's, which stands for all that
            the rule finds.

    Returns:
        The rule's name.

    Raises:
        ValueError: There is no such rule; the message names the nearest.
    """
    rule, colon, feature = name.partition(":")
    if rule in RULES and (not colon or (feature and rule in FEATURE_RULES)):
        return rule
    raise ValueError(f"the gate has no finding named {name!r}{nearest_name(rule, RULES)}")
