"""Whether the model knows what is no brain MRI: figures of its foreign-image score."""

import numpy as np

from components.evaluate.predictions.table import PredictionTable
from components.evaluate.report.bootstrap import GroupBootstrap, share_of
from components.evaluate.report.figures import Figure
from components.evaluate.report.ranking import Ranking

TEST_IMAGES = "test images"


def foreign_figures(predictions: PredictionTable) -> dict[str, Figure]:
    """How well the score tells foreign images from the test images.

    Args:
        predictions: Of the test images, and of foreign ones.

    Returns:
        Area under the ROC curve by kind, and of `all` kinds together; nothing where the model
        gives no score.
    """
    foreign = predictions.foreign
    if foreign is None or predictions.ood_score is None or not len(predictions):
        return {}
    found = {}
    for name, inside in {"all": np.ones(len(foreign.kinds), bool), **foreign.by_kind}.items():
        scores = foreign.ood_score[inside]
        together = np.r_[predictions.ood_score, scores]
        if np.isfinite(together).all():
            is_foreign = np.arange(len(together)) >= len(predictions)
            area = Ranking(is_foreign, together).roc_auc(np.ones((1, len(together))))
            found[name] = Figure(value=float(area[0]), images=len(scores))
        else:
            found[name] = Figure(value=None, images=len(scores), missing="a score is not a number")
    return found


def in_distribution_figures(
    predictions: PredictionTable, bootstrap: GroupBootstrap
) -> dict[str, Figure]:
    """Which share of the images is flagged as foreign: rightly, and of the test images wrongly.

    Args:
        predictions: Of the test images, and of foreign ones.
        bootstrap: Over the test images' groups.

    Returns:
        Shares by kind, the test images first; nothing where the model does not say.
    """
    if predictions.in_distribution is None or not len(predictions):
        return {}
    flagged = ~predictions.in_distribution
    found = bootstrap.figures({TEST_IMAGES: share_of(np.ones_like(flagged), flagged)})
    if predictions.foreign is not None:
        for kind, inside in predictions.foreign.by_kind.items():
            share = float((~predictions.foreign.in_distribution[inside]).mean())
            found[kind] = Figure(value=share, images=int(inside.sum()))
    return found
