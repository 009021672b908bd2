"""`tensorflow_model_server_test.py` of TensorFlow Serving: the server process from outside."""

import json

import grpc
import numpy as np
import pytest
from model_server import HANGS, ended, running_server, spec, write_config
from servable_calls import example, feature, predict_request, request, task
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    prediction_service_pb2_grpc,
)
from upstream_models import CLASSIFY, REGRESS

pytestmark = pytest.mark.long

EXAMPLE = example(x=feature(2.0))
TF1, TF2 = "default", "half_plus_two_tf2"


def verify_spec(answered, asked):
    assert answered.name == asked.name
    assert answered.signature_name == (asked.signature_name or "serving_default")
    assert answered.version.value == 123


def verify_predict(
    server, expected, name="default", signature="", filtered=True, batch=False, stub=None
):
    """Asks for 2, as a scalar or as a batch of one."""
    two = np.float32([[2]] if batch else 2)
    asked = predict_request(name=name, signature=signature, x=two)
    if filtered:
        asked.output_filter.append("y")
    answered = (stub or server.predictions).Predict(asked, HANGS)
    [output] = answered.outputs.values()
    assert list(output.float_val) == [expected]
    assert len(output.tensor_shape.dim) == (2 if batch else 0)
    verify_spec(answered.model_spec, asked.model_spec)


def test_GetModelStatus(server):
    asked = get_model_status_pb2.GetModelStatusRequest(model_spec=spec("default"))
    [status] = server.models.GetModelStatus(asked, HANGS).model_version_status
    assert (status.version, status.status.error_code) == (123, 0)


def test_GetModelMetadata(server):
    asked = get_model_metadata_pb2.GetModelMetadataRequest(
        model_spec=spec("default"), metadata_field=["signature_def"]
    )
    answered = server.predictions.GetModelMetadata(asked, HANGS)
    assert answered.model_spec == spec("default", version=123)
    assert list(answered.metadata) == ["signature_def"]


@pytest.mark.parametrize("name", [TF1, TF2], ids=["testClassify", "testClassifyTf2"])
def test_classify(server, name):
    asked = request("Classify", EXAMPLE, name=name, signature="classify_x_to_y")
    answered = server.predictions.Classify(asked, HANGS)
    [[one]] = [row.classes for row in answered.result.classifications]
    assert one.score == 3
    verify_spec(answered.model_spec, asked.model_spec)


@pytest.mark.parametrize("name", [TF1, TF2], ids=["testRegress", "testRegressTf2"])
def test_regress(server, name):
    asked = request("Regress", EXAMPLE, name=name, signature="regress_x_to_y")
    answered = server.predictions.Regress(asked, HANGS)
    assert [one.value for one in answered.result.regressions] == [3]
    verify_spec(answered.model_spec, asked.model_spec)


@pytest.mark.parametrize("name", [TF1, TF2], ids=["testMultiInference", "testMultiInferenceTf2"])
def test_multi_inference(server, name):
    asked = request("MultiInference", EXAMPLE)
    task(asked, "regress_x_to_y", REGRESS, name)
    task(asked, "classify_x_to_y", CLASSIFY, name)
    first, second = server.predictions.MultiInference(asked, HANGS).results
    assert first.regression_result.regressions[0].value == 3
    assert second.classification_result.classifications[0].classes[0].score == 3
    for result, one in zip((first, second), asked.tasks, strict=True):
        verify_spec(result.model_spec, one.model_spec)


@pytest.mark.parametrize("filtered", [True, False])
def test_PredictSavedModel(server, filtered):
    verify_predict(server, 3, filtered=filtered)


@pytest.mark.parametrize("filtered", [True, False])
def test_GoodModelConfig(server, filtered):
    verify_predict(server, 3, "half_plus_two", filtered=filtered)
    verify_predict(server, 4, "half_plus_three", filtered=filtered)


def test_BadModelConfig(tmp_path):
    bad = tmp_path / "bad_model_config.txt"
    bad.write_text("improperly formatted file")
    code, said = ended(tmp_path, "--port=1", f"--model_config_file={bad}")
    assert code != 0
    assert "Error parsing text-format tensorflow.serving.ModelServerConfig" in said


def test_ModelConfigReload(models, tmp_path):
    config = write_config(tmp_path / "models", {"half_plus_two": models / "half_plus_two"})
    flags = (f"--model_config_file={config}", "--model_config_file_poll_wait_seconds=1")
    with running_server(tmp_path, *flags) as server:
        verify_predict(server, 3, "half_plus_two", filtered=False)
        write_config(config, {"half_plus_three": models / "half_plus_three"})
        server.wait_for({123: "AVAILABLE"}, "half_plus_three")
        verify_predict(server, 4, "half_plus_three", filtered=False)


def test_ModelConfigReloadWithZeroPollPeriod(models, tmp_path):
    version = models / "half_plus_two" / "00000123"
    base = tmp_path / "base"
    base.mkdir()
    (base / "123").symlink_to(version)
    policy = {"half_plus_two": "model_version_policy { all {} }"}
    config = write_config(tmp_path / "models", {"half_plus_two": base}, policy)
    flags = (f"--model_config_file={config}", "--model_config_file_poll_wait_seconds=0")
    with running_server(tmp_path, *flags) as server:
        verify_predict(server, 3, "half_plus_two", filtered=False)
        write_config(config, {"half_plus_three": models / "half_plus_three"})
        (base / "124").symlink_to(version)
        server.wait_for({124: "AVAILABLE"}, "half_plus_two")  # a second has passed meanwhile
        assert server.known("half_plus_three") == {}
        assert server.status("half_plus_two") == {123: "AVAILABLE", 124: "AVAILABLE"}


def test_GoodGrpcChannelArgs(server):
    # The server was started with upstream's two arguments.
    verify_predict(server, 3, filtered=False)


def rest(server, path, body=None):
    status, text = server.rest(f"/v1/models/{path}", body)
    assert status == 200
    return json.loads(text)


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        pytest.param(
            "default:classify",
            {"signature_name": "classify_x_to_y", "examples": [{"x": 2.0}]},
            {"results": [[["", 3.0]]]},
            id="testClassifyREST",
        ),
        pytest.param(
            "default:regress",
            {"signature_name": "regress_x_to_y", "examples": [{"x": 2.0}]},
            {"results": [3.0]},
            id="testRegressREST",
        ),
        pytest.param(
            "default:predict",
            {"instances": [2.0, 3.0, 4.0]},
            {"predictions": [3.0, 3.5, 4.0]},
            id="testPredictREST",
        ),
        pytest.param(
            "default:predict",
            {"inputs": [2.0, 3.0, 4.0]},
            {"outputs": [3.0, 3.5, 4.0]},
            id="testPredictColumnarREST",
        ),
        pytest.param(
            "default",
            None,
            {
                "model_version_status": [
                    {
                        "version": "123",
                        "state": "AVAILABLE",
                        "status": {"error_code": "OK", "error_message": ""},
                    }
                ]
            },
            id="testGetStatusREST",
        ),
    ],
)
def test_rest(server, path, body, expected):
    assert rest(server, path, body) == expected


def test_GetModelMetadataREST(server, half_plus_two_metadata):
    assert rest(server, "default/metadata") == half_plus_two_metadata


def test_PrometheusEndpoint(server):
    verify_predict(server, 3)
    status, text = server.rest("/monitoring/prometheus/metrics")
    assert (status, "# TYPE" in text) == (200, True)


def test_PredictUDS(server):
    with grpc.insecure_channel(f"unix:{server.socket_path}") as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        verify_predict(server, 3, filtered=False, stub=stub)


def test_tf_saved_model_save(server):
    verify_predict(server, 12, "tf_saved_model_save", filtered=False)


def test_tf_saved_model_save_multiple_signatures(server):
    verify_predict(server, 2, "multiple_signatures", "custom_signature_key")
    verify_predict(server, 1, "multiple_signatures")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("sequential_keras", id="test_sequential_keras_saved_model_save"),
        pytest.param(
            "distrat_sequential_keras", id="test_distrat_sequential_keras_saved_model_save"
        ),
    ],
)
def test_keras(server, name):
    verify_predict(server, 2, name, filtered=False, batch=True)
