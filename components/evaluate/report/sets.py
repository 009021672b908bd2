"""Whether prediction sets keep their promise."""

import numpy as np

from components.evaluate.metrics import ratio
from components.evaluate.predictions.table import Floats, PredictionTable
from components.evaluate.report.bootstrap import GroupBootstrap, Statistic, share_of
from components.evaluate.report.figures import SetFigures

_COVERAGE, _PROMISED, _SIZE, _SINGLE = "coverage", "promised", "size", "single"


def set_figures(predictions: PredictionTable, bootstrap: GroupBootstrap) -> SetFigures | None:
    """Counts how often prediction sets hold the true class, and how large they are.

    Args:
        predictions: All with labels.
        bootstrap: Over the images' groups.

    Returns:
        The figures; None if the model gives no sets.
    """
    sets, levels = predictions.prediction_set, predictions.set_level
    if sets is None or levels is None or not len(predictions):
        return None
    everything = np.ones(len(predictions), bool)
    held = sets[np.arange(len(sets)), predictions.labels]
    sizes = sets.sum(1).astype(np.float64)

    def mean_size(weights: Floats) -> Floats:
        return ratio(weights @ sizes, weights.sum(1))

    found = bootstrap.figures(
        {
            (_COVERAGE, None): share_of(everything, held),
            (_PROMISED, None): share_of(everything, held, _worth(predictions)),
            (_SIZE, None): Statistic(mean_size, everything),
            (_SINGLE, None): share_of(everything, sizes == 1),
            **{
                (_COVERAGE, name): share_of(predictions.labels == index, held)
                for index, name in enumerate(predictions.classes)
            },
        }
    )
    return SetFigures(
        level=round(float(levels[0]), 6),  # stored with the digits of a float32
        coverage=found[_COVERAGE, None],
        promised=found[_PROMISED, None],
        size=found[_SIZE, None],
        single=found[_SINGLE, None],
        by_class={name: found[_COVERAGE, name] for name in predictions.classes},
    )


def _worth(predictions: PredictionTable) -> Floats:
    """What each image weighs if those of a class in a group weigh as one: float64 [images]."""
    _, group_of = np.unique(predictions.groups, return_inverse=True)
    _, which, sizes = np.unique(
        np.stack([group_of, predictions.labels]), axis=1, return_inverse=True, return_counts=True
    )
    return 1.0 / sizes[np.ravel(which)]
