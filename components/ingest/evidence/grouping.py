"""Which images look alike, whatever they show: nobody says what there is to find."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.ingest.evidence.levels import Groups
from imaging.appearance import Vectors

_MOST_LOOKS = 12
_EXPLAINED = 0.55
"""Share of the images' spread that lies between looks: the fewest looks that reach it are taken."""
_GROUPS_A_LOOK = 40
"""Groups that there must be for each look, on average."""
_COMPONENTS = 8
"""Directions in which images differ most; what is left is noise, of which there is a lot."""
_FARTHEST = 4.0
"""Standard deviations that an odd image's numbers are pulled in to."""
_SAME = 1e-4
"""Deviation up to which a number is the same in all images."""
_FITTED = 5000
"""Groups that looks are found among, so that it takes seconds in any folder."""
_STARTS = 4


@dataclass(frozen=True)
class Grouped:
    """Images by look.

    Attributes:
        looks: For each image, the number of its look; the look with most groups is 0.
        distances: From the middle of its look.
    """

    looks: Groups
    distances: Vectors


def group_looks(vectors: Vectors, groups: Groups) -> Grouped:
    """Finds looks by k-means; each group of copies counts once.

    Args:
        vectors: float32 [images, numbers]: what images are compared by; at least one.
        groups: Of the images.

    Returns:
        The same for the same images.
    """
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA

    first = np.unique(groups, return_index=True)[1]
    if first.size > _FITTED:
        first = np.sort(np.random.default_rng(0).permutation(first)[:_FITTED])
    mean, deviation = vectors[first].mean(0), vectors[first].std(0)
    differs = deviation > _SAME
    if not differs.any():
        return Grouped(np.zeros(len(vectors), np.intp), np.zeros(len(vectors), np.float32))
    scaled = (vectors[:, differs] - mean[differs]) / deviation[differs]
    scaled = scaled.clip(-_FARTHEST, _FARTHEST)
    components = min(_COMPONENTS, first.size, scaled.shape[1])
    axes = PCA(components, svd_solver="full").fit(scaled[first])
    places = axes.transform(scaled)
    fitted = places[first]
    spread = float(((fitted - fitted.mean(0)) ** 2).sum())
    different = len(np.unique(fitted.round(3), axis=0))
    most = min(_MOST_LOOKS, max(first.size // _GROUPS_A_LOOK, 1), different)
    for count in range(1, most + 1):
        found = KMeans(count, n_init=_STARTS, random_state=0).fit(fitted)
        if found.inertia_ <= (1 - _EXPLAINED) * spread:
            break
    distances = found.transform(places)
    nearest = distances.argmin(1)
    sizes = np.bincount(nearest[first], minlength=count)
    rank = np.empty(count, np.intp)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(count)
    return Grouped(rank[nearest], distances.min(1))
