"""Metrics and health."""

import time

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from model_server import Server, running_server, wait_until
from prometheus_client.parser import text_string_to_metric_families

from serving.server.metrics import ServerMetrics

pytestmark = pytest.mark.long

PATH = "/monitoring/prometheus/metrics"
X = {"x": np.float32([2.0])}


def samples(text: str) -> dict[tuple[str, frozenset], float]:
    families = text_string_to_metric_families(text)
    return {
        (s.name.removesuffix("_total"), frozenset(s.labels.items())): s.value
        for family in families
        for s in family.samples
    }


def key(name: str, **labels: str):
    return f":tensorflow:serving:{name}", frozenset(labels.items())


def test_requests_are_counted_and_measured(server: Server):
    def scrape():
        status, text = server.rest(PATH)
        assert status == 200
        return text, samples(text)

    _, before = scrape()
    started = time.monotonic()
    server.predict(X, "half")
    server.rest("/v1/models/half:predict", {"instances": [2.0]})
    with pytest.raises(grpc.RpcError):
        server.predict(X, "half", "nope")
    longest = (time.monotonic() - started) * 1e6  # microseconds
    text, after = scrape()

    def grown(*of, **labels):
        return after[key(*of, **labels)] - before.get(key(*of, **labels), 0)

    assert grown("request_count", model_name="half", status="OK") == 2
    assert grown("request_count", model_name="half", status="FAILED_PRECONDITION") == 1
    for entrypoint in ("GRPC", "REST"):
        labels = {"model_name": "half", "API": "Predict", "entrypoint": entrypoint}
        assert grown("request_latency_count", **labels) == 1
        assert grown("request_latency_bucket", **labels, le="+Inf") == 1
        assert 0 < grown("request_latency_sum", **labels) <= longest
    labels = {"model_name": "half", "API": "Predict", "runtime": "TF1"}
    assert grown("runtime_latency_count", **labels) == 2
    assert "\n# TYPE :tensorflow:serving:request_latency histogram\n" in text
    assert text.startswith("# TYPE :tensorflow:serving:request_count counter\n")
    assert ',le="10"}' in text
    assert ',le="32.4"}' in text


def test_latencies_are_in_microseconds():
    metrics = ServerMetrics()
    metrics.request_latency("m", "Predict", "REST", 0.5)
    labels = {"model_name": "m", "API": "Predict", "entrypoint": "REST"}
    assert samples(metrics.text())[key("request_latency_sum", **labels)] == 500_000


def test_names_are_quoted():
    metrics = ServerMetrics()
    metrics.request('a"b\\c\nd', "OK")
    assert samples(metrics.text())[key("request_count", model_name='a"b\\c\nd', status="OK")] == 1


def test_metrics_where_asked_for_and_not_elsewhere(other: Server, batching: Server):
    assert other.rest("/other")[0] == 200
    assert other.rest(PATH)[0] == 404
    assert batching.rest(PATH)[0] == 404


def test_health(server: Server):
    stub = health_pb2_grpc.HealthStub(server.channel)
    serving = health_pb2.HealthCheckResponse.SERVING
    for service in ("", "tensorflow.serving.PredictionService", "tensorflow.serving.ModelService"):
        assert stub.Check(health_pb2.HealthCheckRequest(service=service)).status == serving
    with pytest.raises(grpc.RpcError) as caught:
        stub.Check(health_pb2.HealthCheckRequest(service="other"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_health_says_not_serving_until_the_models_have_loaded(tmp_path):
    (tmp_path / "m" / "1").mkdir(parents=True)
    flags = (f"--model_base_path={tmp_path / 'm'}", "--load_retry_interval_micros=86400000000")
    with running_server(tmp_path, *flags, "--enable_grpc_healthcheck_service") as server:
        wait_until(lambda: "version 1 failed, try 1 of" in server.log.read_text())
        stub = health_pb2_grpc.HealthStub(server.channel)
        status = stub.Check(health_pb2.HealthCheckRequest()).status
        assert status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert server.status() == {1: "LOADING"}


def test_no_health_service_unless_asked_for(batching: Server):
    with pytest.raises(grpc.RpcError) as caught:
        health_pb2_grpc.HealthStub(batching.channel).Check(health_pb2.HealthCheckRequest())
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
