"""What a model card says of a model, in sentences that follow from what was measured."""

from functools import cache
from importlib import resources
from typing import Any

import yaml

from components.disclaimer import DISCLAIMER
from components.evaluate.report.config import CardConfig
from components.evaluate.report.figures import Figures
from components.evaluate.report.lineage import ModelLineage
from components.ingest.report import IngestReport
from components.pages.templates import text_environment
from components.trainer.layers import EXPLAINED_LAYER


def gather(
    figures: Figures, lineage: ModelLineage, data: IngestReport, stated: CardConfig
) -> dict[str, str]:
    """What is known of a model.

    Args:
        figures: Measured on the test images.
        lineage: What made it.
        data: What ingest counted.
        stated: What only the user knows.

    Returns:
        Sentences by the keys that the checklists ask for; what is not known is not there.
    """

    def settings(section: str) -> str:
        inside = f"{section}."
        return ", ".join(
            f"{path.removeprefix(inside)}={value}"
            for path, value in lineage.parameters.items()
            if path.startswith(inside)
        )

    facts: dict[str, str] = {}
    values = {
        "figures": figures,
        "worst": min(figures.slices, key=lambda one: one.accuracy.value or 0.0, default=None),
        "lineage": lineage,
        "data": data,
        "stated": stated,
        "always": sentences()["always"],
        "disclaimer": DISCLAIMER,
        "layer": EXPLAINED_LAYER,
        "settings": settings,
        "facts": facts,
    }
    environment = text_environment()
    for name, template in sentences()["facts"].items():
        if words := environment.from_string(template).render(values):
            facts[name] = words
    return facts


@cache
def sentences() -> dict[str, Any]:
    """Reads them: `always`, what is true of every model by part of the card; and `facts`."""
    text = resources.files(__package__).joinpath("facts.yaml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(text)
    return found
