"""The model card: what a model is for, how good it is, and what is not known of it."""

from collections.abc import Sequence
from pathlib import Path

from components.counted import counted
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
from components.whole_file import whole_file

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


class ExternalValidation(StrictConfig):
    """How a model did on images of another place.

    Attributes:
        time: When, UTC.
        source: Name of the folder.
        fingerprint: Digest of its listing.
        images: How many images the figures are of.
        set_aside: How many others match an image that it was trained on.
        training_unknown: Why nobody can tell which do; empty where that is known.
        unknown_classes: Files of classes that it does not know, by class.
        drifted: Features that are distributed differently from its training images.
        figures: Measured there, by name.
    """

    time: str
    source: str
    fingerprint: str
    images: int
    set_aside: int
    training_unknown: str = ""
    unknown_classes: dict[str, int] = {}
    drifted: tuple[str, ...] = ()
    figures: dict[str, Figure]

    @property
    def words(self) -> str:
        """What came of it, in a few sentences."""
        said = f"{self.source}, {self.time}: {counted(self.images, 'image')}"
        if self.set_aside:
            said += f", {self.set_aside:,} more set aside because it was trained on a match"
        shown = ("accuracy", "tumour sensitivity", "ece")
        told = [f"{name} {self.figures[name].words}" for name in shown if name in self.figures]
        said += f"; {'; '.join(told) or 'no figure could be computed'}."
        if self.training_unknown:
            said += f" It may have been trained on some of them: {self.training_unknown}."
        if self.unknown_classes:
            said += f" It does not know {', '.join(self.unknown_classes)}."
        if self.drifted:
            said += f" Drift from its training images: {', '.join(self.drifted)}."
        return said


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
        external: How it did on images of other places, the oldest first.
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
    external: tuple[ExternalValidation, ...] = ()
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

    def validated(self, external: Sequence[ExternalValidation]) -> "ModelCard":
        """The card with what is known of images of other places.

        Args:
            external: All validations, the oldest first.
        """
        if not external:
            return self
        numbers = {item.number for item in checklists().claim if "external" in item.facts}
        words = " ".join(one.words for one in external)
        claim = tuple(
            one.model_copy(update={"answer": words}) if one.number in numbers else one
            for one in self.claim
        )
        return self.model_copy(update={"external": tuple(external), "claim": claim})

    def write(self, folder: Path) -> None:
        """Writes the card into a folder, as JSON and as Markdown."""
        super().write(folder)
        template = text_environment(_TEMPLATE.parent).get_template(_TEMPLATE.name)
        with whole_file(folder / CARD_MARKDOWN) as file:
            file.write_text(template.render(card=self), encoding="utf-8")
