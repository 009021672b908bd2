import io

import ml_metadata as mlmd
from commands import decide
from ml_metadata.proto import metadata_store_pb2 as pb
from registering import MADE, RUNS, Registry
from rich.console import Console
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


def _store(blessings: list, served: tuple[tuple[int, bool], ...]) -> mlmd.MetadataStore:
    config = pb.ConnectionConfig()
    config.fake_database.SetInParent()
    store = mlmd.MetadataStore(config)
    type_id = store.put_artifact_type(pb.ArtifactType(name="ModelBlessing"))
    for blessing in blessings:
        blessing.type_id = type_id
        blessing.mlmd_artifact.ClearField("id")  # of another store
        [blessing.id] = store.put_artifacts([blessing.mlmd_artifact])
    for model_id, blessed in served:
        made = pb.Artifact(type_id=store.put_artifact_type(pb.ArtifactType(name="InfraBlessing")))
        made.custom_properties["model_id"].int_value = model_id
        made.custom_properties["blessed"].int_value = int(blessed)
        store.put_artifacts([made])
    return store


def _resolve(
    candidate: int, models: list[int], blessings: list, served: tuple[tuple[int, bool], ...] = ()
) -> list[int]:
    resolved = LatestBlessedBaselineStrategy().resolve_artifacts(
        _store(blessings, served),
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


def test_a_model_that_could_not_be_served_is_no_baseline_until_it_can():
    blessings = [_blessing(1), _blessing(2)]
    assert _resolve(3, [1, 2, 3], blessings, ((1, True), (2, False))) == [1]
    assert _resolve(3, [1, 2, 3], blessings, ((2, False), (2, True))) == [2]


def test_a_model_that_was_refused_when_judged_once_more_is_no_baseline():
    blessings = [_blessing(1), _blessing(2), _blessing(2, blessed=False)]
    assert _resolve(3, [1, 2, 3], blessings) == [1]


def _baseline(registry: Registry) -> int | None:
    """Which model a new candidate is compared with."""

    def known(kind: type) -> list:
        made = []
        for one in registry.store.get_artifacts_by_type(kind.TYPE_NAME):
            if one.state == pb.Artifact.LIVE:
                made.append(kind())
                made[-1].set_mlmd_artifact(one)
        return made

    resolved = LatestBlessedBaselineStrategy().resolve_artifacts(
        registry.store,
        {
            "candidate": [_model(999)],
            "model": known(standard_artifacts.Model),
            "model_blessing": known(standard_artifacts.ModelBlessing),
        },
    )
    for model, blessing in zip(resolved["model"], resolved["model_blessing"], strict=True):
        assert blessing.get_int_custom_property("current_model_id") == model.id
    return next((model.id for model in resolved["model"]), None)


def _decide(registry: Registry, name: str | None, decision: str) -> None:
    decide(Console(file=io.StringIO()), registry.work.root, name, decision, "complaints")


def test_the_last_word_counts_even_where_it_is_an_earlier_one_from_cache(tmp_path):
    registry = Registry(tmp_path / "work")
    first, second = registry.add(0), registry.add(1)
    assert _baseline(registry) == second
    registry.judge_again(2, second, blessed=False)
    assert _baseline(registry) == first
    [earlier] = [
        one.id
        for one in registry.store.get_artifacts_by_type("ModelBlessing")
        if one.uri.endswith("/1")
    ]
    registry.answer_from_cache(2, "Evaluator", "blessing", earlier)
    assert _baseline(registry) == second
    refused = registry.check(0, second, blessed=False)
    registry.check(1, second, blessed=True)
    assert _baseline(registry) == second
    registry.answer_from_cache(2, "ServeCheck", "blessing", refused)
    assert _baseline(registry) == first


def test_the_model_that_a_person_went_back_to_is_what_candidates_are_compared_with(tmp_path):
    registry = Registry(tmp_path / "work")
    first = registry.add(0)
    registry.add(1)
    registry.add(2)
    _decide(registry, str(MADE), "rollback")
    assert _baseline(registry) == first


def test_a_model_that_waits_is_no_baseline_before_the_one_that_a_person_went_back_to(tmp_path):
    registry = Registry(tmp_path / "work")
    first = registry.add(0)
    waits = registry.add(1, push="after_review")
    assert _baseline(registry) == waits
    served = registry.add(2)
    assert _baseline(registry) == served
    _decide(registry, None, "rollback")
    assert _baseline(registry) == first
    _decide(registry, RUNS[1], "reject")
    assert _baseline(registry) == first


def test_what_a_person_decided_stays_where_the_file_of_the_blessing_is_gone(tmp_path):
    registry = Registry(tmp_path / "work")
    first, second = registry.add(0), registry.add(1)
    _decide(registry, None, "rollback")
    [marked] = [
        one
        for one in registry.store.get_artifacts_by_type("ModelBlessing")
        if one.custom_properties["current_model_id"].int_value == second
    ]
    marked.state = pb.Artifact.DELETED
    registry.store.put_artifacts([marked])
    registry.judge_again(2, second, blessed=True, push="after_review")
    assert _baseline(registry) == first
