"""A node's process in its container: builds the run's graph or finds it, and launches the node.

Tasks share the work folder and ML Metadata, and nothing else. The first to run writes the run's
compiled graph to the work folder; the others read it there, which spares them the graph's imports.
"""

import argparse
import errno
import os
import signal
import stat
import sys
import traceback
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import ml_metadata as mlmd
from rich.console import Console
from tfx.proto.orchestration import pipeline_pb2

from components.errors import PipelineError, UsageError
from components.ingest.bucket_data import lend_data
from components.trainer.weights.vgg16 import resolve_weights
from kubeflow.ir import graph_digest, upstream_nodes
from kubeflow.parameters import PARAMETERS, RunParameters
from kubeflow.task_log import log_to_stderr, say
from kubeflow.ui_artifacts import KFP_RUNTIME_VARIABLE, ExecutorOutputs, show
from pipeline import node_ids
from pipeline.config import Config
from pipeline.database import PATIENCE, DatabaseAwayError, connect, connection_config
from pipeline.decisions.decide import finish_decisions
from pipeline.decisions.pushes import finish_pushes
from pipeline.environment import METADATA_VARIABLE, PATIENCE_VARIABLE
from pipeline.exit_code import PASSING, ExitCode
from pipeline.findings import print_findings
from pipeline.launch import (
    NodeResult,
    compile_pipeline,
    launch_node,
    read_ir,
    set_run_id,
    write_ir,
)
from pipeline.metadata import abandon, forget_missing, outputs, run_executions
from pipeline.notice import notice
from pipeline.outcome import describe
from pipeline.sample import ensure_sample
from pipeline.termination import Terminated, raise_at_sigterm
from pipeline.work import GRAPH_FILE, PAGE_FILE, Work

_TRAINING = (node_ids.TRAINER, node_ids.TUNER)
_JUDGES = (node_ids.EVALUATOR, node_ids.SERVE_CHECK, node_ids.REPORT)
"""The nodes that say why a model is not pushed."""
_LOG_WIDTH = 160
"""Characters of a line in a task's log, which is no terminal."""
_PASSING = (
    *(errno.EIO, errno.ESTALE, errno.EREMOTEIO, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.ENETDOWN),
    *(errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ECONNREFUSED, errno.ECONNRESET),
)
"""How storage and other servers fail that are away for a while."""
_PASSING_WORDS = (*map(os.strerror, _PASSING), "name resolution")
"""What of this is left where a library, or Beam from another process, kept the words alone."""


def run_task(
    node_id: str, run_id: str, work: Work, compiled: str, graph: str, parameters: RunParameters
) -> NodeResult:
    """Runs a node of a run, or what a killed attempt at it left to do.

    Args:
        node_id: The node.
        run_id: The run's id.
        work: The work folder on the shared storage.
        compiled: The configuration that was compiled, JSON.
        graph: The digest of the graph that was compiled.
        parameters: What the run chose.

    Returns:
        How it ended and what came out.

    Raises:
        PipelineError: It cannot go on, for a reason that a person can act on.
    """
    config = parameters.apply(compiled, work)
    connection = connection_config(os.environ.get(METADATA_VARIABLE), work)
    store = connect(connection, patience())
    with work.shared(partial(say, node_id)), work.node_turn(node_id):
        ir = _run_graph(node_id, run_id, work, config, graph, sample=not parameters.data)
        _finish_what_was_cut_off(store, work, node_id)
        if abandon(store, [run_id], work, node_id):
            say(node_id, "an earlier attempt was interrupted; continuing from what is complete")
        forget_missing(store, work, f"{config.name}.{node_id}")
        _prepare(node_id, config, work)
        assert config.data is not None
        with lend_data(config.data) if node_id == node_ids.INGEST else nullcontext():
            return launch_node(ir, node_id, connection, patience())


def patience() -> float:
    """Seconds to wait for ML Metadata whenever it is away.

    Raises:
        PipelineError: What is set is not a number of seconds.
    """
    given = os.environ.get(PATIENCE_VARIABLE, "")
    if not given:
        return PATIENCE
    if not given.isdecimal():
        raise UsageError(f"{PATIENCE_VARIABLE}={given} is not a number of seconds.")
    return float(given)


def _finish_what_was_cut_off(store: mlmd.MetadataStore, work: Work, node_id: str) -> None:
    """Finishes decisions, and before a push those that were cut off, whose turn this one has."""
    tell = partial(say, node_id)
    if node_id == node_ids.PUSHER:
        finish_pushes(store, work, tell)
    with work.node_turn("decisions"):
        finish_decisions(store, work, tell)


def _run_graph(
    node_id: str, run_id: str, work: Work, config: Config, graph: str, *, sample: bool
) -> pipeline_pb2.Pipeline:
    """The run's compiled graph: from the shared storage, or built if this is where a run begins."""
    file = work.runs / run_id / GRAPH_FILE
    with work.node_turn("graph"):
        if file.exists():
            return read_ir(file)
        if sample:  # its notice is a part of the report
            ensure_sample(work.sample, Console(stderr=True), **config.sample.model_dump())
        from pipeline.graph import create_pipeline

        ir = compile_pipeline(create_pipeline(config, work, notice(config.data)))
        upstream = upstream_nodes(ir)
        if graph_digest(ir) != graph or node_id not in upstream:
            raise PipelineError(
                "The image's pipeline is not the one that was compiled: compile it again with the "
                "package that is in the image."
            )
        if upstream[node_id]:
            raise PipelineError(
                f"What the tasks before {node_id} wrote is not in {work.root}: it must be storage "
                "that all tasks share, such as one ReadWriteMany volume."
            )
        set_run_id(ir, run_id)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_ir(ir, file)
        return ir


def _prepare(node_id: str, config: Config, work: Work) -> None:
    """What `mri run` does before its first node, where it is needed."""
    if node_id == node_ids.INGEST:
        work.lend_patient_salt()
    elif node_id in _TRAINING and config.model.weights != "random":
        given = config.model.weights
        resolve_weights(None if given == "imagenet" else Path(given))


def may_pass(error: BaseException) -> bool:
    """Whether a failure is of a kind that passes, so that the node is worth another start.

    Args:
        error: What was raised; what raised that counts as well. A verdict, a wrong setting and a
            database that was waited for already never pass.
    """
    if isinstance(error, PipelineError) and error.exit_code != ExitCode.FAILED:
        return False
    causes: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in causes:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__
    if any(isinstance(one, DatabaseAwayError) for one in causes):
        return False
    return any(
        (isinstance(one, OSError) and one.errno in _PASSING)
        or any(words in str(one) for words in _PASSING_WORDS)
        for one in causes
    )


def _explain(result: NodeResult, run_id: str, root: Path) -> None:
    """Says in the log why a verdict ends the run: Kubeflow shows no page of a task that fails."""
    code = result.exit_code
    if code is ExitCode.DONE:
        return
    if verdict := result.verdict:
        print_findings(verdict, Console(stderr=True, width=_LOG_WIDTH))
    else:
        work = Work(root)
        connection = connection_config(os.environ.get(METADATA_VARIABLE), work)
        store = connect(connection, patience())
        for node, execution in run_executions(store, run_id):
            if node in _JUDGES:
                made = outputs(store, execution.id)
                say(result.node_id, f"{node}: {describe(NodeResult(node, 'done', 0.0, made))}")
    say(
        result.node_id,
        f"this ends the run with exit code {code.value}, of which Kubeflow makes 1; RunEnd shows a "
        f"page that says why, which is {root / 'runs' / run_id / PAGE_FILE}",
    )


def parse(description: str, prog: str) -> argparse.ArgumentParser:
    """A parser with what all tasks are told."""
    parser = argparse.ArgumentParser(prog=f"python -m {prog}", description=description)
    parser.add_argument("--work", type=Path, required=True, help="the shared storage")
    parser.add_argument("--run-id", required=True, help="the run's id")
    parser.add_argument("--executor-input", help="what Kubeflow gives the task, JSON")
    return parser


def mounted(root: Path) -> Work:
    """The work folder on the shared storage.

    Raises:
        PipelineError: It is not there, or cannot be written.
    """
    if not root.is_dir():
        raise PipelineError(
            f"There is no folder {root}: the shared storage is not mounted in this task."
        )
    if not os.access(root, os.W_OK):
        raise PipelineError(f"{root} cannot be written: {_why_not(root)}")
    return Work(root)


def _why_not(root: Path) -> str:
    """Why a folder cannot be written, and what to do."""
    if os.statvfs(root).f_flag & os.ST_RDONLY:
        return "the shared storage is mounted read-only."
    found, user = root.stat(), os.geteuid()
    return (
        f"it belongs to user {found.st_uid} and group {found.st_gid} (mode "
        f"{stat.S_IMODE(found.st_mode):o}), and this task is user {user}. Kubeflow sets no "
        f"fsGroup: give the folder to the user once (chown {user}:{os.getegid()}), as "
        "docs/deploy.md shows."
    )


def main() -> None:
    """Runs one node; the exit code is the node launcher's."""
    parser = parse("Run one node of the pipeline in its container.", "kubeflow.node")
    parser.add_argument("--node", required=True, help="the node")
    parser.add_argument("--graph", required=True, help="digest of the compiled graph")
    parser.add_argument("--config", required=True, help="compiled configuration, JSON")
    for name, kind in PARAMETERS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, required=True)
    given = parser.parse_args()
    log_to_stderr()
    os.environ[KFP_RUNTIME_VARIABLE] = "true"
    # The task passes it on, and a pod's end tells both.
    raise_at_sigterm(again=signal.SIG_IGN)
    try:
        result = run_task(
            given.node,
            given.run_id,
            mounted(given.work),
            given.config,
            given.graph,
            RunParameters(**{name: getattr(given, name) for name in PARAMETERS}),
        )
        if given.executor_input:
            show(result, ExecutorOutputs.read(given.executor_input))
        _explain(result, given.run_id, given.work)
    except PipelineError as error:
        say(given.node, str(error))
        sys.exit(PASSING if may_pass(error) else error.exit_code)
    except Terminated:
        say(given.node, "stopped; the next attempt continues from what is complete")
        sys.exit(ExitCode.TERMINATED)
    except Exception as error:  # noqa: BLE001 - the log's last line says what it was
        traceback.print_exc()
        reason = (str(error).strip().splitlines() or [""])[0][:300]
        say(given.node, f"{type(error).__name__}: {reason}")
        sys.exit(PASSING if may_pass(error) else ExitCode.FAILED)
    words = f": {text}" if (text := describe(result)) else ""
    say(result.node_id, f"{result.state} in {result.seconds:.1f} s{words}")
    sys.exit(result.exit_code)


if __name__ == "__main__":
    main()
