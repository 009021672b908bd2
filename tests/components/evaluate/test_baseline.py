import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as pb
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


def _store(served: tuple[tuple[int, bool], ...]) -> mlmd.MetadataStore:
    config = pb.ConnectionConfig()
    config.fake_database.SetInParent()
    store = mlmd.MetadataStore(config)
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
        _store(served),
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
