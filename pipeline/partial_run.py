"""Runs of some nodes only: which run they continue, and whether they still fit it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ml_metadata as mlmd
from tfx.proto.orchestration import pipeline_pb2

from components.bucket import is_uri
from components.errors import UsageError
from components.validation import nearest_name
from pipeline.launch import read_ir
from pipeline.metadata import SUCCESSFUL, run_executions
from pipeline.node_ids import INGEST, NODES
from pipeline.orchestration import (
    PIPELINE_CONTEXT_TYPE_NAME,
    PIPELINE_RUN_CONTEXT_TYPE_NAME,
    partial_run_utils,
)
from pipeline.portable import PortablePaths
from pipeline.work import GRAPH_FILE, Work

_DECIDE_NOTHING = frozenset({"code", "cache", "cache_gigabytes"})
"""Parameters in which two runs may differ: newer code is what one starts in the middle for, and
caches are the machine's."""
_DATA = f"{INGEST} input_base"
_SHOWN = 200
"""Characters of a value in a message."""


def check_ends(from_nodes: tuple[str, ...], to_nodes: tuple[str, ...]) -> None:
    """Refuses a start or an end that no pipeline has, before anything else is done.

    Args:
        from_nodes: Where to start.
        to_nodes: Where to end.

    Raises:
        UsageError: A name is unknown, or every end lies before every start.
    """
    for option, names in (("--from", from_nodes), ("--to", to_nodes)):
        for name in names:
            if name not in NODES:
                raise UsageError(f"{option}: there is no node {name!r}{nearest_name(name, NODES)}")
    if from_nodes and to_nodes:
        first, last = min(map(NODES.index, from_nodes)), max(map(NODES.index, to_nodes))
        if last < first:
            raise UsageError(
                f"--from {NODES[first]} --to {NODES[last]}: {NODES[last]} comes before "
                f"{NODES[first]}, so nothing would run."
            )


def mark_partial(
    ir: pipeline_pb2.Pipeline,
    from_nodes: tuple[str, ...],
    to_nodes: tuple[str, ...],
    store: mlmd.MetadataStore,
    work: Work,
) -> None:
    """Makes a compiled pipeline one that runs some nodes and takes the rest from the run before.

    Args:
        ir: The compiled pipeline with its run id set.
        from_nodes: Start here; none: at the beginning.
        to_nodes: Stop after these; none: at the end.
        store: ML Metadata.
        work: The work folder.

    Raises:
        PipelineError: A node is not in this pipeline, or what is to be taken from the run before is
            not there, or was made of other data or with other settings.
    """
    nodes = {node.pipeline_node.node_info.id: node.pipeline_node for node in ir.nodes}
    if unknown := sorted({*from_nodes, *to_nodes} - set(nodes)):
        raise UsageError(
            f"There is no node {', '.join(unknown)} in this run. Nodes, in order: "
            f"{', '.join(nodes)}."
        )
    partial_run_utils.mark_pipeline(ir, from_nodes=from_nodes or None, to_nodes=to_nodes or None)
    reused = [name for name, node in nodes.items() if _is_reused(node)]
    if not reused:
        return
    base = _newest_run(ir, store)
    start = ", ".join(f"--from {name}" for name in from_nodes)
    if base is None:
        raise UsageError(
            f"{start} continues an earlier run, and {work.root} has none: leave it out."
        )
    partial_run_utils.set_base_pipeline_run_strategy(ir.runtime_spec.snapshot_settings, base)
    made = {node for node, one in run_executions(store, base) if one.last_known_state in SUCCESSFUL}
    if lacking := [name for name in reused if name not in made]:
        raise UsageError(
            f"{start} needs what {lacking[0]} makes, and the run {base} did not get that far: "
            f"start with --from {lacking[0]}, or leave it out."
        )
    _check_same(ir, work, base, reused, start)


def _is_reused(node: pipeline_pb2.PipelineNode) -> bool:
    options = node.execution_options
    required = pipeline_pb2.NodeExecutionOptions.Skip.REQUIRED
    return bool(options.HasField("skip") and options.skip.reuse_artifacts_mode == required)


def _newest_run(ir: pipeline_pb2.Pipeline, store: mlmd.MetadataStore) -> str | None:
    """The pipeline's newest run, which TFX would continue as well."""
    context = store.get_context_by_type_and_name(PIPELINE_CONTEXT_TYPE_NAME, ir.pipeline_info.id)
    runs = store.get_children_contexts_by_context(context.id) if context else ()
    found = [one for one in runs if one.type == PIPELINE_RUN_CONTEXT_TYPE_NAME]
    return max(found, key=lambda one: one.create_time_since_epoch).name if found else None


def _check_same(
    ir: pipeline_pb2.Pipeline, work: Work, base: str, reused: list[str], start: str
) -> None:
    """Refuses to go on from nodes that would now be told something else."""
    graph = work.runs / base / GRAPH_FILE
    if not graph.exists():  # cleaned up: what it made is known to ML Metadata alone
        return
    before = read_ir(graph)
    there, here = PortablePaths(_root(before)), PortablePaths(work.root)
    old = _parameters(before, reused, lambda text: here.here(there.recorded(text)))
    new = _parameters(ir, reused)
    differing = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
    if not differing:
        return
    first, *others = differing
    more = f" ({len(others)} more differ)" if others else ""
    was, now = (_shown(values.get(first)) for values in (old, new))
    raise UsageError(
        f"{start} continues the run {base}, whose "
        f"{'data was' if first == _DATA else f'{first} was'} {was}; it is now {now}{more}. Leave "
        f"out {start}: what is the same is answered from cache."
    )


def _root(ir: pipeline_pb2.Pipeline) -> Path:
    """Where the work folder was when a run was compiled."""
    return Path(ir.runtime_spec.pipeline_root.field_value.string_value).parent


def _parameters(
    ir: pipeline_pb2.Pipeline, nodes: list[str], moved: Callable[[str], str] = str
) -> dict[str, Any]:
    """What nodes are told, by the node's name and the setting's path.

    Args:
        ir: The compiled pipeline.
        nodes: The nodes' names.
        moved: Turns texts into what they would be if the work folder had been here then.

    Returns:
        The values.
    """
    found: dict[str, Any] = {}
    for one in ir.nodes:
        node = one.pipeline_node
        name = node.node_info.id
        if name not in nodes:
            continue
        for key, parameter in node.parameters.parameters.items():
            field = parameter.field_value
            value = getattr(field, field.WhichOneof("value") or "string_value")
            value = moved(value) if isinstance(value, str) else value
            found |= {f"{name} {path}": leaf for path, leaf in _leaves(key, value)}
    if _DATA in found and not is_uri(found[_DATA]):
        found[_DATA] = str(Path(found[_DATA]).resolve())
    return found


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The settings in a value, which may be JSON, by their paths."""
    if path.rpartition(".")[2] in _DECIDE_NOTHING:
        return
    if isinstance(value, str) and value[:1] == "{":
        value = json.loads(value)
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(f"{path}.{key}", inner)
    else:
        yield path, value


def _shown(value: Any) -> str:
    text = "not set" if value is None else str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
