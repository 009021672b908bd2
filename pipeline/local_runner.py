"""Runs the whole pipeline on this machine, node by node, and tells how far it is."""

import json
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as pb
from rich.console import Console
from tfx.proto.orchestration import pipeline_pb2

from components.counted import counted
from components.gate.verdict import StoppedByGate
from pipeline.config import Config
from pipeline.database import PATIENCE, connect, connection_config
from pipeline.decisions.decide import finish_what_was_cut_off
from pipeline.engine_check import ready_engine
from pipeline.findings import print_findings
from pipeline.launch import (
    NodeResult,
    compile_pipeline,
    launch_node,
    node_ids,
    set_run_id,
    write_ir,
)
from pipeline.metadata import abandon, forget_missing
from pipeline.notice import notice
from pipeline.orphans import remove_orphans
from pipeline.outcome import describe
from pipeline.partial_run import mark_partial
from pipeline.progress import NodeProgress
from pipeline.removal import Removal
from pipeline.termination import STOPPED
from pipeline.work import ENDED_FILE, GRAPH_FILE, Work


@dataclass(frozen=True)
class RunResult:
    """A run that came to its end.

    Attributes:
        run_id: Its name.
        nodes: What became of each node, in order.
        seconds: Wall-clock time.
    """

    run_id: str
    nodes: tuple[NodeResult, ...]
    seconds: float

    def artifact(self, node_id: str, output: str) -> pb.Artifact | None:
        """One output artifact of a node, or None where the node was not run."""
        for node in self.nodes:
            if node.node_id == node_id and output in node.outputs:
                return node.outputs[output][0]
        return None


def run_locally(
    config: Config,
    work: Work,
    run: Path,
    console: Console,
    *,
    metadata_url: str | None = None,
    from_nodes: tuple[str, ...] = (),
    to_nodes: tuple[str, ...] = (),
) -> RunResult:
    """Runs every node that is asked for, or answers it from cache.

    Args:
        config: A configuration whose `data` is set.
        work: The work folder, held exclusively.
        run: The run's folder, whose name is the run's id.
        console: Where progress goes.
        metadata_url: PostgreSQL for ML Metadata, or None for SQLite in the work folder.
        from_nodes: Start here; earlier nodes' outputs come from the run before.
        to_nodes: Stop after these.

    Returns:
        What became of each node.

    Raises:
        PipelineError: A node cannot go on, or `from_nodes` do not continue the run before.
        StoppedByGate: The data must not be used.
    """
    started = time.monotonic()
    config = config.model_copy(update={"beam": ready_engine(config.beam)})
    connection = connection_config(metadata_url, work)
    store = connect(connection)
    _recover(store, work, console)
    # What decisions that were cut off need is nobody's from here on, and not before.
    remove_orphans(work, Removal(work.root))
    try:
        with console.status("starting TensorFlow and TFX"):
            ir = _compile(config, work, run)
        if from_nodes or to_nodes:
            mark_partial(ir, from_nodes, to_nodes, store, work)
        results = _launch(ir, run, console, connection)
    except STOPPED:
        remove_orphans(work, Removal(work.root))
        raise
    _end(run, "completed")
    return RunResult(run.name, results, time.monotonic() - started)


def _launch(
    ir: pipeline_pb2.Pipeline, run: Path, console: Console, connection: pb.ConnectionConfig
) -> tuple[NodeResult, ...]:
    """Runs the nodes, and tells how far that is."""
    results = []
    names = node_ids(ir)
    for number, node_id in enumerate(names, start=1):
        with NodeProgress(console, f"[{number}/{len(names)}] {node_id}") as progress:
            result = launch_node(ir, node_id, connection, PATIENCE)
            progress.finish(result.state, describe(result))
        results.append(result)
        if verdict := result.verdict:
            print_findings(verdict, console)
        if result.state == "stopped":
            _end(run, "stopped")
            raise StoppedByGate(Path(result.outputs["verdict"][0].uri))
    return tuple(results)


def _compile(config: Config, work: Work, run: Path) -> pipeline_pb2.Pipeline:
    from pipeline.graph import create_pipeline

    ir = compile_pipeline(create_pipeline(config, work, notice(config.data)))
    set_run_id(ir, run.name)
    write_ir(ir, run / GRAPH_FILE)
    return ir


def _recover(store: mlmd.MetadataStore, work: Work, console: Console) -> None:
    """Tidies up after what was killed, so that what was finished can be used."""
    say = partial(console.print, markup=False, soft_wrap=True)
    finish_what_was_cut_off(store, work, say)
    killed = [
        run
        for run in sorted(work.runs.iterdir())
        if (run / GRAPH_FILE).exists() and not (run / ENDED_FILE).exists()
    ]
    cut_off = abandon(store, [run.name for run in killed], work)
    for run in killed:
        _end(run, "interrupted")
    if cut_off:
        console.print(
            f"An earlier run was interrupted in {', '.join(cut_off)}; continuing from what is "
            "complete."
        )
    if missing := forget_missing(store, work):
        console.print(
            f"No longer on disk, and produced again: {counted(missing, 'earlier output')}."
        )


def _end(run: Path, state: str) -> None:
    (run / ENDED_FILE).write_text(json.dumps({"state": state}) + "\n", encoding="utf-8")
