"""Intervals by drawing whole groups of images anew: copies of a picture are no new evidence."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from scipy import stats

from components.evaluate.metrics import ratio
from components.evaluate.predictions.table import Flags, Floats, Names
from components.evaluate.report.figures import Figure

Weighted = Callable[[Floats], Floats]
"""From weights [samples, images] to values [samples]."""

_Name = TypeVar("_Name")
_LEVEL = 0.95
_CELLS = 4_000_000
"""Weights held at a time, so that memory stays flat as images grow."""
_MOST_UNDEFINED = 0.05


@dataclass(frozen=True)
class Statistic:
    """A figure of images that are weighed.

    Attributes:
        of: Its values, one for each weighting of the images.
        about: Which images it is about.
        hits: Where it is a share of them, those that count, among others.
    """

    of: Weighted
    about: Flags
    hits: Flags | None = None


def share_of(about: Flags, hits: Flags, worth: Floats | None = None) -> Statistic:
    """The share of some images that count; NaN where their weight is nothing.

    Args:
        about: Some images.
        hits: Those that count, among others.
        worth: How much each image weighs; default: all the same.
    """
    inside, counted = about.astype(np.float64), (about & hits).astype(np.float64)
    if worth is not None:
        inside, counted = inside * worth, counted * worth

    def of(weights: Floats) -> Floats:
        return ratio(weights @ counted, weights @ inside)

    return Statistic(of, about, hits)


class GroupBootstrap:
    """Draws groups with replacement; an image weighs as often as its group was drawn.

    Source: A. C. Davison and D. V. Hinkley, Bootstrap Methods and their Application, section 3.8.
    """

    def __init__(self, groups: Names, resamples: int, seed: int = 0) -> None:
        """Prepares the draws.

        Args:
            groups: Of each image, the group that it belongs to.
            resamples: How many samples are drawn.
            seed: Same seed, same samples.
        """
        _, self._group_of = np.unique(groups, return_inverse=True)
        self.group_count = int(self._group_of.max()) + 1 if len(groups) else 0
        self._resamples, self._seed = resamples, seed

    def weights(self) -> Iterator[Floats]:
        """Yields weights, [samples, images], some samples at a time."""
        random = np.random.default_rng(self._seed)
        at_once = max(1, _CELLS // max(len(self._group_of), 1))
        even = np.full(self.group_count, 1 / self.group_count)
        for start in range(0, self._resamples, at_once):
            samples = min(at_once, self._resamples - start)
            drawn = random.multinomial(self.group_count, even, size=samples)
            yield drawn[:, self._group_of].astype(np.float64)

    def figures(self, statistics: Mapping[_Name, Statistic]) -> dict[_Name, Figure]:
        """Computes figures with their intervals.

        Args:
            statistics: By name.

        Returns:
            Figures by name. Nothing where there is no image.
        """
        samples = self.samples({name: one.of for name, one in statistics.items()})
        return {name: self._figure(statistics[name], found) for name, found in samples.items()}

    def samples(self, statistics: Mapping[_Name, Weighted]) -> dict[_Name, Floats]:
        """Computes statistics on every sample.

        Args:
            statistics: By name.

        Returns:
            Values by name, [samples]. Nothing where there is no image.
        """
        if not self.group_count or not statistics:
            return {}
        parts = [[one(weights) for one in statistics.values()] for weights in self.weights()]
        return dict(zip(statistics, np.concatenate(parts, axis=1), strict=True))

    def _figure(self, statistic: Statistic, samples: Floats) -> Figure:
        about, hits = statistic.about, statistic.hits
        value, images = float(statistic.of(np.ones((1, len(about))))[0]), int(about.sum())
        if not np.isfinite(value):
            return Figure(value=None, images=images, missing="it would be a share of no images")
        if hits is not None and int((hits & about).sum()) in (0, images):
            groups = len(np.unique(self._group_of[about]))
            low, high = exact_interval(groups if value > 0 else 0, groups)
            return Figure(value=value, low=low, high=high, images=images, exact=True)
        ends = interval(samples)
        if ends is None:
            return Figure(value=value, images=images, missing="too few groups for an interval")
        if ends[0] == ends[1]:
            return Figure(value=value, images=images, missing="no interval: all samples agree")
        return Figure(value=value, low=ends[0], high=ends[1], images=images)


def interval(values: Floats) -> tuple[float, float] | None:
    """The percentile interval of bootstrapped values, at 95 %.

    Args:
        values: Of the samples; NaN where a sample does not define the statistic.

    Returns:
        Low and high, or None where too many samples do not define it.
    """
    defined = values[np.isfinite(values)]
    if len(defined) < (1 - _MOST_UNDEFINED) * len(values) or not len(defined):
        return None
    low, high = np.quantile(defined, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return float(low), float(high)


def exact_interval(hits: int, of: int) -> tuple[float, float]:
    """The Clopper-Pearson interval of a share, at 95 %.

    Where all images or none are right, every bootstrap sample says the same, and its interval of no
    width would promise what nobody knows.

    Args:
        hits: Successes.
        of: Independent trials, at least one.

    Returns:
        Low and high.
    """
    found = stats.binomtest(hits, of).proportion_ci(_LEVEL, method="exact")
    return float(found.low), float(found.high)


def two_sided_p(differences: Floats) -> float:
    """How often samples contradict the sign of a difference: a two-sided bootstrap p-value.

    Args:
        differences: Of the samples.

    Returns:
        Between 1/samples and 1.
    """
    defined = differences[np.isfinite(differences)]
    if not len(defined):
        return float("nan")
    tail = min(float((defined <= 0).mean()), float((defined >= 0).mean()))
    return min(1.0, max(2 * tail, 1 / len(defined)))


def mcnemar(candidate: npt.NDArray[np.bool_], baseline: npt.NDArray[np.bool_]) -> float:
    """McNemar's exact test on two models' right and wrong answers.

    It takes images for independent; groups make it too sure.

    Args:
        candidate: Whether each answer is right.
        baseline: The same of the other model.

    Returns:
        The two-sided p-value; 1 where they never differ.
    """
    better, worse = int((candidate & ~baseline).sum()), int((baseline & ~candidate).sum())
    if better + worse == 0:
        return 1.0
    return float(stats.binomtest(better, better + worse, 0.5).pvalue)
