"""The server: its parts put together, from the first request to the last."""

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from components.errors import PipelineError
from serving.server.admission import Admission
from serving.server.batching import BatchingRunner
from serving.server.configuration import BatchingParameters, Configuration
from serving.server.core import ReplacedError, ServerCore
from serving.server.errors import StatusError
from serving.server.flags import Flags
from serving.server.grpc_services import GrpcServices
from serving.server.health import Health
from serving.server.inference import Inference
from serving.server.lifecycle import Lifecycle
from serving.server.logs import say_trouble
from serving.server.metrics import ServerMetrics
from serving.server.request_log import RequestLog
from serving.server.rest import RestApi
from serving.server.rest_server import RestServer
from serving.server.runner import Runner, Workers
from serving.server.servable import LoadOptions, Servable
from serving.server.warm_up import warm_up

log = logging.getLogger(__name__)

_LAST_SECONDS = 1
"""What the last answers have to be sent; who watches the health is cut off then."""
_TURN_SECONDS = 0.0005
"""After how long a thread that converts gives way to the event loop, which comes often."""


async def serve(
    configuration: Configuration,
    grpc_server: Any,
    rest_socket: socket.socket | None,
    ready: Callable[[], None],
) -> None:
    """Serves until SIGTERM or SIGINT, and then ends what is in flight.

    Args:
        configuration: What to do.
        grpc_server: Has its addresses already.
        rest_socket: Where REST listens; None: nowhere.
        ready: Called when requests are answered.

    Raises:
        PipelineError: The folder of the request log cannot be made.
    """
    flags = configuration.flags
    asyncio.get_running_loop().set_exception_handler(say_trouble)
    sys.setswitchinterval(_TURN_SECONDS)
    metrics = ServerMetrics()
    lifecycle = Lifecycle(
        _loader(flags),
        flags.max_num_load_retries,
        flags.load_retry_interval_micros / 1e6,
        flags.num_load_threads,
    )
    core = ServerCore(
        lifecycle,
        allow_labels_for_unavailable=flags.allow_version_labels_for_unavailable_models,
    )
    core.expect(configuration.models)
    request_log = _request_log(flags)
    inference = Inference(
        core, _runner(configuration.batching, lifecycle, metrics), metrics, request_log
    )
    health = Health()
    await health.set(serving=False)
    admission = Admission()
    GrpcServices(inference, admission).add_to(grpc_server)
    if flags.enable_grpc_healthcheck_service:
        health.add_to(grpc_server)
    await grpc_server.start()
    rest = _rest_server(flags, inference, configuration.metrics_path)
    serving_rest = asyncio.create_task(rest.serve([rest_socket])) if rest_socket else None
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    models = asyncio.create_task(keep_models(configuration, core, health))
    # What is here now stays: collecting garbage need not look at it, and is short.
    gc.collect()
    gc.freeze()
    ready()
    await stop.wait()
    log.info("Ending: requests in flight have %d seconds", flags.drain_seconds)
    admission.close()
    models.cancel()
    await health.set(serving=False)
    await _drain(flags, grpc_server, admission, rest, serving_rest)
    await lifecycle.close()
    if request_log:
        await asyncio.to_thread(request_log.close)
    if lifecycle.busy or inference.conversion.busy:
        log.warning("Ended with requests in flight")
        logging.shutdown()
        os._exit(0)  # Python would wait for the threads that they run in.


async def keep_models(configuration: Configuration, core: ServerCore, health: Health) -> None:
    """Loads the models, says so, and watches their folders and their configuration.

    Ends where neither is to be watched.

    Args:
        configuration: Which models, and how often what is looked at.
        core: Where they go.
        health: Where it is said.
    """
    flags = configuration.flags
    watching = []
    try:
        if flags.file_system_poll_wait_seconds > 0:
            watch = core.watch(flags.file_system_poll_wait_seconds)
            watching.append(asyncio.create_task(watch))
        taken = configuration.models
        try:
            await core.reload(taken)
        except ReplacedError as error:
            log.error("%s", error.message)
        except StatusError as error:
            taken = {}
            log.error("%s", error.message)
        await health.set(serving=True)
        if flags.model_config_file and flags.model_config_file_poll_wait_seconds > 0:
            watch = core.watch_config(
                Path(flags.model_config_file), flags.model_config_file_poll_wait_seconds, taken
            )
            watching.append(asyncio.create_task(watch))
        await asyncio.gather(*watching)
    finally:
        for task in watching:
            task.cancel()


async def _drain(
    flags: Flags,
    grpc_server: Any,
    admission: Admission,
    rest: RestServer,
    serving_rest: asyncio.Task[None] | None,
) -> None:
    """Takes no new request and gives those in flight their time."""

    async def end_grpc() -> None:
        ended = await admission.drained(flags.drain_seconds)
        stopping = asyncio.create_task(grpc_server.stop(_LAST_SECONDS if ended else None))
        await asyncio.wait([stopping], timeout=_LAST_SECONDS / 10)
        admission.close()
        await stopping

    ending = [asyncio.create_task(end_grpc())]
    rest.should_exit = True
    if serving_rest:
        ending.append(serving_rest)
    await asyncio.wait(ending, timeout=flags.drain_seconds + _LAST_SECONDS + 1)


def _loader(flags: Flags) -> Callable[[str, int, Path], Servable]:
    parallelism = flags.tensorflow_session_parallelism
    options = LoadOptions(
        tags=tuple(flags.saved_model_tags.split(",")),
        intra_op_threads=flags.tensorflow_intra_op_parallelism or parallelism,
        inter_op_threads=flags.tensorflow_inter_op_parallelism or parallelism,
        check_method_name=flags.enable_signature_method_name_check,
    )
    iterations = flags.num_request_iterations_for_warmup if flags.enable_model_warmup else 0

    def load(name: str, version: int, path: Path) -> Servable:
        servable = Servable(name, version, path, options)
        try:
            warm_up(servable, iterations)
        except BaseException:
            servable.close()
            raise
        return servable

    return load


def _runner(
    batching: BatchingParameters | None, lifecycle: Lifecycle, metrics: ServerMetrics
) -> Runner:
    if batching is None:
        return Runner(Workers(lifecycle, 4 * (os.cpu_count() or 1)), metrics)
    return BatchingRunner(batching, Workers(lifecycle, batching.num_batch_threads), metrics)


def _request_log(flags: Flags) -> RequestLog | None:
    if not flags.request_log_dir:
        return None
    folder = Path(flags.request_log_dir)
    try:
        return RequestLog(
            folder, flags.request_log_sampling, flags.request_log_rows, flags.request_log_seconds
        )
    except OSError as error:
        raise PipelineError(
            f"Cannot log requests in {folder}: {error.strerror}. Name another folder."
        ) from error


def _rest_server(flags: Flags, inference: Inference, metrics_path: str | None) -> RestServer:
    timeout = flags.rest_api_timeout_in_ms / 1000 or None
    others = flags.rest_api_enable_cors_support
    api = RestApi(inference, metrics_path, timeout, allow_other_origins=others)
    return RestServer(api.app(), timeout, flags.drain_seconds)
