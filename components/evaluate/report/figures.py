"""All figures of a model as data: what the page, the terminal, the card and `--json` show."""

from components.json_file import JsonFile
from components.pages.numbers import fraction
from components.strict_config import StrictConfig

TITLES = {
    "tumour_sensitivity": "Sensitivity for tumour",
    "tumour_specificity": "Specificity for tumour",
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "macro_precision": "Precision, mean of the classes",
    "macro_f1": "F1, mean of the classes",
    "tumour_auc": "Area under the ROC curve, tumour against none",
    "brier": "Brier score (0 is best, 2 worst)",
    "ece": "Calibration error",
    "ece_uncalibrated": "Calibration error before calibration",
    "referred": "Referred to a reader",
    "accuracy_unreferred": "Accuracy on the rest",
}


class Figure(StrictConfig):
    """A number and how sure it is.

    Attributes:
        value: The number; None where it cannot be computed.
        low: Lower end of its 95 % interval, if that can be computed.
        high: The upper end.
        images: How many images it is about.
        missing: Why there is no number.
        exact: Whether the interval is Clopper and Pearson's on groups, because every bootstrap
            sample says the same.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    images: int = 0
    missing: str = ""
    exact: bool = False

    @property
    def words(self) -> str:
        """A share in words, with its interval, such as `0.963 (95% interval 0.941 to 0.981)`."""
        if self.value is None:
            return f"not computable: {self.missing}"
        if self.low is None or self.high is None:
            return fraction(self.value)
        ends = f"{fraction(self.low)} to {fraction(self.high)}"
        return f"{fraction(self.value)} (95% interval {ends})"


class SliceFigures(StrictConfig):
    """How good the model is on a part of the test images.

    Attributes:
        feature: What the images have in common.
        value: Which value of it.
        images: How many they are.
        accuracy: On them.
        tumour_sensitivity: On them.
    """

    feature: str
    value: str
    images: int
    accuracy: Figure
    tumour_sensitivity: Figure


class ChangeFigures(StrictConfig):
    """How good the model is on images that were changed in one way.

    Attributes:
        name: Of the change.
        strength: 1 for the slightest.
        words: What a person calls it.
        accuracy: On them.
        tumour_sensitivity: Share of those with a tumour in which one is found, of any kind.
        confidently_wrong: Share of them that is wrong, with a probability of 0.9 or more, and not
            flagged.
    """

    name: str
    strength: int
    words: str
    accuracy: Figure
    tumour_sensitivity: Figure
    confidently_wrong: Figure


class RobustnessFigures(StrictConfig):
    """Whether the model looks at the tumour: how it answers images that were changed.

    Attributes:
        images: How many were changed.
        groups: Groups that they form.
        chance: Accuracy of always naming the most frequent class.
        unchanged: The same images as they are, in grey.
        styles: In the style of an image of another class.
        remains: What is left of them without anatomy.
        shifts: Shifted, the worst first.
        swapped_accuracy: Mean of the styles.
        shifted_accuracy: Mean of the shifts.
        confidently_wrong: Mean of the shifts.
        differences: Candidate minus last blessed model, on the images that are new to both, of
            `swapped_accuracy` and `shifted_accuracy`; empty if there is no comparison.
        left_out: How often a change left nothing to see, or no image gave a style.
    """

    images: int
    groups: int
    chance: float
    unchanged: ChangeFigures
    styles: tuple[ChangeFigures, ...]
    remains: tuple[ChangeFigures, ...]
    shifts: tuple[ChangeFigures, ...]
    swapped_accuracy: Figure
    shifted_accuracy: Figure
    confidently_wrong: Figure
    differences: dict[str, Figure] = {}
    left_out: int = 0


class SetFigures(StrictConfig):
    """Whether prediction sets hold the true class as often as they promise.

    Attributes:
        level: What they promise, 0 to 1.
        coverage: Share of the images whose set holds the true class.
        promised: The same share counting the images of a class in a group as one, as the promise
            counts them; None in reports from before it was measured.
        size: Mean number of classes in a set.
        single: Share of the images whose set is one class.
        by_class: Coverage of each class's images, by class.
    """

    level: float
    coverage: Figure
    promised: Figure | None = None
    size: Figure
    single: Figure
    by_class: dict[str, Figure]


class Comparison(StrictConfig):
    """A model against another, image by image.

    Attributes:
        model_id: The other model, in ML Metadata.
        differences: By figure: candidate minus other, with its interval.
        p_values: By figure, two-sided, of the paired bootstrap over groups.
        better: Images that only the candidate has right.
        worse: Images that only the other has right.
        mcnemar: The exact McNemar test on these two numbers, which takes images for independent.
        own: The candidate's figures on the same images, by name.
        other: The other's.
        images: How many these are.
        set_aside: Which test images were left out and why, in words; empty where none was.
    """

    model_id: int
    differences: dict[str, Figure]
    p_values: dict[str, float | None]
    better: int
    worse: int
    mcnemar: float
    own: dict[str, float | None] = {}
    other: dict[str, float | None]
    images: int = 0
    set_aside: str = ""


class Bin(StrictConfig):
    """Images of similar confidence.

    Attributes:
        confidence: Their mean confidence.
        accuracy: Share of them that is right.
        images: How many they are.
    """

    confidence: float
    accuracy: float
    images: int


class Figures(JsonFile):
    """Everything that is known of a model from the test images.

    Attributes:
        model_id: The model, in ML Metadata.
        classes: Class names in the order of the confusion matrix.
        healthy_class: The one without a tumour, if there is one.
        images: Test images.
        groups: Groups that they form: the units that intervals are drawn over.
        missing: Figures that cannot be computed, in words.
        headline: Figures of all images, by name.
        by_class: Figures of each class against the rest, by class and name.
        confusion: Images by true and by predicted class; empty where there are none.
        slices: Parts of the test images.
        reliability: Bins by name, `uncalibrated` and `calibrated`.
        reasons: Share of the images by the reason why a person must decide; one may have several.
        sets: Of prediction sets; None if the model's graph gives none.
        coverage: Risk by coverage, for some coverages.
        foreign: Area under the ROC curve of the foreign-image score, by kind of foreign image.
        flagged: Share of the foreign images that is recognised as such, by kind.
        comparison: Against the last blessed model.
        comparison_missing: Why there is none.
        robustness: Of images that were changed, by split.
        robustness_missing: Why there is none.
    """

    FILE = "figures.json"

    model_id: int
    classes: tuple[str, ...]
    healthy_class: str | None
    images: int
    groups: int
    missing: tuple[str, ...] = ()
    headline: dict[str, Figure] = {}
    by_class: dict[str, dict[str, Figure]] = {}
    confusion: tuple[tuple[int, ...], ...] = ()
    slices: tuple[SliceFigures, ...] = ()
    reliability: dict[str, tuple[Bin, ...]] = {}
    reasons: dict[str, Figure] = {}
    sets: SetFigures | None = None
    coverage: dict[str, float] = {}
    foreign: dict[str, Figure] = {}
    flagged: dict[str, Figure] = {}
    comparison: Comparison | None = None
    comparison_missing: str = ""
    robustness: dict[str, RobustnessFigures] = {}
    robustness_missing: str = ""
