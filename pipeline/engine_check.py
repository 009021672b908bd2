"""Whether an engine can do Apache Beam's work, asked before anything runs."""

import http.client
import json
import logging
import shutil
import socket
import urllib.error
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

from components.errors import PipelineError, UsageError
from pipeline.beam_config import BeamConfig
from pipeline.engines import Engine, parse_engine

_SECONDS = 10.0
"""How long an engine may take to answer."""
_LARGEST = 1 << 20
"""Bytes of an answer."""
_NETWORK = 256 << 20
"""Bytes of network memory below which a TaskManager may lack buffers for StatisticsGen's tasks."""

_LOG = logging.getLogger(__name__)


def ready_engine(beam: BeamConfig) -> BeamConfig:
    """Asks the engine that a configuration names whether it is there and has room.

    Args:
        beam: The section of the configuration.

    Returns:
        The same, with options that depend on how large the engine is; what is given stays.

    Raises:
        PipelineError: The engine cannot be used as it is; in a sentence.
    """
    engine = beam.engine
    if engine is None or engine.kind in ("local", "dataflow"):
        return beam
    if jar := engine.options.get("jar"):
        _demand_jar(Path(jar))
    if job := engine.options.get("job"):
        _demand_listening(job, f"the job server {job}", "start it, or name another as job=")
    more = _flink(engine) if engine.kind == "flink" else _spark(engine)
    given = {option.partition("=")[0] for option in beam.arguments}
    added = [f"{name}={value}" for name, value in more.items() if name not in given]
    return beam.model_copy(update={"options": (*beam.options, *added)})


def ready_options(word: str) -> tuple[str, ...]:
    """The same for a command that has an engine and no configuration.

    Args:
        word: The engine's name.

    Returns:
        Options for Apache Beam.

    Raises:
        UsageError: There is no such engine, or it has no such option.
        PipelineError: The engine cannot be used as it is.
    """
    try:
        parse_engine(word)
    except ValueError as error:
        reason = str(error)
        end = "" if reason.endswith((".", "?")) else "."
        raise UsageError(f"--beam {word!r} is refused: {reason}{end}") from error
    return ready_engine(BeamConfig(runner=word)).arguments


def _flink(engine: Engine) -> dict[str, int]:
    """Checks Flink's slots by its REST interface.

    Returns:
        Beam's options that use all of them.
    """
    overview = _ask(engine, "overview")
    managers, slots = overview.get("taskmanagers"), overview.get("slots-total")
    free = overview.get("slots-available")
    if not all(isinstance(number, int) for number in (managers, slots, free)):
        raise PipelineError(
            f"{engine.address} is not Flink's REST address: its /overview names no slots."
        )
    if not managers or not slots:
        raise PipelineError(f"Flink at {engine.address} has no TaskManager: start one.")
    wanted = int(engine.options.get("parallelism", 0))
    if wanted > slots:
        raise PipelineError(
            f"Flink at {engine.address} has {slots:,} slots, and parallelism={wanted:,} needs "
            f"{wanted:,}: add TaskManagers, or ask for less."
        )
    if free < max(wanted, 1):
        raise PipelineError(
            f"Flink at {engine.address} has {free:,} of {slots:,} slots free, and a run needs "
            f"{max(wanted, 1):,}: wait for the other jobs, cancel them, or add TaskManagers."
        )
    _warn_of_configuration(engine)
    return {"--parallelism": wanted or free, "--sdk_worker_parallelism": -(-slots // managers)}


def _warn_of_configuration(engine: Engine) -> None:
    """Says what a job may fail of later, which is no reason not to begin."""
    settings = {
        one.get("key"): one.get("value")
        for one in _ask(engine, "jobmanager/config", of=list)
        if isinstance(one, dict)
    }
    strategy = settings.get("restart-strategy.type", settings.get("restart-strategy"))
    if strategy in (None, "none", "off", "disable"):
        _LOG.warning(
            "Flink at %s has no restart strategy: a worker that dies ends the job; set "
            "restart-strategy.type: fixed-delay in its configuration",
            engine.address,
        )
    managers = _ask(engine, "taskmanagers").get("taskmanagers")
    for manager in managers if isinstance(managers, list) else ():
        found = _ask(engine, f"taskmanagers/{manager['id']}").get("memoryConfiguration", {})
        if isinstance(size := found.get("networkMemory"), int) and size < _NETWORK:
            _LOG.warning(
                "Flink's TaskManager %s has %d MiB of network memory, of which StatisticsGen may "
                "need more; set taskmanager.memory.network.min: 512m",
                manager["id"],
                size >> 20,
            )


def _spark(engine: Engine) -> dict[str, int]:
    _demand_listening(
        engine.address,
        f"Spark's master at {engine.address}",
        "start it, or name its address as spark://HOST:7077",
    )
    if "job" not in engine.options and shutil.which("java") is None:
        raise PipelineError(
            "Spark gets its jobs from a job server in Java, and there is no java here: install "
            "one, or name a job server that runs elsewhere, as in "
            f"spark://{engine.address}?job=HOST:8099."
        )
    return {}


def _ask(engine: Engine, path: str, of: type = dict) -> Any:
    url = f"http://{engine.address}/{path}"
    try:
        # No proxy stands between a run and its cluster.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, timeout=_SECONDS) as answer:
            found = json.loads(answer.read(_LARGEST))
    except urllib.error.HTTPError as error:
        raise PipelineError(
            f"{engine.address} is not Flink's REST address: /{path} answers {error.code}."
        ) from error
    except (ValueError, http.client.HTTPException) as error:
        raise PipelineError(
            f"{engine.address} is not Flink's REST address: /{path} does not answer with JSON."
        ) from error
    except OSError as error:
        raise PipelineError(
            f"Flink at {engine.address} does not answer ({_words(error)}): start it, or name its "
            "JobManager's REST address as flink://HOST:8081."
        ) from error
    if not isinstance(found, of):
        raise PipelineError(
            f"{engine.address} is not Flink's REST address: /{path} answers something else."
        )
    return found


def _demand_listening(address: str, what: str, remedy: str) -> None:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _SECONDS).close()
    except (OSError, OverflowError) as error:
        raise PipelineError(
            f"{what[:1].upper()}{what[1:]} does not answer ({_words(error)}): {remedy}."
        ) from error


def _words(error: Exception) -> str:
    reason = getattr(error, "reason", error)
    return str(getattr(reason, "strerror", None) or reason)


def _demand_jar(jar: Path) -> None:
    try:
        with zipfile.ZipFile(jar) as file:
            found = any(name.endswith("JobServerDriver.class") for name in file.namelist())
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        reason = getattr(error, "strerror", None) or "not a jar"
        raise PipelineError(f"The jar {jar} cannot be read: {reason}.") from error
    if not found:
        raise PipelineError(
            f"{jar} is not a job server of Beam: it has no class called ...JobServerDriver."
        )
