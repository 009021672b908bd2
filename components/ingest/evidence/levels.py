"""How well the head's levels tell the class, without any picture."""

from __future__ import annotations

from typing import Any

import numpy as np

from components.ingest.evidence.table import Evidence, Told
from imaging.appearance import Vectors

_FOLDS = 5
_FEWEST_GROUPS = 5
"""Classes of fewer groups are left out."""
_TREES = 60
_LEAF = 2
_SHARE = 0.4
"""Of the numbers, of which a tree chooses the best at each step."""
_MOST = 6000
"""Images that the figures are measured on, so that they take seconds in any folder."""

Names = np.ndarray[Any, np.dtype[np.str_]]
Groups = np.ndarray[Any, np.dtype[np.intp]]


def tell_by_levels(levels: Vectors, labels: Names, groups: Groups) -> Evidence:
    """Lets trees tell the class from levels, on groups that they were not fitted to.

    Args:
        levels: float32 [images, numbers], of levels.
        labels: Class names.
        groups: Images of one group are held out together.

    Returns:
        The figures, without looks; nothing where there are fewer than two classes of five groups.
    """
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict

    chosen = _sample(groups)
    sizes = {
        str(label): len(np.unique(groups[chosen & (labels == label)]))
        for label in np.unique(labels)
    }
    names = [label for label, size in sizes.items() if size >= _FEWEST_GROUPS]
    if len(names) < 2:
        return Evidence()
    chosen &= np.isin(labels, names)
    truth = np.searchsorted(names, labels[chosen])
    folds = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=0)
    trees = ExtraTreesClassifier(
        _TREES, min_samples_leaf=_LEAF, max_features=_SHARE, random_state=0
    )
    probabilities = cross_val_predict(
        trees, levels[chosen], truth, groups=groups[chosen], cv=folds, method="predict_proba"
    )
    named, told = probabilities.argmax(1), {}
    for index, name in enumerate(names):
        own, scores = truth == index, probabilities[:, index]
        auc = float(roc_auc_score(own, scores))
        told[name] = Told(
            accuracy=float(((named == index) == own).mean()),
            chance=float(max(own.mean(), 1 - own.mean())),
            auc=auc,
            auc_low=_low(auc, sizes[name], sum(sizes[other] for other in names if other != name)),
        )
    return Evidence(
        accuracy=float((named == truth).mean()),
        chance=float(np.bincount(truth).max() / truth.size),
        told=told,
    )


def _sample(groups: Groups) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Whole groups, drawn at random, that hold about as many images as are measured on."""
    if groups.size <= _MOST:
        return np.ones(groups.size, bool)
    names, numbers, counts = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.random.default_rng(0).permutation(names.size)
    drawn = order[np.cumsum(counts[order]) <= _MOST]
    return np.isin(numbers, drawn)


def _low(auc: float, own: int, others: int) -> float:
    """The lower end of the interval of Hanley and McNeil (1982), of groups rather than images."""
    area = min(auc, 1 - 0.5 / min(own, others))
    one, two = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area)
    variance += (own - 1) * (one - area**2) + (others - 1) * (two - area**2)
    return max(area - 1.96 * float(np.sqrt(max(variance, 0) / (own * others))), 0.0)
