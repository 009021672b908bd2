"""What CLAIM and TRIPOD+AI ask of a report on a model, and how the card answers."""

from collections.abc import Mapping
from functools import cache
from importlib import resources

import yaml

from components.strict_config import StrictConfig

UNKNOWN = "unknown"


class Item(StrictConfig):
    """A question, and which facts answer it.

    Attributes:
        number: In its checklist.
        question: What is asked for.
        facts: Keys of the facts that answer it; with none there is no answer.
    """

    number: str
    question: str
    facts: tuple[str, ...] = ()


class Checklists(StrictConfig):
    """The checklists.

    Attributes:
        claim: CLAIM, 2024 update.
        tripod_ai: TRIPOD+AI.
    """

    claim: tuple[Item, ...]
    tripod_ai: tuple[Item, ...]


class Answer(StrictConfig):
    """An item and its answer, or `unknown`."""

    number: str
    question: str
    answer: str


@cache
def checklists() -> Checklists:
    """Reads the checklists."""
    text = resources.files(__package__).joinpath("checklists.yaml").read_text(encoding="utf-8")
    return Checklists.model_validate(yaml.safe_load(text))


def answer(items: tuple[Item, ...], facts: Mapping[str, str]) -> tuple[Answer, ...]:
    """Answers a checklist.

    Args:
        items: The checklist.
        facts: What is known, by key.

    Returns:
        An answer an item, `unknown` where a fact is not there.
    """
    return tuple(
        Answer(
            number=item.number,
            question=item.question,
            answer=" ".join(facts[key] for key in item.facts if key in facts) or UNKNOWN,
        )
        for item in items
    )
