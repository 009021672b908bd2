"""What the graph connects with what, where a mistake would let an unchecked model through."""

import json
from pathlib import Path

import pytest

from pipeline import node_ids
from pipeline.config import Config
from pipeline.graph import create_pipeline
from pipeline.work import Work


def _nodes(tmp_path: Path, **settings: object) -> dict:
    config = Config(data=tmp_path, **settings)
    return {node.id: node for node in create_pipeline(config, Work(tmp_path)).components}


def test_pusher_heeds_both_blessings(tmp_path):
    nodes = _nodes(tmp_path)
    inputs = nodes["Pusher"].inputs
    assert inputs["infra_blessing"] is nodes["ServeCheck"].outputs["blessing"]
    assert inputs["model_blessing"] is nodes["Evaluator"].outputs["blessing"]
    assert nodes["ServeCheck"].inputs["model"] is inputs["model"]


def test_the_model_to_beat_is_asked_and_compared(tmp_path):
    nodes = _nodes(tmp_path)
    baseline = nodes["Baseline"].outputs
    asked, compared = nodes["Predictions"].inputs, nodes["Evaluator"].inputs
    assert asked["baseline_model"] is baseline["model"]
    assert asked["baseline_splits"] is baseline["splits"]
    assert compared["baseline_model"] is baseline["model"]
    changed = nodes["Robustness"]
    assert changed.inputs["baseline_model"] is baseline["model"]
    assert compared["changed"] is changed.outputs["changed"]


@pytest.mark.parametrize("cached", [False, True])
def test_whether_nodes_are_answered_from_cache_is_a_setting(tmp_path, cached):
    pipeline = create_pipeline(Config(data=tmp_path, cache=cached), Work(tmp_path))
    assert pipeline.enable_cache == cached


@pytest.mark.parametrize("wanted", [False, True])
def test_bulk_inference_is_a_branch_that_one_asks_for(tmp_path, wanted):
    nodes = _nodes(tmp_path, bulk_inference=wanted)
    assert ("BulkInferrer" in nodes) == wanted
    assert Config().bulk_inference is False


def test_the_nodes_that_others_speak_of_are_there(tmp_path):
    spoken_of = {value for value in vars(node_ids).values() if isinstance(value, str)}
    assert spoken_of & set(node_ids.NODES) == {
        value for name, value in vars(node_ids).items() if name.isupper() and name != "NODES"
    }


def test_the_nodes_are_listed_in_the_order_in_which_they_run(tmp_path):
    nodes = _nodes(tmp_path, tune={"enabled": True}, bulk_inference=True)
    assert tuple(nodes) == node_ids.NODES


def test_what_the_tuner_finds_is_what_the_trainer_takes(tmp_path):
    nodes = _nodes(tmp_path, tune={"enabled": True})
    found = nodes["Tuner"].outputs["best_hyperparameters"]
    assert nodes["Trainer"].inputs["hyperparameters"] is found
    assert "hyperparameters" not in _nodes(tmp_path)["Trainer"].inputs


def test_what_is_accepted_and_why_are_execution_properties_of_the_gate(tmp_path):
    settings = {"accept_anomalies": ("leak", "drift", "leak"), "accept_reason": "so"}
    properties = _nodes(tmp_path, **settings)["Gate"].exec_properties
    assert json.loads(properties["accepted"]) == ["drift", "leak"]
    assert properties["reason"] == "so"
    stricter = _nodes(tmp_path, gate={"drift_noise": 1})["Gate"].exec_properties
    assert properties["config"] != stricter["config"]
    assert properties["code"] == stricter["code"]


def test_the_schema_is_keyed_by_the_classes(tmp_path):
    classes = [["glioma", "notumor"], ["glioma", "metástasis", "notumor"]]
    given = [_nodes(tmp_path, ingest={"classes": names})["SchemaGen"] for names in classes]
    assert [json.loads(node.exec_properties["classes"]) for node in given] == classes


def test_building_it_reads_neither_images_nor_weights(tmp_path):
    weights = tmp_path / "weights.h5"
    settings = {"model": {"weights": weights}, "tune": {"enabled": True}}
    before = {name: node.exec_properties for name, node in _nodes(tmp_path, **settings).items()}
    weights.write_bytes(b"weights")
    (tmp_path / "sample.json").write_text('{"notice": "Drawn pictures."}')
    after = {name: node.exec_properties for name, node in _nodes(tmp_path, **settings).items()}
    assert before == after
