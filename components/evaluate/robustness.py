"""What is demanded of a model on test images that were changed."""

from collections.abc import Iterator

import numpy as np

from components.evaluate.config import EvaluateConfig
from components.evaluate.predictions.table import PredictionTable
from components.evaluate.verdict import Check
from components.robustness.table import ChangedAnswers, Flags, SplitAnswers, places

TEST = "test"
SWAPPED = "accuracy in the style of another class"
SHIFTED = "accuracy on shifted images"
CONFIDENTLY_WRONG = "share of shifted images that are wrong, confident and not flagged"
_ROUNDING = 1e-9


def robustness_checks(
    changed: ChangedAnswers, predictions: PredictionTable, config: EvaluateConfig
) -> tuple[Check, ...]:
    """Holds a model to the thresholds on changed images.

    Args:
        changed: What it, and the one to beat, say of them.
        predictions: Of the test images as they are: which of them either model knows.
        config: The thresholds.

    Returns:
        A check a threshold; none if no image was to be changed. Against the last blessed model
        there is none where too few of the changed images are new to both.
    """
    if not changed.header.images:
        return ()
    test = changed.splits.get(TEST)
    new = None
    if test is not None and config.compare:
        new = compared_images(test, predictions, config)
    found: list[Check] = []
    swapped, shifted = places("style"), places("shift")
    for name, inside, least, drop in (
        (SWAPPED, swapped, config.min_swapped_accuracy, config.max_swapped_accuracy_drop),
        (SHIFTED, shifted, config.min_shifted_accuracy, config.max_shifted_accuracy_drop),
    ):
        if least is not None:
            value = None if test is None else share(test.right, test.asked, inside)
            found.append(_at_least(name, value, least))
        if drop is not None and test is not None and new is not None:
            found += _drop(name, test, new, inside, drop)
    if config.max_confidently_wrong is not None:
        value = None if test is None else share(test.confidently_wrong, test.asked, shifted)
        found.append(_at_most(CONFIDENTLY_WRONG, value, config.max_confidently_wrong))
    return tuple(found)


def share(hits: Flags, asked: Flags, inside: list[int]) -> float | None:
    """The mean of some changes' shares, each of the images that could be changed so.

    Args:
        hits: What counts, [images, changes].
        asked: Whether there is an answer, [images, changes].
        inside: Which changes.

    Returns:
        0 to 1; None where no image could be changed so.
    """
    counts = asked[:, inside].sum(0)
    there = counts > 0
    if not there.any():
        return None
    return float((hits[:, inside].sum(0)[there] / counts[there]).mean())


def compared_images(
    answers: SplitAnswers, predictions: PredictionTable, config: EvaluateConfig
) -> Flags | None:
    """The changed images that neither model knows from its training.

    Args:
        answers: About test images.
        predictions: Of all test images: which of them either model knows.
        config: How many images a comparison takes.

    Returns:
        Flags, [images]; None if there is no baseline, or if too few images are left.
    """
    if answers.baseline is None or predictions.header.training_unknown:
        return None
    if predictions.header.baseline_unknown:
        return None
    known = set(predictions.sha256[~predictions.new_to_both].tolist())
    new = np.array([digest not in known for digest in answers.sha256.tolist()], bool)
    enough = new.all() or int(new.sum()) >= config.min_compared
    return new if enough else None


def _drop(
    name: str, test: SplitAnswers, new: Flags, inside: list[int], allowed: float
) -> Iterator[Check]:
    earlier = test.baseline_right
    if earlier is None:
        return
    own, other = (share(one[new], test.asked[new], inside) for one in (test.right, earlier))
    value = None if own is None or other is None else other - own
    yield _at_most(
        f"fall in {name} against the last blessed model",
        value,
        allowed,
        said=f"{name} fell by {{}} against the last blessed model",
    )


def _at_least(name: str, value: float | None, bound: float) -> Check:
    met = value is not None and value >= bound - _ROUNDING
    return Check(figure=name, demanded=f"at least {bound:.3f}", value=value, met=met)


def _at_most(name: str, value: float | None, bound: float, said: str = "") -> Check:
    met = value is not None and value <= bound + _ROUNDING
    return Check(figure=name, demanded=f"at most {bound:.3f}", said=said, value=value, met=met)
