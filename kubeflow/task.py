"""The command of a node's container: builds the run's graph or finds it, and launches the node.

Tasks share the work folder and ML Metadata, and nothing else. The first to run writes the run's
compiled graph to the work folder; the others read it there, which spares them the graph's imports.
"""

import argparse
import logging
import os
import sys
import traceback
from functools import partial
from pathlib import Path

import ml_metadata as mlmd
from rich.console import Console
from tfx.proto.orchestration import pipeline_pb2

from components.errors import PipelineError
from components.trainer.weights.vgg16 import resolve_weights
from kubeflow.ir import graph_digest, upstream_nodes
from kubeflow.parameters import PARAMETERS, RunParameters
from kubeflow.ui_artifacts import KFP_RUNTIME_VARIABLE, ExecutorOutputs, show
from pipeline import node_ids
from pipeline.config import Config
from pipeline.database import connect, connection_config
from pipeline.decisions.decide import finish_decisions
from pipeline.decisions.pushes import finish_pushes
from pipeline.environment import METADATA_VARIABLE
from pipeline.exit_code import ExitCode
from pipeline.launch import NodeResult, compile_pipeline, launch_node, read_ir, set_run_id, write_ir
from pipeline.metadata import abandon, forget_missing
from pipeline.notice import notice
from pipeline.outcome import describe
from pipeline.sample import ensure_sample
from pipeline.termination import Terminated, raise_at_sigterm
from pipeline.work import GRAPH_FILE, Work

_TRAINING = (node_ids.TRAINER, node_ids.TUNER)


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
    store = connect(connection)
    with work.shared(partial(_say, node_id)), work.node_turn(node_id):
        ir = _run_graph(node_id, run_id, work, config, graph, sample=not parameters.data)
        _finish_what_was_cut_off(store, work, node_id)
        if abandon(store, [run_id], work, node_id):
            _say(node_id, "an earlier attempt was cut off; continuing from what is whole")
        forget_missing(store, work, f"{config.name}.{node_id}")
        _prepare(node_id, config, work)
        return launch_node(ir, node_id, connection)


def _finish_what_was_cut_off(store: mlmd.MetadataStore, work: Work, node_id: str) -> None:
    """Finishes decisions, and before a push those that were cut off, whose turn this one has."""
    say = partial(_say, node_id)
    if node_id == node_ids.PUSHER:
        finish_pushes(store, work, say)
    with work.node_turn("decisions"):
        finish_decisions(store, work, say)


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


def _say(node_id: str, sentence: str) -> None:
    sys.stderr.write(f"{node_id}: {sentence}\n")
    sys.stderr.flush()


def log_to_stderr() -> None:
    """Logs what components say, and of libraries what they warn of, whatever those have set up."""
    logging.basicConfig(
        level=logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        force=True,
    )
    logging.getLogger("components").setLevel(logging.INFO)


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
        raise PipelineError(f"{root} cannot be written: the shared storage is mounted read-only.")
    return Work(root)


def main() -> None:
    """Runs one node; the exit code is the node launcher's."""
    parser = parse("Run one node of the pipeline in its container.", "kubeflow.task")
    parser.add_argument("--node", required=True, help="the node")
    parser.add_argument("--graph", required=True, help="digest of the compiled graph")
    parser.add_argument("--config", required=True, help="compiled configuration, JSON")
    for name, kind in PARAMETERS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, required=True)
    given = parser.parse_args()
    log_to_stderr()
    os.environ[KFP_RUNTIME_VARIABLE] = "true"
    raise_at_sigterm()
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
    except PipelineError as error:
        _say(given.node, str(error))
        sys.exit(error.exit_code)
    except Terminated:
        _say(given.node, "stopped; the next attempt continues from what is whole")
        sys.exit(ExitCode.TERMINATED)
    except Exception as error:  # noqa: BLE001 - the log's last line says what it was
        traceback.print_exc()
        reason = (str(error).strip().splitlines() or [""])[0][:300]
        _say(given.node, f"{type(error).__name__}: {reason}")
        sys.exit(ExitCode.FAILED)
    words = f": {text}" if (text := describe(result)) else ""
    _say(result.node_id, f"{result.state} in {result.seconds:.1f} s{words}")
    sys.exit(result.exit_code)


if __name__ == "__main__":
    main()
