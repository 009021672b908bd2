"""What a cheap classifier says of images that it was not fitted to."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from components.audit.features import Features
from components.errors import PipelineError
from components.progress import told

_FOLDS = 5
_PENALTY = 100.0
"""Of large weights: a strong one, as wrong labels must not be learnt by heart."""
_ITERATIONS = 300

Labels = np.ndarray[Any, np.dtype[np.int64]]
Probabilities = np.ndarray[Any, np.dtype[np.float64]]


def out_of_fold(
    features: Features, labels: Labels, groups: Sequence[str], classes: Sequence[str]
) -> Probabilities:
    """Fits a logistic regression fold by fold, and asks it about the images left out.

    Images of one group are never on both sides of a fold, so no copy of an image, no neighbouring
    slice and no image of the same patient vouches for its label.

    Args:
        features: float32 [images, numbers].
        labels: int64 [images], indices of classes.
        groups: Of each image.
        classes: Their names.

    Returns:
        float64 [images, classes].

    Raises:
        PipelineError: A class has images of fewer than two groups, so that none is left to learn
            from when these are left out.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    names = np.asarray(groups)
    count = [len(np.unique(names[labels == index])) for index in range(len(classes))]
    if few := [f"{classes[n]} ({many})" for n, many in enumerate(count) if many < 2]:
        raise PipelineError(
            "Labels can be audited only if each class has at least two different pictures; too few "
            f"has {', '.join(few)}. Add images, or name other classes with --classes."
        )
    folds = StratifiedGroupKFold(min(_FOLDS, *count), shuffle=True, random_state=0)
    found = np.zeros((len(labels), len(classes)))
    splits = list(folds.split(features, labels, names))
    for fitted, left_out in told(splits, len(splits), "asking fold by fold"):
        model = fit(features[fitted], labels[fitted])
        found[np.ix_(left_out, model.classes_)] = model.predict_proba(features[left_out])
    return found


def fit(features: Features, labels: Labels, penalty: float = _PENALTY) -> Any:
    """Fits the classifier.

    Args:
        features: float32 [images, numbers].
        labels: int64 [images].
        penalty: Of large weights.

    Returns:
        scikit-learn's, fitted.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    model = make_pipeline(StandardScaler(), LogisticRegression(C=1 / penalty, max_iter=_ITERATIONS))
    # Many small matrix products: threads would wait for each other.
    with threadpool_limits(1, "blas"):
        return model.fit(features, labels)
