"""The model card: what a model is for, how good it is, and what is not known of it."""

from pathlib import Path

from components.disclaimer import DISCLAIMER
from components.evaluate.report.checklists import Answer, answer, checklists
from components.evaluate.report.config import CardConfig
from components.evaluate.report.facts import gather, sentences
from components.evaluate.report.figures import Figure, Figures
from components.evaluate.report.lineage import ModelLineage
from components.evaluate.verdict import ModelVerdict
from components.ingest.report import IngestReport
from components.json_file import JsonFile
from components.pages.templates import text_environment
from components.strict_config import StrictConfig

CARD_JSON, CARD_MARKDOWN = "model_card.json", "model_card.md"
NOT_STATED = "not stated"
"""In the place of what only the user knows, and did not say."""
_TEMPLATE = Path(__file__).with_name("model_card.jinja")


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


class ModelCard(JsonFile):
    """A model card.

    Attributes:
        name: What it is.
        version: What it is served as; None until it is.
        intended_use: What its users say that it is for.
        design: What the pipeline makes it for.
        out_of_scope: What it is not for.
        blessed: Whether it met every threshold.
        reasons: Why not.
        data: What its images are.
        data_source: Where they come from, as its users say.
        licence: Under which terms they may be used, as its users say.
        contact: Who answers questions.
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

    FILE = CARD_JSON

    name: str
    version: str | None = None
    intended_use: str
    design: str = ""
    out_of_scope: tuple[str, ...]
    blessed: bool
    reasons: tuple[str, ...]
    data: str
    data_source: str = NOT_STATED
    licence: str = NOT_STATED
    contact: str = NOT_STATED
    protocol: str
    disjoint: str
    figures: dict[str, Figure]
    missing: tuple[str, ...]
    limits: tuple[str, ...]
    ethics: tuple[str, ...]
    lineage: ModelLineage
    changelog: tuple[Decision, ...] = ()
    claim: tuple[Answer, ...]
    tripod_ai: tuple[Answer, ...]
    disclaimer: str = DISCLAIMER

    @staticmethod
    def of(
        figures: Figures,
        verdict: ModelVerdict,
        lineage: ModelLineage,
        data: IngestReport,
        stated: CardConfig | None = None,
    ) -> "ModelCard":
        """Writes a model's card.

        Args:
            figures: Measured on the test images.
            verdict: Whether it was blessed.
            lineage: What made it.
            data: What ingest counted.
            stated: What only the user knows.

        Returns:
            The card.
        """
        stated = stated or CardConfig()
        facts, always = gather(figures, lineage, data, stated), sentences()["always"]
        by_class = {
            f"{figure.replace('_', ' ')} of {name}": value
            for name, values in figures.by_class.items()
            for figure, value in values.items()
        }
        headline = {name.replace("_", " "): value for name, value in figures.headline.items()}
        sets = {}
        if figures.sets is not None:
            share = f"{figures.sets.level:.3g}"
            sets[f"coverage of prediction sets of level {share}"] = figures.sets.coverage
            sets["classes in a prediction set, mean"] = figures.sets.size
        return ModelCard(
            name=facts["method"],
            intended_use=stated.intended_use or NOT_STATED,
            design=facts["design"],
            out_of_scope=always["out_of_scope"],
            blessed=verdict.blessed,
            reasons=verdict.reasons,
            data=facts["data"],
            data_source=stated.data_source or NOT_STATED,
            licence=stated.licence or NOT_STATED,
            contact=stated.contact or NOT_STATED,
            protocol=facts["split"],
            disjoint=facts["disjoint"],
            figures={**headline, **sets, **by_class},
            missing=figures.missing,
            limits=always["limits"],
            ethics=always["ethics"],
            lineage=lineage,
            claim=answer(checklists().claim, facts),
            tripod_ai=answer(checklists().tripod_ai, facts),
        )

    def decided(self, decision: Decision) -> "ModelCard":
        """The card with one more line in its changelog."""
        return self.model_copy(
            update={"version": decision.version, "changelog": (*self.changelog, decision)}
        )

    def write(self, folder: Path) -> None:
        """Writes the card into a folder, as JSON and as Markdown."""
        super().write(folder)
        template = text_environment(_TEMPLATE.parent).get_template(_TEMPLATE.name)
        (folder / CARD_MARKDOWN).write_text(template.render(card=self), encoding="utf-8")
