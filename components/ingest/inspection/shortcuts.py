"""Shortcuts: what gives the class away without a look at the brain.

A network that is trained on images whose size, border or scanner depends on the class learns that,
and fails elsewhere. Each trivial feature is given to a small decision tree that never sees the
pixels; how well the tree does on images that it was not fitted to says how much the feature tells.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from components.pages.names import shown

if TYPE_CHECKING:
    from components.ingest.records import ImageRecord

ALL_TOGETHER = "all together"

_LOG = logging.getLogger(__name__)
_FOLDS = 5
_DEPTH = 4
_LEAF = 5
_CATEGORIES = 20
_FEWEST_GROUPS = 5
_WORRYING_SKILL = 0.2
_STANDARD_ERRORS = 3.0

_Values = np.ndarray[Any, np.dtype[np.float64]]
_Labels = np.ndarray[Any, np.dtype[np.int64]]
_Groups = np.ndarray[Any, Any]
_Folds = list[tuple[Any, Any]]


@dataclass(frozen=True)
class Shortcut:
    """How well one feature alone tells the class, by cross-validation.

    Attributes:
        feature: The feature in words.
        balanced_accuracy: Mean over the classes of the share that is found, 0 to 1.
        accuracy: Share of images whose class is named rightly, 0 to 1.
        gives_away: The class that is told best from all others.
        found: Share of that class that is found, 0 to 1.
        false_alarms: Share of all other images that is taken for it, 0 to 1.
        worrying: Whether the balanced accuracy is clearly above chance.
    """

    feature: str
    balanced_accuracy: float
    accuracy: float
    gives_away: str
    found: float
    false_alarms: float
    worrying: bool


@dataclass(frozen=True)
class Shortcuts:
    """What the features tell, the most telling first, all together last.

    Attributes:
        chance: Balanced accuracy of knowing nothing.
        majority: Accuracy of always naming the largest class.
        features: The features that vary.
        constant: Features that are the same in all images, and so tell nothing.
        too_small: Classes with fewer than five different pictures, which are left out; where fewer
            than two classes are left, nothing is tested.
    """

    chance: float
    majority: float
    features: tuple[Shortcut, ...]
    constant: tuple[str, ...]
    too_small: tuple[str, ...]

    @property
    def tested(self) -> bool:
        """Whether there was enough to test anything on."""
        return bool(self.features or self.constant)

    @property
    def worrying(self) -> tuple[Shortcut, ...]:
        """Features that tell the class clearly better than chance."""
        return tuple(shortcut for shortcut in self.features if shortcut.worrying)


def find_shortcuts(records: Sequence[ImageRecord], groups: ArrayLike) -> Shortcuts:
    """Tests which trivial feature predicts the class.

    Images of one group are never on both sides of a fold, so copies do not make a feature look
    better than it is. The same images give the same figures.

    Args:
        records: The images.
        groups: Group of each, by which copies are known.

    Returns:
        The features with their figures.
    """
    _LOG.info("testing shortcuts")
    all_labels = np.array([shown(record.label) for record in records], str)
    all_groups = np.asarray(groups)
    pictures = {
        str(label): len(np.unique(all_groups[all_labels == label]))
        for label in np.unique(all_labels)
    }
    names = [label for label, count in pictures.items() if count >= _FEWEST_GROUPS]
    if len(names) < 2:
        return Shortcuts(0, 0, (), (), tuple(pictures))
    tested = np.flatnonzero(np.isin(all_labels, names))
    records = [records[index] for index in tested.tolist()]
    labels = np.searchsorted(names, all_labels[tested])
    chance = 1 / len(names)
    features = _features(records)
    varying = {name: values for name, values in features.items() if _varies(values)}
    if len(varying) > 1:
        varying[ALL_TOGETHER] = np.hstack(list(varying.values()))
    folds = _folds(labels, all_groups[tested])
    error = np.sqrt(sum(chance * (1 - chance) / pictures[name] for name in names)) / len(names)
    least = chance + max(_WORRYING_SKILL * (1 - chance), _STANDARD_ERRORS * float(error))
    found = [_test(name, values, labels, names, folds, least) for name, values in varying.items()]
    return Shortcuts(
        chance=chance,
        majority=float(np.bincount(labels).max() / len(labels)),
        features=tuple(
            sorted(found, key=lambda one: (one.feature == ALL_TOGETHER, -one.balanced_accuracy))
        ),
        constant=tuple(name for name in features if name not in varying),
        too_small=tuple(name for name in pictures if name not in names),
    )


def _features(records: Sequence[ImageRecord]) -> dict[str, _Values]:
    """The trivial features, each float64 [records, columns]; tags only where files have them."""
    features = {
        "image size": np.array([(r.height, r.width) for r in records], float),
        "aspect ratio": _numbers([r.quality.aspect for r in records]),
        "empty border": _numbers([r.quality.border for r in records]),
        "mean grey level": _numbers([r.quality.mean for r in records]),
        "colour channels": _numbers([r.channels for r in records]),
        "file format": _categories([r.source_format for r in records]),
    }
    for tag in (field.name for field in fields(records[0].tags) if field.name != "patient"):
        values = [getattr(record.tags, tag) for record in records]
        given = [value for value in values if value is not None]
        if given:
            encode = _categories if isinstance(given[0], str) else _numbers
            features[tag.replace("_", " ")] = encode(values)
    return features


def _numbers(values: Sequence[float | None]) -> _Values:
    return np.array(values, float)[:, None]  # of None, not a number


def _categories(values: Sequence[str | None]) -> _Values:
    """A column for each of the most frequent values."""
    names, codes, counts = np.unique(
        [value or "" for value in values], return_inverse=True, return_counts=True
    )
    frequent = np.argsort(-counts, kind="stable")[: min(max(len(names) - 1, 1), _CATEGORIES)]
    return np.asarray(codes[:, None] == frequent, float)


def _varies(values: _Values) -> bool:
    return len(np.unique(values, axis=0)) > 1


def _folds(labels: _Labels, groups: _Groups) -> _Folds:
    """Deals whole groups to the folds, class by class; indices of the fitted and the held out."""
    _, first, numbers = np.unique(groups, return_index=True, return_inverse=True)
    shuffled = np.random.default_rng(0).permutation(len(first))
    dealt = np.empty(len(first), int)
    dealt[np.lexsort((shuffled, labels[first]))] = np.arange(len(first)) % _FOLDS
    folds = dealt[numbers]
    return [(np.flatnonzero(folds != k), np.flatnonzero(folds == k)) for k in range(_FOLDS)]


def _test(
    feature: str,
    values: _Values,
    labels: _Labels,
    classes: Sequence[str],
    folds: _Folds,
    least: float,
) -> Shortcut:
    from sklearn.metrics import confusion_matrix

    confusion = confusion_matrix(labels, _predicted(values, labels, folds, "balanced"))
    images = confusion.sum(axis=1)
    found = confusion.diagonal() / images
    false_alarms = (confusion.sum(axis=0) - confusion.diagonal()) / (images.sum() - images)
    told = int(np.argmax(found - false_alarms))
    return Shortcut(
        feature=feature,
        balanced_accuracy=float(found.mean()),
        accuracy=float((_predicted(values, labels, folds, None) == labels).mean()),
        gives_away=classes[told],
        found=float(found[told]),
        false_alarms=float(false_alarms[told]),
        worrying=bool(found.mean() > least),
    )


def _predicted(values: _Values, labels: _Labels, folds: _Folds, weight: str | None) -> _Labels:
    from sklearn.model_selection import cross_val_predict
    from sklearn.tree import DecisionTreeClassifier

    tree = DecisionTreeClassifier(
        max_depth=_DEPTH, min_samples_leaf=_LEAF, class_weight=weight, random_state=0
    )
    predicted: _Labels = cross_val_predict(tree, values, labels, cv=folds)
    return predicted
