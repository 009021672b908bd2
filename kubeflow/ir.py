"""What Kubeflow must know of TFX's compiled graph."""

import hashlib
import json

from tfx.proto.orchestration import pipeline_pb2


def upstream_nodes(ir: pipeline_pb2.Pipeline) -> dict[str, tuple[str, ...]]:
    """The nodes that each node waits for, by its name, in the order in which they run."""
    return {
        node.pipeline_node.node_info.id: tuple(sorted(node.pipeline_node.upstream_nodes))
        for node in ir.nodes
    }


def graph_digest(ir: pipeline_pb2.Pipeline) -> str:
    """A digest of the nodes and of what each waits for."""
    return hashlib.sha256(json.dumps(upstream_nodes(ir)).encode()).hexdigest()[:16]
