"""The server: its parts put together, from the first request to the last."""

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from components.bucket_versions import VersionCache
from components.signature import verify
from serving.server.admission import Admission
from serving.server.batching import BatchingRunner, Runner, Workers
from serving.server.configuration import Configuration
from serving.server.core import ReplacedError, ServerCore
from serving.server.errors import StatusError
from serving.server.flags import Flags
from serving.server.grpc_services import GrpcServices, Health
from serving.server.inference import Inference
from serving.server.lifecycle import Lifecycle, Place
from serving.server.metrics import ServerMetrics
from serving.server.request_log import RequestLog
from serving.server.rest import RestApi, RestServer
from serving.server.servable import LoadOptions, Servable
from serving.server.warm_up import warm_up

log = logging.getLogger(__name__)

_LAST_SECONDS = 1
"""What the last answers have to be sent; who watches the health is cut off then."""
_TURN_SECONDS = 0.0005
"""After how long a thread that converts gives way to the event loop, which comes often."""


async def serve(
    configuration: Configuration, grpc_server: Any, rest_socket: socket.socket | None
) -> None:
    """Serves, where it listens already, until SIGTERM or SIGINT; then ends what is in flight."""
    flags = configuration.flags
    asyncio.get_running_loop().set_exception_handler(_say_trouble)
    sys.setswitchinterval(_TURN_SECONDS)
    metrics = ServerMetrics()
    lifecycle = Lifecycle(
        _loader(flags, VersionCache(Path(kept) if (kept := flags.model_cache_dir) else None)),
        flags.max_num_load_retries,
        flags.load_retry_interval_micros / 1e6,
        flags.num_load_threads,
    )
    allowed = flags.allow_version_labels_for_unavailable_models
    core = ServerCore(lifecycle, allow_labels_for_unavailable=allowed)
    for name in configuration.models:
        lifecycle.expect(name)
    request_log = None
    if flags.request_log_dir:
        request_log = RequestLog(
            Path(flags.request_log_dir),
            flags.request_log_sampling,
            flags.request_log_rows,
            flags.request_log_seconds,
        )
    batching = configuration.batching
    threads = batching.num_batch_threads if batching else 4 * (os.cpu_count() or 1)
    workers = Workers(lifecycle, threads)
    runner = BatchingRunner(batching, workers, metrics) if batching else Runner(workers, metrics)
    inference = Inference(core, runner, metrics, request_log)
    health = Health()
    await health.set(serving=False)
    admission = Admission()
    GrpcServices(inference, admission).add_to(grpc_server)
    if flags.enable_grpc_healthcheck_service:
        health.add_to(grpc_server)
    await grpc_server.start()
    rest = RestServer(RestApi(inference, configuration), flags.drain_seconds)
    serving_rest = asyncio.create_task(rest.serve([rest_socket])) if rest_socket else None
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    models = asyncio.create_task(keep_models(configuration, core, health))
    # What is here now stays: collecting garbage need not look at it, and is short.
    gc.collect()
    gc.freeze()
    _say_ready(flags)
    await stop.wait()
    log.info("Ending: requests in flight have %d seconds", flags.drain_seconds)
    admission.close()
    models.cancel()
    await health.set(serving=False)
    rest.should_exit = True
    await _drain(flags.drain_seconds, grpc_server, admission, serving_rest)
    await lifecycle.close()
    if request_log:
        await asyncio.to_thread(request_log.close)
    if lifecycle.busy or inference.conversion.busy:
        log.warning("Ended with requests in flight")
        logging.shutdown()
        os._exit(0)  # Python would wait for the threads that they run in.


async def keep_models(configuration: Configuration, core: ServerCore, health: Health) -> None:
    """Loads the models, says so, and watches folders and configuration where flags ask for it."""
    flags = configuration.flags
    watching = []
    try:
        if flags.file_system_poll_wait_seconds > 0:
            watching.append(asyncio.create_task(core.watch(flags.file_system_poll_wait_seconds)))
        taken = configuration.models
        try:
            await core.reload(taken)
        except StatusError as error:
            log.error("%s", error.message)
            if not isinstance(error, ReplacedError):
                taken = {}
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
    seconds: int, grpc_server: Any, admission: Admission, serving_rest: asyncio.Task[None] | None
) -> None:
    """Gives the requests in flight their time."""

    async def end_grpc() -> None:
        ended = await admission.drained(seconds)
        stopping = asyncio.create_task(grpc_server.stop(_LAST_SECONDS if ended else None))
        await asyncio.wait([stopping], timeout=_LAST_SECONDS / 10)
        admission.close()
        await stopping

    ending = [asyncio.create_task(end_grpc()), *([serving_rest] if serving_rest else [])]
    await asyncio.wait(ending, timeout=seconds + _LAST_SECONDS + 1)


def _loader(flags: Flags, cache: VersionCache) -> Callable[[str, int, Place], Servable]:
    parallelism = flags.tensorflow_session_parallelism
    options = LoadOptions(
        tags=tuple(flags.saved_model_tags.split(",")),
        intra_op_threads=flags.tensorflow_intra_op_parallelism or parallelism,
        inter_op_threads=flags.tensorflow_inter_op_parallelism or parallelism,
        check_method_name=flags.enable_signature_method_name_check,
    )
    iterations = flags.num_request_iterations_for_warmup if flags.enable_model_warmup else 0

    def load(name: str, version: int, place: Place) -> Servable:
        here = (
            nullcontext(place) if isinstance(place, Path) else cache.fetched(place.listed_again())
        )
        with here as path:
            if flags.require_signature:
                verify(path, Path(flags.require_signature))
            servable = Servable(name, version, path, options)
            try:
                warm_up(servable, iterations)
            except BaseException:
                servable.close()
                raise
        return servable

    return load


def _say_ready(flags: Flags) -> None:
    places = (
        (flags.port, f"gRPC at {flags.bind_address}:{flags.port}"),
        (flags.grpc_socket_path, f"gRPC at unix:{flags.grpc_socket_path}"),
        (flags.rest_api_port, f"HTTP/REST at {flags.bind_address}:{flags.rest_api_port}"),
    )
    said = ", ".join(place for listens, place in places if listens)
    sys.stderr.write(f"Running ModelServer: {said}\n")


def _say_trouble(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """The event loop's exception handler: what the system refuses is a line, not a traceback."""
    if isinstance(error := context.get("exception"), OSError):
        log.error("%s: %s", context["message"], error.strerror)
    else:
        loop.default_exception_handler(context)
