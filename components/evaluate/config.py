"""What a model must reach to be blessed, and how its figures are computed."""

from typing import Literal

from pydantic import Field, model_validator

from components.evaluate.predictions.slices import FEATURES
from components.strict_config import StrictConfig

OVERALL = ""
"""The slice of all test images."""

MetricName = Literal[
    "accuracy",
    "balanced_accuracy",
    "macro_precision",
    "macro_f1",
    "tumour_sensitivity",
    "tumour_specificity",
    "precision",
    "recall",
    "specificity",
    "f1",
    "brier",
]

ONE_CLASS = ("precision", "recall", "specificity", "f1")
"""Metrics of one class against the rest."""
LOWER_IS_BETTER = ("brier",)


class Threshold(StrictConfig):
    """A value that blesses or refuses.

    Attributes:
        metric: Which figure.
        of: The class, if the metric is of one class. Without it, the threshold applies to each
            class.
        slice: `FEATURE=VALUE`, such as `seen=novel`; empty for all test images.
        min: The lowest value that is allowed.
        max: The highest value that is allowed.
        max_drop: How much worse than the last blessed model it may be.
    """

    metric: MetricName
    of: str | None = None
    slice: str = OVERALL
    min: float | None = None
    max: float | None = None
    max_drop: float | None = Field(None, ge=0)

    @model_validator(mode="after")
    def _fits(self) -> "Threshold":
        feature, equals, value = self.slice.partition("=")
        if self.slice and (not equals or not value or feature not in FEATURES):
            raise ValueError(
                f"slice {self.slice!r} is not FEATURE=VALUE; features: {', '.join(FEATURES)}"
            )
        if self.of is not None and self.metric not in ONE_CLASS:
            raise ValueError(f"{self.metric} is not a metric of one class, so leave `of` out")
        if self.min is None and self.max is None and self.max_drop is None:
            raise ValueError(f"the threshold on {self.metric} needs min, max or max_drop")
        return self


class EvaluateConfig(StrictConfig):
    """Thresholds on the test split, and statistics.

    Attributes:
        min_accuracy: Lowest accuracy, 0 to 1.
        max_accuracy_drop: How much lower accuracy may be than that of the last blessed model.
        min_tumour_sensitivity: Lowest share of the images with a tumour in which a tumour is found,
            whatever its kind.
        max_tumour_sensitivity_drop: How much lower it may be than that of the last blessed model.
        min_class_recall: Lowest share of each class's images that are recognised.
        thresholds: Further thresholds.
        healthy_class: The class without a tumour. If it is null, no figure is about tumours.
        compare: Whether a candidate is compared with the last blessed model. If not, a model with
            other classes can start again.
        min_compared: Lowest number of test images for a comparison, if others are set aside because
            one of the two models was trained on a match of them. With fewer, the candidate is
            refused.
        min_swapped_accuracy: Lowest accuracy on test images in the style of an image of another
            class. Null sets no threshold, here and for the other changed images.
        max_swapped_accuracy_drop: How much lower it may be than that of the last blessed model.
        min_shifted_accuracy: Lowest accuracy on shifted test images, the mean of all shifts.
        max_shifted_accuracy_drop: How much lower it may be than that of the last blessed model.
        max_confidently_wrong: Largest share of the shifted test images whose answer is wrong with a
            probability of 0.9 or more and is not flagged.
        resamples: Number of bootstrap samples for each interval.
    """

    min_accuracy: float = Field(0.8, ge=0, le=1)
    max_accuracy_drop: float = Field(0.01, ge=0, le=1)
    min_tumour_sensitivity: float = Field(0.9, ge=0, le=1)
    max_tumour_sensitivity_drop: float = Field(0.01, ge=0, le=1)
    min_class_recall: float = Field(0.5, ge=0, le=1)
    thresholds: tuple[Threshold, ...] = ()
    healthy_class: str | None = "notumor"
    compare: bool = True
    min_compared: int = Field(10, ge=1)
    min_swapped_accuracy: float | None = Field(0.4, ge=0, le=1)
    max_swapped_accuracy_drop: float | None = Field(0.1, ge=0, le=1)
    min_shifted_accuracy: float | None = Field(0.6, ge=0, le=1)
    max_shifted_accuracy_drop: float | None = Field(0.05, ge=0, le=1)
    max_confidently_wrong: float | None = Field(0.2, ge=0, le=1)
    resamples: int = Field(1000, ge=100, le=100_000)

    def all_thresholds(self) -> tuple[Threshold, ...]:
        """The named thresholds and the further ones, as one list."""
        tumour = Threshold(
            metric="tumour_sensitivity",
            min=self.min_tumour_sensitivity,
            max_drop=self.max_tumour_sensitivity_drop,
        )
        return (
            Threshold(metric="accuracy", min=self.min_accuracy, max_drop=self.max_accuracy_drop),
            *((tumour,) if self.healthy_class is not None else ()),
            Threshold(metric="recall", min=self.min_class_recall),
            *self.thresholds,
        )
