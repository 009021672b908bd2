"""Predict over gRPC."""

import grpc
import numpy as np
import pytest
import tensorflow as tf
from gates import Gate, past
from model_server import Server, strings
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
)

X = {"x": np.float32([2.0, 3.0])}


@pytest.mark.parametrize("name", ["half", "tf1"])
@pytest.mark.parametrize("outputs", [(), ("y",)])
def test_predict_with_and_without_output_filter(server: Server, name, outputs):
    x = X if name == "half" else {"x": X["x"][:, np.newaxis]}
    response = server.predict(x, name, outputs=outputs)
    assert set(response.outputs) == {"y"}
    assert list(response.outputs["y"].float_val) == [3.0, 3.5]
    assert not response.outputs["y"].tensor_content
    spec = response.model_spec
    assert (spec.name, spec.signature_name, spec.version.value) == (name, "serving_default", 123)


def test_a_named_signature_and_the_chosen_ones_of_its_outputs(server: Server):
    response = server.predict(X, "half", "two", ["z"])
    assert response.model_spec.signature_name == "two"
    assert set(response.outputs) == {"z"}
    assert tf.make_ndarray(response.outputs["z"]).tolist() == [[2, -2], [3, -3]]


def test_several_inputs(server: Server):
    inputs = {"x": np.float32([1, 2]), "k": np.int64([[1, 2], [3, 4]])}
    assert list(server.predict(inputs, "half", "sum").outputs["s"].float_val) == [4, 9]


def test_a_sequential_keras_model(server: Server):
    response = server.predict({_only_input(server, "keras"): np.float32([[1, 2, 3]])}, "keras")
    (output,) = response.outputs.values()
    assert list(output.float_val) == [6.0]


def _only_input(server: Server, name: str) -> str:
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = name
    signatures = get_model_metadata_pb2.SignatureDefMap()
    server.predictions.GetModelMetadata(request).metadata["signature_def"].Unpack(signatures)
    (found,) = signatures.signature_def["serving_default"].inputs
    return found


def test_every_type_comes_back_in_its_typed_field(server: Server):
    inputs = {
        "double": np.float64([0.1, -np.inf]),
        "int": np.int32([-(2**31), 7]),
        "bool": np.bool_([True, False]),
        "byte": np.uint8([0, 255]),
        "string": np.array([[b"\0\xff", b""], [b"a", b"b" * 10_000]], dtype=object),
    }
    response = server.predict(inputs, "types")
    for name, value in inputs.items():
        assert not response.outputs[name].tensor_content
        assert tf.make_ndarray(response.outputs[name]).tolist() == value.tolist()


def test_half_precision(server: Server):
    response = server.predict({"x": np.float32([1.5, -2])}, "types", "half")
    assert tf.make_ndarray(response.outputs["half"]).tolist() == [1.5, -2]
    assert tf.make_ndarray(response.outputs["brain"]).astype(float).tolist() == [1.5, -2]
    assert len(response.outputs["half"].half_val) == 2


@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (2, 3, 4)])
def test_any_shape_in_fields_or_content(server: Server, shape):
    array = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = "types", "any_shape"
    request.inputs["any"].CopyFrom(tf.make_tensor_proto(array))  # tensor_content
    content = server.predictions.Predict(request).outputs["out"]
    request.inputs["any"].ClearField("tensor_content")
    request.inputs["any"].float_val[:] = array.ravel().tolist()
    fields = server.predictions.Predict(request).outputs["out"]
    assert tf.make_ndarray(content).tolist() == tf.make_ndarray(fields).tolist() == array.tolist()


def test_one_value_fills_its_shape_as_in_tensorflow(server: Server):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "half"
    request.inputs["x"].dtype = 1
    request.inputs["x"].tensor_shape.dim.add(size=3)
    request.inputs["x"].float_val.append(2.0)
    assert list(server.predictions.Predict(request).outputs["y"].float_val) == [3.0] * 3


def test_surplus_values_are_dropped_as_in_tensorflow(server: Server):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "half"
    request.inputs["x"].CopyFrom(tf.make_tensor_proto(X["x"]))
    request.inputs["x"].ClearField("tensor_content")
    request.inputs["x"].float_val.extend([2.0, 4.0, 9.0])
    assert list(server.predictions.Predict(request).outputs["y"].float_val) == [3.0, 4.0]


@pytest.mark.parametrize(
    "damage",
    [
        lambda t: t.tensor_shape.dim.add(size=7),
        lambda t: setattr(t.tensor_shape.dim[0], "size", -1),
        lambda t: setattr(t.tensor_shape, "unknown_rank", True),
        lambda t: setattr(t, "tensor_content", b"12345"),
    ],
)
def test_what_is_no_tensor_is_refused(server: Server, damage):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "half"
    request.inputs["x"].CopyFrom(tf.make_tensor_proto(X["x"]))
    damage(request.inputs["x"])
    with pytest.raises(grpc.RpcError) as caught:
        server.predictions.Predict(request)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details() == "tensor parsing error: x"


def test_a_few_bytes_make_no_large_tensor(server: Server):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "half"
    request.inputs["x"].dtype = 1
    request.inputs["x"].tensor_shape.dim.add(size=60_000_000)
    request.inputs["x"].float_val.append(2.0)
    with pytest.raises(grpc.RpcError, match="tensor parsing error: x: its shape takes 240000000"):
        server.predictions.Predict(request)


def test_strings_in_content_and_a_lone_string(server: Server):
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = "types", "joined"
    text = request.inputs["text"]
    text.dtype, text.tensor_content = tf.string.as_datatype_enum, b"\3\4onetwo\xff"
    text.tensor_shape.dim.add(size=2)
    joined = server.predictions.Predict(request).outputs["joined"]
    assert (list(joined.string_val), len(joined.tensor_shape.dim)) == ([b"onetwo\xff"], 0)
    status, answer = server.rest(
        "/v1/models/types:predict", {"inputs": ["a", "b"], "signature_name": "joined"}
    )
    assert (status, answer) == (200, '{\n    "outputs": "ab"\n}')


@pytest.mark.parametrize("size", [0, 1, 30_000_000])
def test_empty_and_large_strings(server: Server, size):
    response = server.predict({"image_bytes": strings(b"x" * size)}, "bytes")
    assert [len(value) for value in response.outputs["echo_bytes"].string_val] == [size]


def test_unix_socket(server: Server):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "half"
    request.inputs["x"].CopyFrom(tf.make_tensor_proto(X["x"]))
    with grpc.insecure_channel(f"unix:{server.socket_path}") as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        assert list(stub.Predict(request).outputs["y"].float_val) == [3.0, 3.5]


def test_a_deadline_ends_a_request_and_not_the_server(server: Server, tmp_path):
    with Gate(tmp_path / "gate") as gate:
        with pytest.raises(grpc.RpcError) as caught:
            server.predict(gate.rows(), "held", timeout=0.05)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert list(server.predict(past(), "held").outputs["size"].int_val) == [1]
