"""`saved_model_warmup_test.cc` and `saved_model_warmup_util_test.cc` of TensorFlow Serving."""

from types import SimpleNamespace

import pytest
import tensorflow as tf
from servable_calls import example, feature, predict_request, refused, request, task
from tensorflow_serving.apis import prediction_log_pb2
from upstream_models import CLASSIFY, REGRESS

from serving.server.errors import Code
from serving.server.warm_up import warm_up

pytestmark = pytest.mark.long

Log = prediction_log_pb2.PredictionLog


@pytest.fixture
def model(load, tmp_path):
    """A model that counts its runs, by how many outputs they ask for."""
    loaded = load("half_plus_two")

    def run(feeds, arrays, fetches):
        counting.runs.append(len(fetches))
        return loaded.run(feeds, arrays, fetches)

    counting = SimpleNamespace(**vars(loaded) | {"path": tmp_path, "run": run, "runs": []})
    (tmp_path / "assets.extra").mkdir()
    return counting


def mixed() -> list[bytes]:
    """A request of each kind."""
    x = example(x=feature(2.0))
    several = request("MultiInference", x)
    task(several, "regress_x_to_y", REGRESS)
    task(several, "regress_x_to_y2", REGRESS)
    task(several, "classify_x_to_y", CLASSIFY)
    logs = [Log(), Log(), Log(), Log()]
    logs[0].predict_log.request.CopyFrom(predict_request(x=[1.0]))
    logs[1].regress_log.request.CopyFrom(request("Regress", x, signature="regress_x_to_y"))
    logs[2].classify_log.request.CopyFrom(request("Classify", x, signature="classify_x_to_y"))
    logs[3].multi_inference_log.request.CopyFrom(several)
    return [log.SerializeToString() for log in logs]


def write(model, records, times=1):
    with tf.io.TFRecordWriter(str(file(model))) as writer:
        for record in [*records] * times:
            writer.write(record)


def file(model):
    return model.path / "assets.extra" / "tf_serving_warmup_requests"


@pytest.mark.parametrize("iterations", [1, 2])
def test_MixedWarmupData(model, iterations):
    write(model, mixed(), 10)
    warm_up(model, iterations)
    # y of three of them; y and y2 of the one of three tasks, of which two have the same output.
    assert [model.runs.count(size) for size in (1, 2)] == [30 * iterations, 10 * iterations]


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("session_run_log", id="UnsupportedLogType_SessionRun"),
        pytest.param("predict_streamed_log", id="UnsupportedLogType_PredictStreamed"),
    ],
)
def test_unsupported(model, kind):
    log = Log()
    getattr(log, kind).SetInParent()
    write(model, [log.SerializeToString()], 10)
    with refused(Code.UNIMPLEMENTED, "Unsupported log_type for warmup"):
        warm_up(model, 1)


def test_NoWarmupDataFile(model):
    warm_up(model, 1)
    assert model.runs == []


def test_WarmupDataFileEmpty(model):
    write(model, [])
    warm_up(model, 1)
    assert model.runs == []


def test_UnsupportedFileFormat(model):
    file(model).write_bytes(b"".join(mixed() * 10))
    with refused(Code.DATA_LOSS, "Please verify your warmup data is in TFRecord format"):
        warm_up(model, 1)


def test_TooManyWarmupRecords(model):
    write(model, [Log().SerializeToString()], 1001)
    with refused(Code.INVALID_ARGUMENT, "Number of warmup records exceeds the maximum"):
        warm_up(model, 1)


def test_UnparsableRecord(model):
    write(model, [b"malformed_record"])
    with refused(Code.INVALID_ARGUMENT, "Failed to parse warmup record"):
        warm_up(model, 1)


def test_RunSuccess(model):
    write(model, mixed(), 5)
    warm_up(model, 1)
    assert len(model.runs) == 20


def test_RunFailure(model):
    def fail(*_):
        raise tf.errors.InvalidArgumentError(None, None, "Run failed")

    model.run = fail
    write(model, mixed(), 10)
    with refused(None, "Run failed"):
        warm_up(model, 1)
