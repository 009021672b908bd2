from pathlib import Path

import pytest
from tfx.components.infra_validator import error_types

from components.serve_check import kubernetes
from components.serve_check.config import ServeCheckConfig
from components.serve_check.wire import UndecidedError


class FakeRunner:
    """Notes what it is told; a pod that never runs where `fails` is set."""

    made: list["FakeRunner"] = []
    fails = False

    def __init__(self, model_path, binary, spec) -> None:
        self.model_path, self.image, self.model_name = model_path, binary.image, spec.model_name
        self.saw_model = self.stopped = False
        self.made.append(self)

    def Start(self) -> None:  # noqa: N802 - TFX's
        self.saw_model = (Path(self.model_path) / "saved_model.pb").exists()

    def WaitUntilRunning(self, deadline: float) -> None:  # noqa: N802
        if self.fails:
            raise error_types.JobAborted("phase=Failed")

    def GetEndpoint(self) -> str:  # noqa: N802
        return "10.0.0.7:8500"

    def Stop(self) -> None:  # noqa: N802
        self.stopped = True


@pytest.fixture
def runner(monkeypatch):
    monkeypatch.setattr(kubernetes.kubernetes_runner, "KubernetesRunner", FakeRunner)
    monkeypatch.setattr(FakeRunner, "made", [])
    return FakeRunner


@pytest.fixture
def model(tmp_path) -> Path:
    folder = tmp_path / "model" / "Format-Serving"
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    return folder


def test_a_pod_serves_the_model_and_is_deleted(runner, model):
    config = ServeCheckConfig(server="tensorflow_serving", image="site:5000/serving:2.19.1")
    with kubernetes.start_pod(config, model) as endpoints:
        assert (endpoints.grpc, endpoints.rest) == ("10.0.0.7:8500", "10.0.0.7:8501")
        [made] = runner.made
        assert made.saw_model
        assert not made.stopped
    assert made.stopped
    assert made.image == "site:5000/serving:2.19.1"
    assert Path(made.model_path).parent.name == made.model_name == "candidate"
    assert [path.name for path in model.parent.iterdir()] == ["Format-Serving"]


def test_a_pod_that_does_not_run_is_no_verdict(runner, model, monkeypatch):
    monkeypatch.setattr(runner, "fails", True)
    with pytest.raises(UndecidedError, match="the pod did not run: phase=Failed"):
        with kubernetes.start_pod(ServeCheckConfig(), model):
            pass
    assert runner.made[0].stopped
    assert [path.name for path in model.parent.iterdir()] == ["Format-Serving"]
