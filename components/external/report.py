"""What an external validation came to."""

from components.evaluate.report.card import ExternalValidation
from components.evaluate.report.figures import Figure, Figures
from components.gate.verdict import Distance
from components.json_file import JsonFile

PAGE_FILE = "index.html"
"""The page beside it."""


class ExternalReport(JsonFile):
    """A model on the images of a folder that it was not built for.

    Attributes:
        model_id: The model, in ML Metadata.
        run: The run that trained it.
        time: When it was evaluated, UTC.
        source: Name of the data folder.
        fingerprint: Digest of its listing.
        found: Files of the classes that the model knows.
        rejected: Files of these that cannot be used, by reason.
        unknown_classes: Files of classes that the model does not know, by class; none was read.
        images: Images that can be used.
        set_aside: How many of them match an image that the model was trained on; no figure is of
            these.
        training_unknown: Why nobody can tell which images match; empty where that is known.
        figures: On the images that are not set aside.
        own: The headline figures of the model's own test, by name; empty where its report is gone.
        distances: How far the images lie from those that the model was trained on, by feature.
        drift_missing: Why distances are missing; empty if they are there.
    """

    FILE = "external.json"

    model_id: int
    run: str
    time: str
    source: str
    fingerprint: str
    found: int
    rejected: dict[str, int] = {}
    unknown_classes: dict[str, int] = {}
    images: int
    set_aside: int
    training_unknown: str = ""
    figures: Figures
    own: dict[str, Figure] = {}
    distances: tuple[Distance, ...] = ()
    drift_missing: str = ""

    @property
    def drifted(self) -> tuple[str, ...]:
        """Features that are distributed differently from the training images."""
        return tuple(one.feature for one in self.distances if one.value > one.allowed)

    @property
    def validation(self) -> ExternalValidation:
        """What of it belongs in the model's card."""
        return ExternalValidation(
            time=self.time,
            source=self.source,
            fingerprint=self.fingerprint,
            images=self.figures.images,
            set_aside=self.set_aside,
            training_unknown=self.training_unknown,
            unknown_classes=self.unknown_classes,
            drifted=self.drifted,
            figures={
                name.replace("_", " "): value for name, value in self.figures.headline.items()
            },
        )
