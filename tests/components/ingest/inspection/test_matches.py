import pytest

from components.ingest.inspection.matches import (
    cross_matches,
    groups_of_several,
    label_conflicts,
)


def test_each_test_image_gets_its_best_training_match(make_record, make_survey):
    records = [
        make_record(folder_split="train"),
        make_record(folder_split="eval"),
        make_record(folder_split="test"),
        make_record(folder_split="test"),
        make_record(folder_split="test"),
    ]
    pairs = [(0, 2, 0.91), (2, 1, 0.95), (2, 3, 0.99), (0, 1, 0.97)]
    [match] = cross_matches(make_survey(records, pairs=pairs))
    assert (match.test, match.training, match.correlation, match.exact) == (2, 1, 0.95, False)


def test_identical_pixels_come_first_and_count_for_each_copy(make_record, make_survey):
    records = [
        make_record(picture="same"),
        make_record(folder_split="test", picture="near"),
        make_record(folder_split="test", picture="same"),
        make_record(folder_split="test", picture="near"),
    ]
    matches = cross_matches(make_survey(records, pairs=[(0, 1, 0.93)]))
    assert [(m.test, m.training, m.correlation, m.exact) for m in matches] == [
        (2, 0, 1.0, True),
        (1, 0, 0.93, False),
        (3, 0, 0.93, False),
    ]


def test_an_exact_match_is_not_replaced_by_a_near_one(make_record, make_survey):
    records = [
        make_record(picture="same"),
        make_record(picture="other"),
        make_record(folder_split="test", picture="same"),
    ]
    [match] = cross_matches(make_survey(records, pairs=[(1, 2, 0.99)]))
    assert (match.training, match.exact) == (0, True)


def test_images_of_earlier_ingestions_are_passed_over(make_record, make_survey):
    records = [make_record(), make_record(folder_split="test")]
    survey = make_survey(records, groups=[0, 1, 0, 0], pairs=[(1, 2, 0.99), (3, 0, 0.95)])
    assert cross_matches(survey) == ()
    assert groups_of_several(survey) == []


@pytest.mark.parametrize("ids", [[4, 7, 4, 9, 7, 4], ["b", "a", "b", "c", "a", "b"]])
def test_groups_are_told_largest_first(make_record, make_survey, ids):
    survey = make_survey([make_record() for _ in ids], groups=ids)
    assert groups_of_several(survey) == [[0, 2, 5], [1, 4]]


def test_no_image_no_group(make_survey):
    assert groups_of_several(make_survey([])) == []
    assert cross_matches(make_survey([])) == ()


def test_a_group_of_two_labels_is_a_conflict_that_begins_with_one_of_each(make_record):
    labels = ["glioma", "glioma", "notumor", "glioma", "glioma"]
    records = [make_record(label) for label in labels]
    assert label_conflicts(records, [[0, 1, 2], [3, 4]]) == [[0, 2, 1]]
