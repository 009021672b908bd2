"""The model card: what a model is for, how good it is, and what is not known of it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from components.disclaimer import DISCLAIMER
from components.evaluate.report.checklists import CLAIM, TRIPOD_AI, Answer, answer
from components.evaluate.report.facts import (
    ETHICS,
    INTENDED_USE,
    LIMITS,
    OUT_OF_SCOPE,
    gather,
    words_of,
)
from components.evaluate.report.figures import Figure, Figures
from components.evaluate.report.lineage import Lineage
from components.evaluate.verdict import Verdict
from components.ingest.report import IngestReport
from components.strict_config import StrictConfig

CARD_JSON, CARD_MARKDOWN = "model_card.json", "model_card.md"


class Decision(StrictConfig):
    """What a person, or the pipeline itself, decided about a model.

    Attributes:
        decision: `pushed`, `approved`, `rejected` or `rolled back to`.
        time: When, UTC.
        reason: Why.
        report: Digest of the report that it was decided from.
        version: What it was pushed as, if it was.
    """

    decision: str
    time: str
    reason: str
    report: str
    version: str | None = None


class ModelCard(StrictConfig):
    """A model card.

    Attributes:
        name: What it is.
        version: What it is served as; None until it is.
        intended_use: What it is for.
        out_of_scope: What it is not for.
        blessed: Whether it met every threshold.
        reasons: Why not.
        data: Where its images come from, and under which licence.
        protocol: How they were split.
        disjoint: At which level training and test images are disjoint.
        figures: Measured on the test images.
        missing: What could not be computed.
        limits: What is known to limit it.
        ethics: What should be borne in mind.
        lineage: What made it.
        changelog: What became of it, the oldest first.
        claim: The items of CLAIM, answered.
        tripod_ai: The items of TRIPOD+AI, answered.
        disclaimer: What it is not.
    """

    name: str
    version: str | None = None
    intended_use: str = INTENDED_USE
    out_of_scope: tuple[str, ...] = OUT_OF_SCOPE
    blessed: bool
    reasons: tuple[str, ...]
    data: str
    protocol: str
    disjoint: str
    figures: dict[str, Figure]
    missing: tuple[str, ...]
    limits: tuple[str, ...] = LIMITS
    ethics: tuple[str, ...] = ETHICS
    lineage: Lineage
    changelog: tuple[Decision, ...] = ()
    claim: tuple[Answer, ...]
    tripod_ai: tuple[Answer, ...]
    disclaimer: str = DISCLAIMER

    @staticmethod
    def of(figures: Figures, verdict: Verdict, lineage: Lineage, data: IngestReport) -> "ModelCard":
        """Writes a model's card.

        Args:
            figures: Measured on the test images.
            verdict: Whether it was blessed.
            lineage: What made it.
            data: What ingest counted.

        Returns:
            The card.
        """
        facts = gather(figures, lineage, data)
        by_class = {
            f"{figure} of {name}": value
            for name, values in figures.by_class.items()
            for figure, value in values.items()
        }
        headline = {name.replace("_", " "): value for name, value in figures.headline.items()}
        return ModelCard(
            name=facts["method"],
            blessed=verdict.blessed,
            reasons=verdict.reasons,
            data=facts["data"],
            protocol=facts["split"],
            disjoint=facts["disjoint"],
            figures={**headline, **by_class},
            missing=figures.missing,
            lineage=lineage,
            claim=answer(CLAIM, facts),
            tripod_ai=answer(TRIPOD_AI, facts),
        )

    def decided(self, decision: Decision) -> "ModelCard":
        """The card with one more line in its changelog."""
        return self.model_copy(
            update={"version": decision.version, "changelog": (*self.changelog, decision)}
        )

    def write(self, folder: Path) -> None:
        """Writes the card into a folder, as JSON and as Markdown."""
        (folder / CARD_JSON).write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")
        (folder / CARD_MARKDOWN).write_text("\n".join(_markdown(self)) + "\n", encoding="utf-8")

    @staticmethod
    def read(folder: Path) -> "ModelCard":
        """Reads what `write` wrote."""
        return ModelCard.model_validate_json((folder / CARD_JSON).read_bytes())


def _markdown(card: ModelCard) -> Iterator[str]:
    yield from ("# Model card", "", card.name, "", f"**{card.disclaimer}**", "")
    yield f"Version {card.version}." if card.version else "Not served."
    yield "Blessed: every threshold is met." if card.blessed else "Refused:"
    yield from ("", *(f"- {reason}" for reason in card.reasons))
    yield from ("", "## Intended use", "", card.intended_use)
    yield from ("", "## Out of scope", "", *(f"- {use}" for use in card.out_of_scope))
    yield from ("", "## Data", "", card.data, "", card.protocol, "", card.disjoint)
    yield from ("", "## Figures", "", "| figure | value | images |", "|---|---|---|")
    for name, figure in card.figures.items():
        yield f"| {_cell(name)} | {words_of(figure)} | {figure.images:,} |"
    yield from ("", *(f"- Not computable: {words}" for words in card.missing))
    yield from ("", "## Limits", "", *(f"- {limit}" for limit in card.limits))
    yield from ("", "## Ethical considerations", "", *(f"- {one}" for one in card.ethics))
    yield from ("", "## Changelog", "")
    if not card.changelog:
        yield "- Evaluated; nothing was decided yet."
    for one in card.changelog:
        version = f" as version {one.version}" if one.version else ""
        yield f"- {one.time}: {one.decision}{version}. {one.reason} (report {one.report[:12]})"
    yield from ("", "## Lineage", "")
    facts = card.lineage.model_dump(exclude={"parameters", "tuned", "environment"})
    for name, value in facts.items():
        yield f"- {name.replace('_', ' ')}: {value}"
    yield from _checklist("CLAIM, 2024 update", card.claim)
    yield from _checklist("TRIPOD+AI", card.tripod_ai)


def _checklist(title: str, answers: Sequence[Answer]) -> Iterator[str]:
    yield from ("", f"## {title}", "", "| item | | answer |", "|---|---|---|")
    for one in answers:
        yield f"| {one.number} | {one.question} | {_cell(one.answer)} |"


def _cell(words: str) -> str:
    return words.replace("|", "\\|").replace("\n", " ")
