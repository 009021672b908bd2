"""The gate and its resolver in a small pipeline, launched against a real metadata store."""

import json
from pathlib import Path

import pytest
from counting import CLASSES, report
from gating import (
    SPLITS,
    anomalies_artifact,
    heads,
    report_artifact,
    schema_artifact,
    statistics_artifact,
    statistics_of,
)
from tfx.dsl.components.common.importer import Importer
from tfx.dsl.components.common.resolver import Resolver
from tfx.orchestration.pipeline import Pipeline
from tfx.types import Channel, standard_artifacts

from components.gate.artifacts import GateVerdict
from components.gate.component import Gate
from components.gate.config import GateConfig
from components.gate.previous import LastPassedStrategy
from components.gate.verdict import DataVerdict
from components.ingest.artifacts import IngestReportFile
from pipeline.database import connect, connection_config
from pipeline.launch import compile_pipeline, launch_node, node_ids, set_run_id
from pipeline.work import Work

# TFX asks protobuf for a label, in a function that pipeline.launch calls.
pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore:label:DeprecationWarning")]

BRIGHT = statistics_of(heads(40, 1))
DARK = statistics_of(heads(40, 2, lambda pixels: pixels * 0.5))


class _Runs:
    """Runs the gate on data that lie ready in folders."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.connection = connection_config(None, Work(root))
        self.count = 0

    def data(self, name, statistics=BRIGHT, **counts):
        """Writes what earlier nodes leave of some data."""
        folder = self.root / name
        by_split = dict.fromkeys(SPLITS, statistics)
        statistics_artifact(folder / "statistics", by_split)
        anomalies_artifact(folder / "anomalies", by_split, CLASSES)
        schema_artifact(folder / "schema", CLASSES)
        report_artifact(folder / "report", report(fingerprint=name, **counts))
        return name

    def run(self, name, accepted=(), reason="", **config):
        """Judges data: the gate's state, its verdict, and the folder of the previous data."""
        self.count += 1
        ir = compile_pipeline(self._pipeline(name, GateConfig(**config), accepted, reason))
        set_run_id(ir, f"run-{self.count}")
        results = {node: launch_node(ir, node, self.connection) for node in node_ids(ir)}
        gate = results["Gate"]
        verdict = DataVerdict.read(Path(gate.outputs["verdict"][0].uri))
        resolved = results["PreviousData"].outputs
        previous = {
            Path(resolved[output][0].uri).parent.name
            for output in ("statistics", "report")
            if resolved.get(output)
        }
        assert len(previous) <= 1
        return gate.state, verdict.outcome, next(iter(previous), None)

    def _pipeline(self, name, config, accepted, reason):
        kinds = {
            "statistics": standard_artifacts.ExampleStatistics,
            "anomalies": standard_artifacts.ExampleAnomalies,
            "schema": standard_artifacts.Schema,
            "report": IngestReportFile,
        }
        splits = {"split_names": '["train", "eval", "test"]'}
        sources = {
            output: Importer(
                source_uri=str(self.root / name / output),
                artifact_type=kind,
                properties=splits if output in ("statistics", "anomalies") else {},
            ).with_id(output)
            for output, kind in kinds.items()
        }
        found = {output: source.outputs["result"] for output, source in sources.items()}
        previous = Resolver(
            strategy_class=LastPassedStrategy,
            candidate_statistics=found["statistics"],
            candidate_report=found["report"],
            statistics=Channel(type=standard_artifacts.ExampleStatistics),
            report=Channel(type=IngestReportFile),
            verdict=Channel(type=GateVerdict),
        ).with_id("PreviousData")
        gate = Gate(
            **found,
            previous_statistics=previous.outputs["statistics"],
            previous_report=previous.outputs["report"],
            config=config.model_dump_json(),
            accepted=json.dumps(accepted),
            reason=reason,
            code="",
        )
        return Pipeline(
            pipeline_name="gated",
            pipeline_root=str(self.root / "artifacts"),
            components=[*sources.values(), previous, gate],
            enable_cache=True,
        )


@pytest.fixture
def runs(tmp_path):
    return _Runs(tmp_path)


def test_data_are_compared_with_the_last_that_passed(runs):
    first, second, third = runs.data("first"), runs.data("second"), runs.data("third")
    assert runs.run(first) == ("done", "passed", None)
    assert runs.run(second) == ("done", "passed", "first")
    assert runs.run(third) == ("done", "passed", "second")


def test_the_same_data_again_are_answered_from_cache(runs):
    first, second = runs.data("first"), runs.data("second")
    runs.run(first)
    runs.run(second)
    assert runs.run(first) == ("cached", "passed", None)
    assert runs.run(second) == ("cached", "passed", "first")


def test_stopped_data_are_no_measure_until_they_are_accepted(runs):
    first, dark, next_dark = runs.data("first"), runs.data("dark", DARK), runs.data("next", DARK)
    runs.run(first)
    assert runs.run(dark) == ("stopped", "stopped", "first")
    assert runs.run(next_dark) == ("stopped", "stopped", "first")
    assert runs.run(dark, accepted=["drift"], reason="new scanner") == ("done", "warned", "first")
    assert runs.run(next_dark) == ("done", "passed", "dark")


def test_the_candidate_is_not_compared_with_its_own_content(runs):
    first, second = runs.data("first"), runs.data("second")
    again = runs.data("again")
    report_artifact(runs.root / "again" / "report", report(fingerprint="second"))
    runs.run(first)
    runs.run(second)
    assert runs.run(again) == ("done", "passed", "first")


def test_data_of_the_same_folder_come_before_newer_data_of_another(runs):
    ours, other = runs.data("ours"), runs.data("other", source="elsewhere")
    next_of_ours, next_of_third = runs.data("next"), runs.data("third", source="a third")
    runs.run(ours)
    assert runs.run(other)[2] == "ours"
    assert runs.run(next_of_ours)[2] == "ours"
    assert runs.run(next_of_third)[2] == "next"


def test_what_was_accepted_and_why_stands_in_the_metadata(runs):
    runs.run(runs.data("first"))
    runs.run(runs.data("dark", DARK), accepted=["drift"], reason="new scanner")
    store = connect(runs.connection)
    executions = [
        {name: value.string_value for name, value in execution.custom_properties.items()}
        for execution in store.get_executions()
    ]
    assert [(e["accepted"], e["reason"]) for e in executions if e.get("reason")] == [
        ('["drift"]', "new scanner")
    ]
