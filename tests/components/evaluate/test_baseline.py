from tfx.types import standard_artifacts

from components.evaluate.baseline import LatestBlessedBaselineStrategy


def _model(identity: int) -> standard_artifacts.Model:
    model = standard_artifacts.Model()
    model.id = identity
    return model


def _blessing(model_id: int, *, blessed: bool = True) -> standard_artifacts.ModelBlessing:
    blessing = standard_artifacts.ModelBlessing()
    blessing.set_int_custom_property("current_model_id", model_id)
    blessing.set_int_custom_property("blessed", int(blessed))
    return blessing


def _resolve(candidate: int, models: list[int], blessings: list) -> list[int]:
    resolved = LatestBlessedBaselineStrategy().resolve_artifacts(
        None,
        {
            "candidate": [_model(candidate)],
            "model": [_model(identity) for identity in models],
            "model_blessing": blessings,
        },
    )
    assert [model.id for model in resolved["candidate"]] == [candidate]
    return [model.id for model in resolved["model"]]


def test_the_latest_blessed_model_is_the_baseline():
    assert _resolve(4, [1, 2, 3, 4], [_blessing(1), _blessing(2)]) == [2]


def test_a_refused_model_is_no_baseline():
    assert _resolve(3, [1, 2, 3], [_blessing(1), _blessing(2, blessed=False)]) == [1]


def test_a_blessed_candidate_is_not_its_own_baseline():
    assert _resolve(2, [1, 2], [_blessing(1), _blessing(2)]) == [1]
    assert _resolve(1, [1], [_blessing(1)]) == []


def test_the_first_model_has_no_baseline():
    assert _resolve(1, [1], []) == []


def test_a_model_that_was_withdrawn_is_no_baseline():
    withdrawn = _blessing(2)
    withdrawn.set_int_custom_property("withdrawn", 1)
    # Judged once more, it is blessed once more; what a person decided stays.
    blessings = [_blessing(1), withdrawn, _blessing(2)]
    assert _resolve(3, [1, 2, 3], blessings) == [1]
