"""What an evaluation came to: figures on the test split and, in words, why a model is refused."""

from components.json_file import JsonFile
from components.pages.numbers import fraction
from components.strict_config import StrictConfig

CURRENT_MODEL_ID = "current_model_id"
"""A blessing's property, by TFX: the model that was blessed or not."""
WITHDRAWN = "withdrawn"
"""A blessing's property: a person rejected its model, or went back to an earlier one."""
CHOSEN_OVER = "chosen_over"
"""A blessing's property: the newest model that there was when a person went back to its model."""


class Check(StrictConfig):
    """A threshold and what was measured.

    Attributes:
        figure: What it is on, in words.
        slice: Which test images, as `FEATURE=VALUE`; empty for all.
        demanded: What is allowed, in words.
        said: How a reason states the value, with `{}` for it; empty: `FIGURE is VALUE`.
        value: What was measured; None where it cannot be computed.
        met: Whether it is met; of the test images as they are, that is TFMA's word.
    """

    figure: str
    slice: str = ""
    demanded: str
    said: str = ""
    value: float | None
    met: bool

    @property
    def reason(self) -> str:
        """Why a model is refused, as a sentence without its full stop."""
        where = f" on {self.slice}" if self.slice else ""
        if self.value is None:
            return f"{self.figure}{where} cannot be computed (limit: {self.demanded})"
        if self.said:
            limit = self.demanded.removeprefix("at most ")
            return f"{self.said.format(fraction(self.value))}{where} (limit {limit})"
        return f"{self.figure}{where} is {fraction(self.value)} (limit: {self.demanded})"


class SliceAccuracy(StrictConfig):
    """How good the model is on a part of the test split.

    Attributes:
        accuracy: 0 to 1.
        examples: Images in it.
    """

    accuracy: float
    examples: int


class ModelVerdict(JsonFile):
    """The outcome of an evaluation.

    Attributes:
        blessed: Whether every threshold is met and every figure that has one could be computed.
        reasons: A sentence for each threshold that is missed and each figure that is missing.
        examples: Test images.
        figures: TFMA's figures on all of them, by the name that a threshold would have.
        accuracy_by_class: Share of each true class that is recognised (its recall).
        seen: Accuracy on test images with a match in the original training folder, or None.
        novel: On the others, or None.
        checks: Every threshold.
        compared: On how many test images the model was compared with the last blessed one; None
            where it was not.
        set_aside: Which test images were left out of that and why, in words; empty where none was.
    """

    FILE = "verdict.json"

    blessed: bool
    reasons: tuple[str, ...]
    examples: int
    figures: dict[str, float | None] = {}
    accuracy_by_class: dict[str, float] = {}
    seen: SliceAccuracy | None = None
    novel: SliceAccuracy | None = None
    checks: tuple[Check, ...] = ()
    compared: int | None = None
    set_aside: str = ""

    @property
    def accuracy(self) -> float | None:
        """Accuracy on the whole test split, 0 to 1; None where it cannot be computed."""
        return self.figures.get("accuracy")
