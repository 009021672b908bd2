import hashlib
import json
from dataclasses import replace
from itertools import count

import pytest
from ml_metadata.proto import metadata_store_pb2 as pb

from components.evaluate.report.card import Decision
from components.evaluate.standing import Standing, standings
from pipeline.lineage import Lineage, Run, Use
from pipeline.registry import Model
from pipeline.retention import kept_artifacts


class Records:
    """Runs as ML Metadata has them, without a database or a file."""

    def __init__(self) -> None:
        self._ids = count(1)
        self.artifacts: dict[int, pb.Artifact] = {}
        self.executions: dict[int, pb.Execution] = {}
        self.uses: list[Use] = []
        self.runs: dict[str, set[int]] = {}

    def execute(self, run: str, *, history: str = "", weights: str = "", **uses: int) -> None:
        """Adds an execution: what it used by input name, what it made by `made_` and output."""
        identity = next(self._ids)
        execution = pb.Execution(id=identity)
        if history:
            execution.custom_properties["history"].string_value = history
        if weights:
            config = json.dumps({"weights": weights})
            execution.custom_properties["custom_config"].string_value = config
        self.executions[identity] = execution
        self.runs.setdefault(run, set()).add(identity)
        for name, artifact in uses.items():
            made = name.startswith("made_")
            self.uses.append(Use(identity, artifact, name.removeprefix("made_"), made))

    def artifact(self, kind: str, **properties: str | int) -> int:
        identity = next(self._ids)
        made = pb.Artifact(id=identity, type=kind, uri=f"/{identity}", state=pb.Artifact.LIVE)
        for name, value in properties.items():
            field = "int_value" if isinstance(value, int) else "string_value"
            setattr(made.custom_properties[name], field, value)
        self.artifacts[identity] = made
        return identity

    def model(self, run: str, *, blessed: int = 1, withdrawn: int = 0) -> tuple[int, int]:
        """Adds a model and its blessing."""
        model = self.artifact("Model")
        self.execute(run, made_model=model)
        blessing = self.artifact(
            "ModelBlessing", current_model_id=model, blessed=blessed, withdrawn=withdrawn
        )
        self.execute(run, model=model, made_blessing=blessing)
        return model, blessing

    def verdict(self, run: str, content: str, outcome: str = "passed", source: str = "in"):
        """Adds data that the gate judged: statistics, report, verdict."""
        statistics, report = self.artifact("ExampleStatistics"), self.artifact("IngestReport")
        verdict = self.judge(run, statistics, report, content, outcome, source)
        return statistics, report, verdict

    def judge(self, run, statistics, report, content, outcome, source="in") -> int:
        verdict = self.artifact(
            "GateVerdict",
            outcome=outcome,
            source=source,
            fingerprint=content,
            statistics_id=statistics,
            report_id=report,
        )
        self.execute(run, statistics=statistics, report=report, made_verdict=verdict)
        return verdict

    def split(self, run: str, content: str, folder: str = "in", policy: str = "group") -> int:
        made = self.artifact(
            "SplitAssignment", fingerprint=content, input_base=folder, policy=policy
        )
        self.execute(run, made_splits=made)
        return made

    def kept(self, *runs: str, models: tuple[Model, ...] = (), served: tuple[int, ...] = ()):
        lineage = Lineage(
            tuple(Run(name, 0, frozenset(ids)) for name, ids in self.runs.items()),
            self.executions,
            self.artifacts,
            tuple(self.uses),
            {},
        )
        newest = [run for run in lineage.runs if run.name in runs]
        return kept_artifacts(lineage, newest, models, served)

    def as_model(self, identity: int, **fields) -> Model:
        """A model as the registry reads it: it stands where its artifacts say."""
        said = [
            [one for one in self.artifacts.values() if one.type == kind]
            for kind in ("ModelBlessing", "InfraBlessing")
        ]
        last = {use.artifact: use.execution for use in self.uses if use.output}
        standing = standings(*said, last).get(identity, Standing())
        return Model(
            self.artifacts[identity],
            run="",
            runs=(),
            pipeline="mri",
            **{"standing": standing, **fields},
        )


@pytest.fixture
def records() -> Records:
    return Records()


def test_what_kept_runs_used_and_made_stays_and_nothing_else(records):
    old, shared, made = (records.artifact("Examples") for _ in range(3))
    records.execute("first", made_examples=old)
    records.execute("first", made_examples=shared)
    records.execute("second", examples=shared, made_transformed=made)
    assert records.kept("second") == {shared, made}
    assert records.kept() == set()
    records.artifacts[shared].state = pb.Artifact.DELETED
    assert records.kept("second") == {made}


def test_the_split_that_a_cached_answer_went_on_from_stays(records):
    first = records.split("first", "a")
    second = records.split("second", "b")
    records.artifacts[second].custom_properties["history"].string_value = records.artifacts[
        first
    ].uri
    records.split("third", "c")
    records.split("fourth", "d")
    records.execute("again", made_splits=second)  # answered from cache
    assert first in records.kept("again")
    assert first not in records.kept("fourth")


def test_the_newest_split_and_the_newest_of_other_content_stay_for_each_policy(records):
    [_, b, _, c] = [records.split("r", content) for content in "abcc"]
    policy = records.split("r", "a", policy="as_is")
    assert records.kept() == {b, c, policy}
    # The next ingestion goes on from the newest, whatever folder its images came in.
    elsewhere = records.split("r", "a", folder="other")
    assert records.kept() == {c, elsewhere, policy}


def test_the_split_that_a_kept_ingestion_went_on_from_stays(records):
    first = records.split("r", "a")
    rest = [records.split("r", content) for content in "bc"]
    assert first not in records.kept()
    records.execute("again", history=records.artifacts[first].uri)
    assert records.kept("again") == {first, *rest}


def test_the_last_data_that_passed_stay_for_each_source(records):
    records.verdict("r", "a")
    before = records.verdict("r", "b")
    last = records.verdict("r", "c", "warned")
    records.verdict("r", "d", "stopped")
    other = records.verdict("r", "a", source="other")
    assert records.kept() == {*before, *last, *other}


def test_data_stopped_when_judged_again_are_not_remembered_as_passed(records):
    statistics, report, passed = records.verdict("first", "a")
    stopped = records.judge("second", statistics, report, "a", "stopped")
    # Kept for the run that used it; the verdict that took it back must stay too.
    assert records.kept("first") == {statistics, report, passed, stopped}


def test_two_models_blessed_last_stay_and_no_withdrawn_or_refused_one(records):
    pairs = [records.model("r") for _ in range(3)]
    refused = records.model("r", blessed=0)
    withdrawn = records.model("r", withdrawn=1)
    models = tuple(records.as_model(model) for model, _ in (*pairs, refused, withdrawn))
    assert records.kept(models=models) == {*pairs[1], *pairs[2]}


def test_a_model_that_the_serve_check_refused_last_is_not_kept_as_one_to_beat(records):
    pairs = [records.model("r") for _ in range(3)]
    for (model, _), word in ((pairs[1], 0), (pairs[2], 0), (pairs[2], 1)):
        records.artifact("InfraBlessing", model_id=model, blessed=word)
    models = tuple(records.as_model(model) for model, _ in pairs)
    assert records.kept(models=models) == {*pairs[0], *pairs[2]}


def test_all_blessings_of_a_kept_model_stay(records):
    model, blessing = records.model("first", withdrawn=1)
    again = records.artifact("ModelBlessing", current_model_id=model, blessed=1)
    infra = records.artifact("InfraBlessing", blessed=1)
    records.execute("second", model=model, made_blessing=again)
    records.execute("second", model=model, made_blessing=infra)
    records.execute("third", model=model)
    models = (records.as_model(model),)
    assert records.kept("third", models=models) == {model, blessing, again, infra}


def test_a_served_model_stays_with_what_it_is_judged_and_monitored_by(records):
    model, blessing = records.model("first", blessed=0)
    judged = records.verdict("first", "a", "passed")
    for _ in range(2):
        records.verdict("later", "b")
        records.verdict("later", "c")
    report, predictions = records.artifact("ModelReport"), records.artifact("Predictions")
    pushed = records.artifact("PushedModel", pushed_version="7")
    records.execute("first", model=model, made_pushed_model=pushed)
    models = (
        records.as_model(
            model,
            versions=("7",),
            report=records.artifacts[report],
            predictions=records.artifacts[predictions],
        ),
    )
    family = {model, blessing, report, predictions, pushed, *judged}
    assert not records.kept(models=models) & family
    assert family <= records.kept(models=models, served=(model,))


def test_a_model_stays_with_the_record_of_what_it_was_trained_on(records):
    splits = [records.artifact("SplitAssignment", fingerprint=str(one)) for one in range(4)]
    examples, transformed = records.artifact("Examples"), records.artifact("Examples")
    records.execute("first", made_examples=examples, made_splits=splits[0])
    records.execute("first", examples=examples, made_transformed_examples=transformed)
    model = records.artifact("Model")
    records.execute("first", examples=transformed, made_model=model)
    for one in splits[1:]:
        records.execute("later", made_splits=one)
    models = (records.as_model(model),)
    assert splits[0] not in records.kept(models=models)
    kept = records.kept(models=models, served=(model,))
    assert splits[0] in kept
    assert not {splits[1], examples, transformed} & kept


def _trained(records: Records, run: str, **properties: str) -> tuple[int, int]:
    """Adds an ingestion and a model that was trained on it; the splits and the model."""
    weights = properties.pop("weights", "")
    splits = records.artifact("SplitAssignment", fingerprint=run)
    examples, model = records.artifact("Examples"), records.artifact("Model", **properties)
    records.execute(run, made_examples=examples, made_splits=splits)
    records.execute(run, examples=examples, made_model=model, weights=weights)
    return splits, model


def test_a_model_stays_with_the_record_of_what_its_weights_were_trained_on_before(records):
    first, base = _trained(records, "first", **{"model.h5.sha256": "ab" * 32})
    second, between = _trained(
        records, "second", weights="ab" * 32, **{"model.keras.sha256": "cd" * 32}
    )
    third, model = _trained(records, "third", weights="cd" * 32)
    for one in "abc":
        _trained(records, f"later {one}")
    models = tuple(records.as_model(one) for one in (base, between, model))
    assert not {first, second, third} & records.kept(models=models)
    kept = records.kept(models=models, served=(model,))
    assert {first, second, third, model} <= kept
    assert not {base, between} & kept
    # That they are gone changes nothing.
    for one in (base, between):
        records.artifacts[one].state = pb.Artifact.DELETED
    assert {first, second, third} <= records.kept(models=models, served=(model,))


def test_a_base_model_whose_weights_are_known_by_its_file_alone_stays(records, tmp_path):
    first, base = _trained(records, "first")  # an earlier version recorded no digest
    records.artifacts[base].uri = str(tmp_path)
    (tmp_path / "model.h5").write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    _, model = _trained(records, "second", weights=digest)
    for one in "abc":
        _trained(records, f"later {one}")
    models = tuple(records.as_model(one) for one in (base, model))
    assert {first, base} <= records.kept(models=models, served=(model,))


def test_a_model_that_waits_stays_until_it_is_decided(records):
    model, blessing = records.model("r", blessed=0)
    standing = Standing(records.artifacts[records.artifact("ModelBlessing", blessed=1)])
    waiting = records.as_model(model, waiting=True, standing=standing)
    assert records.kept(models=(waiting,)) == {model, blessing}
    no = Decision(decision="rejected", time="now", reason="no", report="", version=None)
    against = replace(standing, withdrawn=True)
    decided = records.as_model(model, waiting=True, standing=against, decisions=(no,))
    assert records.kept(models=(decided,)) == set()
