"""TensorFlow Serving as a pod, by the runner of TFX's own InfraValidator."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tfx.components.infra_validator import error_types, serving_bins
from tfx.components.infra_validator.model_server_runners import kubernetes_runner
from tfx.proto import infra_validator_pb2
from tfx.utils.model_paths import tf_serving_flavor

from components.serve_check.config import ServeCheckConfig
from components.serve_check.wire import MODEL, Endpoints, UndecidedError

_REST_PORT = 8501


@contextmanager
def start_pod(config: ServeCheckConfig, model: Path) -> Iterator[Endpoints]:
    """Runs a pod for one model, and deletes it.

    The model is copied beside itself, into the layout that a server reads; the volume that it lies
    on must be one that more than one pod may mount.

    Args:
        config: The image, and how long it may take.
        model: The SavedModel's folder.

    Yields:
        Where the pod listens.

    Raises:
        UndecidedError: The pod did not run.
    """
    base = model.parent / ".serve_check"
    path = Path(tf_serving_flavor.make_model_path(str(base), MODEL, 1))
    image, _, tag = config.image.rpartition(":")
    spec = infra_validator_pb2.ServingSpec(
        model_name=MODEL,
        tensorflow_serving=infra_validator_pb2.TensorFlowServing(image_name=image, tags=[tag]),
        kubernetes=infra_validator_pb2.KubernetesConfig(),
    )
    [binary] = serving_bins.parse_serving_binaries(spec)
    shutil.rmtree(base, ignore_errors=True)
    shutil.copytree(model, path)
    runner = kubernetes_runner.KubernetesRunner(str(path), binary, spec)
    try:
        runner.Start()
        runner.WaitUntilRunning(time.time() + config.timeout)
        host, _, port = runner.GetEndpoint().rpartition(":")
        yield Endpoints(f"{host}:{port}", f"{host}:{_REST_PORT}")
    except (error_types.JobAborted, error_types.DeadlineExceeded) as error:
        raise UndecidedError(f"the pod did not run: {error}") from error
    finally:
        runner.Stop()
        shutil.rmtree(base, ignore_errors=True)
