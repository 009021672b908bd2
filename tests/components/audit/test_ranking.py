"""Which labels an audit suspects, from numbers alone."""

import numpy as np
import pytest

from components.audit.folds import out_of_fold
from components.audit.nearest import Neighbours
from components.audit.ranking import CONFLICT, UNLIKELY, rank
from components.errors import PipelineError
from components.ingest.duplicates import Pairs


def _pairs(*pairs: tuple[int, int]) -> Pairs:
    first, second = np.array(pairs, np.int64).reshape(-1, 2).T
    return Pairs(first, second, np.ones(len(first), np.float32))


def test_duplicates_that_disagree_come_first_then_unlikely_labels_then_the_rest():
    labels = np.array([0, 0, 0, 1, 1, 0])
    likely = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.9, 0.1], [0.3, 0.7], [0.5, 0.5]])
    found = rank(labels, likely, _pairs((0, 1), (0, 4), (1, 4), (2, 9)))
    assert [one.index for one in found] == [4, 3, 2, 5, 1, 0]
    outvoted, unlikely, *_ = found
    assert (outvoted.reason, outvoted.suggested, outvoted.matches) == (CONFLICT, 0, (0, 1))
    assert (unlikely.reason, unlikely.suggested, unlikely.probability) == (UNLIKELY, 0, 0.9)
    assert unlikely.score == pytest.approx(0.1)
    assert {one.reason for one in found[3:]} == {""}
    assert {one.suggested for one in found[3:]} == {None}


def test_of_two_duplicates_both_are_suspected_the_less_likely_label_first():
    found = rank(np.array([0, 1]), np.array([[0.8, 0.2], [0.7, 0.3]]), _pairs((0, 1)))
    assert [(one.index, one.suggested) for one in found] == [(1, 0), (0, 1)]


def test_copies_in_one_group_do_not_vouch_for_a_wrong_label():
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1], 30)
    features = random.normal(size=(60, 40)).astype(np.float32)
    features[:, :10] += 2 * labels[:, None]
    labels[:4] = 1  # four copies of one picture, all wrong
    features[:4] = features[0]
    features[:4, 10:] *= 2  # which a classifier that has seen one of them knows again
    groups = ["copies"] * 4 + [f"{n}" for n in range(56)]
    found = out_of_fold(features, labels, groups, ["glioma", "notumor"])
    assert (found[:4, 0] > 0.5).all()
    apart = out_of_fold(features, labels, [f"{n}" for n in range(60)], ["glioma", "notumor"])
    assert (apart[:4, 0] < 0.5).all()


def test_a_class_of_a_single_picture_is_refused_by_name():
    with pytest.raises(PipelineError, match=r"glioma \(1\)"):
        out_of_fold(
            np.eye(5, dtype=np.float32), np.array([0, 0, 1, 1, 1]), list("aabcd"), ["glioma", "x"]
        )


def test_neighbours_are_of_the_class_and_of_other_groups_each():
    features = np.array([[5, 0], [5, 1], [5, 1.1], [5, 2], [-5, 0], [5, 0]], np.float32)
    near = Neighbours(features, np.array([0, 1, 1, 1, 1, 1]), list("abbcda"))
    assert near.nearest(0, 1, 2) == (1, 3)
