"""Figures that follow from a confusion matrix, for one matrix or a whole stack of them."""

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.float64]


def confusion_matrix(labels: npt.NDArray[np.int64], predicted: Counts, classes: int) -> Counts:
    """Counts images by true and by predicted class.

    Args:
        labels: True class indices, [images].
        predicted: Predicted class indices, [images].
        classes: How many classes there are.

    Returns:
        [true, predicted].
    """
    cells = labels * classes + predicted.astype(np.int64)
    counts = np.bincount(cells, minlength=classes * classes)
    return counts.reshape(classes, classes).astype(np.float64)


def figure_of(
    figure: str, matrix: Counts, *, of: int | None = None, healthy: int | None = None
) -> Counts:
    """Computes a figure.

    Args:
        figure: `accuracy`, `balanced_accuracy`, `macro_precision`, `macro_f1`,
            `tumour_sensitivity`, `tumour_specificity`, or of the class `of`: `precision`,
            `recall`, `specificity`, `f1`.
        matrix: Counts, [..., true, predicted].
        of: Index of a class.
        healthy: Index of the class without a tumour.

    Returns:
        The figure of each matrix, NaN where it would be a share of nothing. As in scikit-learn, the
        balanced accuracy is the mean over the classes that there are, and a class that is never
        predicted has precision 0 in the means.

    Raises:
        ValueError: There is no such figure.
    """
    total = matrix.sum((-2, -1))
    true, predicted = matrix.sum(-1), matrix.sum(-2)
    hits = np.diagonal(matrix, axis1=-2, axis2=-1)
    if figure == "accuracy":
        return _share(hits.sum(-1), total)
    if figure == "balanced_accuracy":
        recalls = _share(hits, true)
        return _share(np.nansum(recalls, -1), np.isfinite(recalls).sum(-1))
    if figure in ("macro_precision", "macro_f1"):
        occurring = true + predicted > 0
        values = (
            _share(hits, predicted)
            if figure == "macro_precision"
            else _share(2 * hits, true + predicted)
        )
        return _share(np.nansum(values, -1), occurring.sum(-1))
    if figure in ("tumour_sensitivity", "tumour_specificity") and healthy is not None:
        spared = matrix[..., healthy, healthy]
        if figure == "tumour_specificity":
            return _share(spared, true[..., healthy])
        missed = predicted[..., healthy] - spared
        tumours = total - true[..., healthy]
        return _share(tumours - missed, tumours)
    if figure in ("precision", "recall", "specificity", "f1") and of is not None:
        return _of_class(figure, hits[..., of], true[..., of], predicted[..., of], total)
    raise ValueError(f"there is no figure {figure!r} without a class that it is of")


def _of_class(figure: str, hits: Counts, true: Counts, predicted: Counts, total: Counts) -> Counts:
    if figure == "precision":
        return _share(hits, predicted)
    if figure == "recall":
        return _share(hits, true)
    if figure == "f1":
        return _share(2 * hits, true + predicted)
    return _share(total - true - predicted + hits, total - true)


def _share(part: Counts, whole: Counts) -> Counts:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(whole > 0, part / whole, np.nan)
