"""What a task leaves for Kubeflow to show."""

import json
import math

import pytest
from trained import trained

from kubeflow.ui_artifacts import ExecutorOutputs, show
from pipeline.exit_code import ExitCode
from pipeline.launch import NodeResult


def _executor_input(folder, **artifacts):
    """As Kubeflow gives it: an output is a list of one artifact."""
    given = {
        name: {"artifacts": [{"name": name, "uri": uri, "type": {"schemaTitle": "system.Metrics"}}]}
        for name, uri in artifacts.items()
    }
    output_file = str(folder / "out" / "output_metadata.json")
    return json.dumps({"inputs": {}, "outputs": {"artifacts": given, "outputFile": output_file}})


def test_figures_and_the_confusion_matrix_are_told_in_the_output_file(tmp_path):
    uri = "minio://bucket/run/metrics"
    outputs = ExecutorOutputs.read(_executor_input(tmp_path, metrics=uri, confusion="s3://b/c"))
    outputs.metrics({"accuracy": 0.5, "unknown": None, "loss": math.nan, "worst": math.inf})
    outputs.confusion(["a", "b"], [[3, 1], [0, 2]])
    outputs.close()

    text = (tmp_path / "out" / "output_metadata.json").read_text()
    told = json.loads(text, parse_constant=pytest.fail)["artifacts"]  # Go's JSON knows no NaN
    [metrics] = told["metrics"]["artifacts"]
    assert metrics == {"name": "metrics", "uri": uri, "metadata": {"accuracy": 0.5}}
    [confusion] = told["confusion"]["artifacts"]
    assert confusion["metadata"]["confusionMatrix"]["rows"] == [{"row": [3, 1]}, {"row": [0, 2]}]


@pytest.mark.parametrize(
    ("keep_best", "figures"),
    [
        (False, {"epochs": 3.0, "val_loss": 0.6, "val_accuracy": 0.7}),
        (True, {"epochs": 2.0, "val_loss": 0.4, "val_accuracy": 0.8}),
    ],
)
def test_the_figures_of_a_training_are_those_of_the_weights_it_kept(tmp_path, keep_best, figures):
    result = trained(tmp_path, keep_best=keep_best)
    show(result, ExecutorOutputs.read(_executor_input(tmp_path, metrics="s3://bucket/metrics")))
    told = json.loads((tmp_path / "out" / "output_metadata.json").read_text())["artifacts"]
    [metrics] = told["metrics"]["artifacts"]
    assert metrics["metadata"] == figures


def test_a_page_goes_where_kubeflow_collects_it(tmp_path):
    page = tmp_path / "outputs" / "page"
    outputs = ExecutorOutputs.read(_executor_input(tmp_path, page=str(page)))
    outputs.page("<!doctype html>")
    outputs.close()
    assert page.read_text() == "<!doctype html>"


@pytest.mark.parametrize(
    ("state", "blessed", "code"),
    [
        ("done", None, ExitCode.DONE),
        ("cached", True, ExitCode.DONE),
        ("stopped", None, ExitCode.STOPPED_BY_GATE),
        ("done", False, ExitCode.NOT_BLESSED),
    ],
)
def test_a_node_ends_its_process_as_a_run_would_end(state, blessed, code):
    assert NodeResult("Node", state, 0.0, {}, blessed).exit_code is code
