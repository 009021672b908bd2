"""Which splits a model was made with, of lineages as runs record them."""

import hashlib
import json
from pathlib import Path

import ml_metadata as mlmd
import pytest
from ml_metadata.proto import metadata_store_pb2 as pb
from tfx.types import standard_artifacts

from components.errors import PipelineError
from components.evaluate.baseline import LatestBlessedBaselineStrategy
from components.evaluate.trained_on import splits_behind
from components.ingest.artifacts import SplitAssignment


class Runs:
    """Runs as far as their Trainers, in a store in memory."""

    def __init__(self) -> None:
        config = pb.ConnectionConfig()
        config.fake_database.SetInParent()
        self.store = mlmd.MetadataStore(config)

    def ingest(self) -> dict[str, int]:
        return self._execute("Ingest", {}, {"examples": "Examples", "splits": "SplitAssignment"})

    def train(self, examples: int, folder: str = "", **properties: str) -> int:
        transformed = self._execute(
            "Transform", {"examples": examples}, {"transformed_examples": "Examples"}
        )
        return self._execute(
            "Trainer",
            {"examples": transformed["transformed_examples"]},
            {"model": "Model"},
            folder,
            **{"custom_config": json.dumps({"recipe": {}}), **properties},
        )["model"]

    def record(self, model: int, **digests: str) -> None:
        """Notes what the files of a model's weights hold, as the Trainer does."""
        [made] = self.store.get_artifacts_by_id([model])
        for name, digest in digests.items():
            made.custom_properties[f"model.{name}.sha256"].string_value = digest
        self.store.put_artifacts([made])

    def delete(self, identity: int) -> None:
        [gone] = self.store.get_artifacts_by_id([identity])
        gone.state = pb.Artifact.DELETED
        self.store.put_artifacts([gone])

    def resolve(self, identity: int, name: str) -> None:
        """A resolver puts out what others have made."""
        self._publish("Resolver", {}, {name: identity}, pb.Event.INTERNAL_OUTPUT)

    def _execute(self, kind, inputs, outputs, folder="", **properties) -> dict[str, int]:
        made = {}
        for name, of in outputs.items():
            type_id = self.store.put_artifact_type(pb.ArtifactType(name=of))
            artifact = pb.Artifact(type_id=type_id, uri=folder, state=pb.Artifact.LIVE)
            [made[name]] = self.store.put_artifacts([artifact])
        self._publish(kind, inputs, made, pb.Event.OUTPUT, **properties)
        return made

    def _publish(self, kind, inputs, outputs, output, **properties) -> None:
        type_id = self.store.put_execution_type(pb.ExecutionType(name=kind))
        execution = pb.Execution(type_id=type_id, last_known_state=pb.Execution.COMPLETE)
        for name, value in properties.items():
            execution.custom_properties[name].string_value = value
        [execution_id] = self.store.put_executions([execution])
        self.store.put_events(
            [
                pb.Event(type=way, execution_id=execution_id, artifact_id=identity)
                for way, several in ((pb.Event.INPUT, inputs), (output, outputs))
                for identity in several.values()
            ]
        )


@pytest.fixture
def runs() -> Runs:
    return Runs()


def test_the_splits_of_the_ingestion_that_a_model_was_trained_on(runs):
    first, second = runs.ingest(), runs.ingest()
    one, other = runs.train(first["examples"]), runs.train(second["examples"])
    runs.resolve(one, "model")
    runs.resolve(first["splits"], "splits")
    assert splits_behind(runs.store, one) == {first["splits"]}
    assert splits_behind(runs.store, other) == {second["splits"]}
    assert splits_behind(runs.store, 99) == set()


def test_what_a_model_began_with_knows_its_images_too(runs, tmp_path):
    first, second, third = runs.ingest(), runs.ingest(), runs.ingest()
    weights = tmp_path / "model.h5"
    weights.write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    runs.train(first["examples"], str(tmp_path))
    warm = runs.train(second["examples"], weights=digest)
    cold = runs.train(third["examples"], weights=hashlib.sha256(b"another").hexdigest())
    assert splits_behind(runs.store, warm) == {first["splits"], second["splits"]}
    assert splits_behind(runs.store, cold) == {third["splits"]}


def test_what_an_earlier_version_began_with_stands_in_its_configuration(runs):
    first, second = runs.ingest(), runs.ingest()
    runs.record(runs.train(first["examples"]), h5="ab" * 32)
    warm = runs.train(second["examples"], custom_config=json.dumps({"weights": "ab" * 32}))
    assert splits_behind(runs.store, warm) == {first["splits"], second["splits"]}


@pytest.mark.parametrize("name", ["h5", "keras"])
def test_a_model_whose_files_are_gone_is_known_by_what_was_recorded_of_them(runs, tmp_path, name):
    first, second, third = runs.ingest(), runs.ingest(), runs.ingest()
    base = runs.train(first["examples"], str(tmp_path / "gone"))
    runs.record(base, **{name: "ab" * 32})
    runs.delete(base)
    between = runs.train(second["examples"], weights="ab" * 32)
    runs.record(between, h5="cd" * 32)
    last = runs.train(third["examples"], weights="cd" * 32)
    assert splits_behind(runs.store, last) == {one["splits"] for one in (first, second, third)}


def test_weights_that_cannot_be_read_are_said_to_be_so(runs, tmp_path):
    first, second = runs.ingest(), runs.ingest()
    runs.train(first["examples"], str(tmp_path))
    (tmp_path / "model.h5").mkdir()  # it is there, and cannot be read
    warm = runs.train(second["examples"], weights="ab" * 32)
    with pytest.raises(PipelineError, match=r"model\.h5 cannot be read .*run again"):
        splits_behind(runs.store, warm)
    # What it knows cannot be told; the run goes on, and says so.
    assert _resolved(runs, warm, warm, [])["candidate_splits"] == []


def _resolved(runs: Runs, candidate: int, model: int, splits: list[int]) -> dict[str, list[int]]:
    def typed(kind, identity: int):
        artifact = kind()
        artifact.id = identity
        return artifact

    blessing = standard_artifacts.ModelBlessing()
    blessing.set_int_custom_property("current_model_id", model)
    blessing.set_int_custom_property("blessed", 1)
    blessing.type_id = runs.store.put_artifact_type(pb.ArtifactType(name="ModelBlessing"))
    [blessing.id] = runs.store.put_artifacts([blessing.mlmd_artifact])
    every = [typed(SplitAssignment, identity) for identity in splits]
    found = LatestBlessedBaselineStrategy().resolve_artifacts(
        runs.store,
        {
            "candidate": [typed(standard_artifacts.Model, candidate)],
            "model": [typed(standard_artifacts.Model, identity) for identity in (model, candidate)],
            "model_blessing": [blessing],
            "splits": every,
            "candidate_splits": every,
        },
    )
    return {name: [one.id for one in several] for name, several in found.items()}


def test_a_baseline_comes_with_the_splits_that_it_was_trained_on(runs):
    first, second = runs.ingest(), runs.ingest()
    one, other = runs.train(first["examples"]), runs.train(second["examples"])
    found = _resolved(runs, other, one, [first["splits"], second["splits"]])
    assert found["model"] == [one]
    assert found["splits"] == [first["splits"]]
    assert found["candidate_splits"] == [second["splits"]]


def test_a_baseline_whose_splits_were_cleaned_comes_without(runs):
    first, second = runs.ingest(), runs.ingest()
    one, other = runs.train(first["examples"]), runs.train(second["examples"])
    runs.delete(first["splits"])
    found = _resolved(runs, other, one, [second["splits"]])
    assert (found["model"], found["splits"]) == ([one], [])


def test_a_model_that_began_in_another_pipeline_comes_with_the_splits_of_that_one(runs):
    theirs, first, second = runs.ingest(), runs.ingest(), runs.ingest()
    base = runs.train(theirs["examples"])
    runs.record(base, h5="ab" * 32)
    one = runs.train(first["examples"], weights="ab" * 32)
    other = runs.train(second["examples"], weights="ab" * 32)
    # A channel holds what this pipeline has made.
    found = _resolved(runs, other, one, [first["splits"], second["splits"]])
    assert set(found["splits"]) == {theirs["splits"], first["splits"]}
    assert set(found["candidate_splits"]) == {theirs["splits"], second["splits"]}


def test_weights_of_a_model_that_is_gone_are_weights_like_any_other(runs, tmp_path):
    first, second = runs.ingest(), runs.ingest()
    runs.train(first["examples"], str(Path(tmp_path) / "gone"))
    warm = runs.train(second["examples"], weights="ab" * 32)
    assert splits_behind(runs.store, warm) == {second["splits"]}
