"""The report's figures, drawn."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np

from components.evaluate.predictions.table import Flags, Floats
from components.evaluate.report.coverage import CoverageRisk
from components.evaluate.report.figures import Bin
from components.pages.canvas import ACCENT, BAD, GOOD, LINE, PAPER, QUIET, WARN, canvas
from components.pages.names import shown
from components.reasons import FOREIGN_LIMIT

_CLASS_COLOURS = (ACCENT, WARN, GOOD, BAD)
_LONGEST_LABEL = 20
_DASHES = ("-", "--", "-.", ":")


def draw_confusion(matrix: Sequence[Sequence[int]], classes: Sequence[str]) -> str:
    """A heat map of the confusion matrix: counts, coloured by their share of the true class.

    Args:
        matrix: Counts by true and predicted class.
        classes: Their names.

    Returns:
        SVG.
    """
    import seaborn as sns

    counts, names = np.array(matrix), [_label(name) for name in classes]
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    with canvas("confusion", 1.2 + 0.9 * len(classes), 0.9 + 0.72 * len(classes)) as (axes, svg):
        sns.heatmap(
            shares,
            annot=np.array([[f"{count:,}" for count in row] for row in counts]),
            fmt="",
            cmap=sns.light_palette(ACCENT, as_cmap=True),
            vmin=0,
            vmax=1,
            cbar=False,
            linewidths=2,
            linecolor=PAPER,
            xticklabels=names,
            yticklabels=names,
            annot_kws={"fontsize": 12},
            ax=axes,
        )
        axes.set(xlabel="predicted", ylabel="true")
        axes.tick_params(length=0, rotation=0)
        axes.set_xticklabels(axes.get_xticklabels(), rotation=20, ha="right")
    return svg()


def draw_roc(truth: Mapping[str, Flags], scores: Mapping[str, Floats]) -> str:
    """ROC curves, one a class against the rest.

    Args:
        truth: Which images are of the class, by class.
        scores: Its probabilities, by class.

    Returns:
        SVG.
    """
    from sklearn.metrics import roc_curve

    with canvas("roc", 4.6, 4.2) as (axes, svg):
        axes.plot([0, 1], [0, 1], color=LINE, linewidth=1)
        for name, style in _lines(truth):
            false_positive, true_positive, _ = roc_curve(truth[name], scores[name])
            axes.plot(false_positive, true_positive, **style)
        axes.set(xlabel="1 - specificity", ylabel="sensitivity", xlim=(-0.02, 1), ylim=(0, 1.02))
        axes.legend(frameon=False, loc="lower right")
    return svg()


def draw_precision_recall(truth: Mapping[str, Flags], scores: Mapping[str, Floats]) -> str:
    """Precision-recall curves, one a class against the rest.

    Args:
        truth: Which images are of the class, by class.
        scores: Its probabilities, by class.

    Returns:
        SVG.
    """
    from sklearn.metrics import precision_recall_curve

    with canvas("precision-recall", 4.6, 4.2) as (axes, svg):
        for name, style in _lines(truth):
            precision, recall, _ = precision_recall_curve(truth[name], scores[name])
            axes.step(recall, precision, where="post", **style)
        axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.02))
        axes.legend(frameon=False, loc="lower left")
    return svg()


def draw_reliability(curves: Mapping[str, Sequence[Bin]]) -> str:
    """Accuracy against confidence, before and after calibration.

    Args:
        curves: Bins by name.

    Returns:
        SVG.
    """
    with canvas("reliability", 4.6, 4.2) as (axes, svg):
        points = {
            name: np.array([(one.confidence, one.accuracy) for one in bins])
            for name, bins in curves.items()
        }
        start = max(0.0, min(found.min() for found in points.values()) - 0.05)
        axes.plot([start, 1], [start, 1], color=LINE, linewidth=1)
        styles = {
            "uncalibrated": {"color": QUIET, "linestyle": "--", "markerfacecolor": PAPER},
            "calibrated": {"color": ACCENT},
        }
        for name, style in styles.items():
            if name in points:
                axes.plot(*points[name].T, marker="o", ms=4, lw=1.4, label=name, **style)
        axes.set(xlabel="confidence", ylabel="accuracy", xlim=(start, 1.01), ylim=(start, 1.02))
        axes.legend(frameon=False, loc="upper left")
    return svg()


def draw_coverage(curve: CoverageRisk, referred: float | None) -> str:
    """Error among the answered images, by the share that is answered.

    Args:
        curve: The curve.
        referred: Which share the model refers to a reader as it is, if it says so.

    Returns:
        SVG.
    """
    with canvas("coverage", 4.6, 4.2) as (axes, svg):
        axes.plot(curve.coverage, curve.risk, color=ACCENT, drawstyle="steps-post")
        if referred is not None:
            axes.axvline(1 - referred, color=QUIET, linestyle="--", linewidth=1)
            across = axes.get_xaxis_transform()
            axes.text(
                0.99 - referred,
                0.97,
                "as configured",
                transform=across,
                color=QUIET,
                ha="right",
                va="top",
            )
        axes.set(xlabel="share of images answered", ylabel="share of answers that are wrong")
        axes.set(xlim=(0, 1.01), ylim=(0, max(0.02, float(curve.risk.max()) * 1.1)))
    return svg()


def draw_training(history: Mapping[str, Sequence[float]], metric: str) -> str:
    """A metric by epoch, on the training images and on those held out.

    Args:
        history: Values by metric name, one an epoch.
        metric: `accuracy` or `loss`.

    Returns:
        SVG.
    """
    from matplotlib.ticker import MaxNLocator

    with canvas(f"training-{metric}", 4.6, 3.2) as (axes, svg):
        styles = ((metric, "train", QUIET, "--"), (f"val_{metric}", "eval", ACCENT, "-"))
        for key, name, colour, dashes in styles:
            if values := history.get(key):
                epochs = range(1, len(values) + 1)
                axes.plot(epochs, values, dashes, color=colour, marker="o", ms=3, label=name)
        axes.set(xlabel="epoch", ylabel=metric)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(frameon=False)
    return svg()


def draw_scores(scores: Mapping[str, Floats]) -> str:
    """The foreign-image score of the test images and of each kind of foreign image, and the limit.

    Args:
        scores: By what the images are.

    Returns:
        SVG.
    """
    with canvas("foreign", 5.6, 0.9 + 0.5 * len(scores)) as (axes, svg):
        names = list(scores)
        parts = axes.boxplot(
            [scores[name] for name in names],
            orientation="horizontal",
            whis=(2.5, 97.5),
            showfliers=False,
            widths=0.5,
            patch_artist=True,
            tick_labels=names,
        )
        for index, box in enumerate(parts["boxes"]):
            box.set(facecolor=ACCENT if index == 0 else PAPER, edgecolor=ACCENT, linewidth=1)
        for part in (*parts["whiskers"], *parts["caps"]):
            part.set(color=QUIET, linewidth=1)
        for index, median in enumerate(parts["medians"]):
            median.set(color=PAPER if index == 0 else ACCENT, linewidth=1.5)
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.axvline(FOREIGN_LIMIT, color=BAD, linestyle="--", linewidth=1.2)
        axes.annotate(
            "limit",
            (FOREIGN_LIMIT, 1),
            xycoords=("data", "axes fraction"),
            xytext=(3, 2),
            textcoords="offset points",
            color=BAD,
        )
        axes.set(xlabel="score: higher is less like the training images")
    return svg()


def _label(name: str) -> str:
    """A class name that fits beside a drawing: anybody may have chosen it."""
    visible = shown(name)
    return visible if len(visible) <= _LONGEST_LABEL else f"{visible[: _LONGEST_LABEL - 1]}…"


def _lines(classes: Iterable[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """How the line of each class looks."""
    looks = zip(cycle(_CLASS_COLOURS), cycle(_DASHES), strict=False)
    for name, (colour, dashes) in zip(classes, looks, strict=False):
        yield name, {"color": colour, "ls": dashes, "lw": 1.6, "label": _label(name)}
