"""Runs one node of the compiled pipeline: driver, executor, publisher.

The local runner calls `launch_node` for one node after the other; a Kubeflow task runs
`kubeflow.node`, which calls it for its own.
"""

import argparse
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import ml_metadata as mlmd
from google.protobuf import json_format
from ml_metadata.proto import metadata_store_pb2 as pb
from tfx.proto.orchestration import pipeline_pb2

from components.errors import PipelineError
from components.evaluate.verdict import WITHDRAWN
from components.gate.verdict import DataVerdict
from components.whole_file import whole_file
from pipeline.database import connect, connection_config
from pipeline.exit_code import ExitCode
from pipeline.metadata import MetadataHandle, execution_state, inputs, outputs, run_executions
from pipeline.node_ids import GATE, INGEST
from pipeline.orchestration import (
    PIPELINE_RUN_ID_PARAMETER_NAME,
    node_launcher,
    partial_run_utils,
    runtime_parameter_utils,
)
from pipeline.termination import Terminated, raise_at_sigterm
from pipeline.work import Work

if TYPE_CHECKING:
    from tfx.orchestration import pipeline as tfx_pipeline

# With it, TensorFlow keeps large buffers between the steps of a training. Returning them to the
# system and taking them again cost a quarter of a step's time; the peak of memory is the same.
os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "1")

PUSHED = "pushed_model"
"""The output of the node that takes both blessings, Pusher."""
BLESSINGS = ("model_blessing", "infra_blessing")
"""Its inputs: what the Evaluator and the serve check said."""

State = Literal["done", "cached", "reused", "skipped", "stopped"]


@dataclass(frozen=True)
class NodeResult:
    """What became of a node.

    Attributes:
        node_id: Its name.
        state: `done`, answered from `cached` outputs, `reused` from the run before because the
            run starts later, `skipped` because it ends earlier, or `stopped` because it is the gate
            and what follows must not run, or the first node behind a gate that had stopped.
        seconds: Wall-clock time.
        outputs: Artifacts by output name.
        blessed: Whether the model that Pusher was given may be served; None for other nodes.
    """

    node_id: str
    state: State
    seconds: float
    outputs: dict[str, list[pb.Artifact]]
    blessed: bool | None = None

    @property
    def verdict(self) -> DataVerdict | None:
        """The gate's verdict on this run's data, if the node is the gate or was stopped by it."""
        return gate_verdict(GATE if self.state == "stopped" else self.node_id, self.outputs)

    @property
    def exit_code(self) -> ExitCode:
        """What a process that ran this node alone ends with, as a run with it would."""
        if self.state == "stopped":
            return ExitCode.STOPPED_BY_GATE
        return ExitCode.NOT_BLESSED if self.blessed is False else ExitCode.DONE


def compile_pipeline(pipeline: "tfx_pipeline.Pipeline") -> pipeline_pb2.Pipeline:
    """Compiles the graph to TFX's intermediate representation, its run id still open."""
    from tfx.dsl.compiler import compiler

    return compiler.Compiler().compile(pipeline)


def write_ir(ir: pipeline_pb2.Pipeline, path: Path) -> None:
    """Writes the intermediate representation as JSON."""
    with whole_file(path) as file:
        file.write_text(json_format.MessageToJson(ir), encoding="utf-8")


def read_ir(path: Path) -> pipeline_pb2.Pipeline:
    """Reads what `write_ir` wrote."""
    return json_format.Parse(path.read_text(encoding="utf-8"), pipeline_pb2.Pipeline())


def set_run_id(ir: pipeline_pb2.Pipeline, run_id: str) -> None:
    """Makes the compiled pipeline one particular run."""
    runtime_parameter_utils.substitute_runtime_parameter(
        ir, {PIPELINE_RUN_ID_PARAMETER_NAME: run_id}
    )


def node_ids(ir: pipeline_pb2.Pipeline) -> list[str]:
    """Names of the nodes in the order in which they run."""
    return [node.pipeline_node.node_info.id for node in ir.nodes]


def launch_node(
    ir: pipeline_pb2.Pipeline,
    node_id: str,
    connection: pb.ConnectionConfig,
    patience: float = 0.0,
) -> NodeResult:
    """Runs one node to its end.

    Args:
        ir: The compiled pipeline with its run id set.
        node_id: The node.
        connection: ML Metadata.
        patience: Seconds to wait for its database whenever that is away.

    Returns:
        How it ended and what came out.

    Raises:
        PipelineError: Its inputs are not there, or its work cannot go on.
        Exception: Whatever else its executor raises.
    """
    started = time.monotonic()
    node = next(n.pipeline_node for n in ir.nodes if n.pipeline_node.node_info.id == node_id)
    handle = MetadataHandle(connection, patience)
    options = node.execution_options
    if options.run.perform_snapshot:
        with handle as opened:
            partial_run_utils.snapshot(opened, ir)
        if (gate := _stopped_before(ir, connect(connection, patience))) is not None:
            return NodeResult(node_id, "stopped", time.monotonic() - started, gate)
    if options.HasField("skip"):
        reused = partial_run_utils.should_attempt_to_reuse_artifact(options)
        state: State = "reused" if reused else "skipped"
        return NodeResult(node_id, state, time.monotonic() - started, {})

    info = node_launcher(ir, node, handle).launch()

    if info is None or not info.execution_id:
        raise PipelineError(f"{node_id} did not run: the outputs it needs are not there.")
    # Anew: a connection that lies idle while a node trains for hours is cut off on its way.
    store = connect(connection, patience)
    ended_as = execution_state(store, info.execution_id)
    if ended_as == pb.Execution.FAILED:
        raise PipelineError(
            f"{node_id} did not run: what it needs from earlier nodes could not be found."
        )
    made = outputs(store, info.execution_id)
    ended: State = "cached" if ended_as == pb.Execution.CACHED else "done"
    if (verdict := gate_verdict(node_id, made)) and verdict.outcome == "stopped":
        ended = "stopped"
    blessed = pushed_blessed(store, info.execution_id) if PUSHED in made else None
    return NodeResult(node_id, ended, time.monotonic() - started, made, blessed)


def _stopped_before(
    ir: pipeline_pb2.Pipeline, store: mlmd.MetadataStore
) -> dict[str, list[pb.Artifact]] | None:
    """What the gate put out where it stopped the data that a run starts behind it with."""
    run_id = ir.runtime_spec.pipeline_run_id.field_value.string_value
    for node_id, execution in run_executions(store, run_id):
        made = outputs(store, execution.id)
        if (verdict := gate_verdict(node_id, made)) and verdict.outcome == "stopped":
            return made
    return None


def pushed_blessed(store: mlmd.MetadataStore, execution_id: int) -> bool:
    """Whether the model that an execution of Pusher was given may be served."""
    given = inputs(store, execution_id)
    [pushed] = outputs(store, execution_id)[PUSHED]
    return is_blessed(*(given[name][0] for name in BLESSINGS)) and not is_withdrawn(pushed)


def is_blessed(*blessings: pb.Artifact) -> bool:
    """Whether a model may be served: by the Evaluator's blessing, and by the serve check's."""
    return all(blessing.custom_properties["blessed"].int_value == 1 for blessing in blessings)


def is_withdrawn(pushed: pb.Artifact) -> bool:
    """Whether a model was not pushed because a person has decided against it."""
    return bool(pushed.custom_properties[WITHDRAWN].int_value)


def gate_verdict(node_id: str, made: dict[str, list[pb.Artifact]]) -> DataVerdict | None:
    """The gate's verdict on a run's data, if the node is the gate.

    PreviousData has a verdict among its outputs, too: that on the data before.
    """
    is_there = node_id == GATE and "verdict" in made
    return DataVerdict.read(Path(made["verdict"][0].uri)) if is_there else None


def main() -> None:
    """Runs one node of a compiled pipeline from the command line, and says how in its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.launch", description="Run one node of a compiled pipeline."
    )
    parser.add_argument("--pipeline", type=Path, required=True, help="compiled pipeline, JSON")
    parser.add_argument("--node", required=True, help="name of the node")
    parser.add_argument("--run-id", required=True, help="name of the pipeline run")
    parser.add_argument("--work", type=Path, default=Path("work"), help="the work folder")
    parser.add_argument(
        "--metadata", help="postgresql:// or mysql://USER:PASSWORD@HOST:PORT/DATABASE"
    )
    arguments = parser.parse_args()
    raise_at_sigterm()
    try:
        ir = read_ir(arguments.pipeline)
        if arguments.node not in node_ids(ir):
            parser.error(f"there is no node {arguments.node!r}; nodes: {', '.join(node_ids(ir))}")
        set_run_id(ir, arguments.run_id)
        work = Work(arguments.work.absolute())
        if arguments.node == INGEST:
            work.lend_patient_salt()
        connection = connection_config(arguments.metadata, work)
        result = launch_node(ir, arguments.node, connection)
    except PipelineError as error:
        sys.stderr.write(f"{arguments.node}: {error}\n")
        sys.exit(error.exit_code)
    except Terminated:
        sys.exit(ExitCode.TERMINATED)
    print(f"{result.node_id}: {result.state} in {result.seconds:.1f} s")  # noqa: T201
    sys.exit(result.exit_code)


if __name__ == "__main__":
    main()
