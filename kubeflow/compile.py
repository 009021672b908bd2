"""Compiles the pipeline for Kubeflow Pipelines v2: a container task a node of TFX's own graph."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from kfp import compiler, dsl

from components.errors import UsageError, path_error
from components.whole_file import whole_file
from kubeflow.cluster import Backoff, Cluster
from kubeflow.ir import graph_digest, upstream_nodes
from kubeflow.parameters import RunParameters
from kubeflow.tasks import NodeSpec, declare
from kubeflow.ui_artifacts import EXIT_TASK
from pipeline import node_ids
from pipeline.config import Config
from pipeline.graph import create_pipeline
from pipeline.launch import compile_pipeline
from pipeline.work import Work


def compile_for_kubeflow(
    config: Config, image: str, out: Path, cluster: Cluster, *, name: str | None = None
) -> list[str]:
    """Writes the pipeline as Kubeflow Pipelines reads it.

    Nothing but `out` is read or written. What is fixed here is the graph and the configuration;
    `kubeflow.parameters` says what a run may still choose.

    Args:
        config: The configuration; its `data` is the parameter's default.
        image: The container image with this package in it, checked by `check_image`.
        out: The YAML file, checked by `check_name`.
        cluster: Storage, secrets and resources.
        name: The pipeline's name on Kubeflow; None for the configuration's.

    Returns:
        Names of the tasks' nodes.

    Raises:
        UsageError: A node in `cluster` is refused.
        PipelineError: The file cannot be written.
    """
    work = Work(Path(cluster.volume.mount))
    ir = compile_pipeline(create_pipeline(config.model_copy(update={"data": work.sample}), work))
    upstream = upstream_nodes(ir)
    if unknown := sorted(set(cluster.nodes) - set(upstream) - {node_ids.TUNER}):
        raise UsageError(
            f"The cluster's description has resources for {', '.join(unknown)}, which is not a "
            f"node. Nodes: {', '.join(upstream)}."
        )
    nodes = NodeSpec(
        image=image,
        config=config.model_dump_json(exclude={"data"}),
        graph=graph_digest(ir),
        cluster=cluster,
    )
    pipeline = _pipeline(name or config.name.replace("_", "-"), config, upstream, nodes)
    _open_window(pipeline, cluster.backoff)
    try:
        with whole_file(out.absolute()) as file:
            compiler.Compiler().compile(pipeline, str(file))
    except OSError as error:
        raise path_error(error)(f"{out} cannot be written: {error.strerror}.") from error
    return list(upstream)


def _pipeline(
    name: str, config: Config, upstream: dict[str, tuple[str, ...]], nodes: NodeSpec
) -> dsl.base_component.BaseComponent:
    parameters = {"run_name": "", **asdict(RunParameters.of(config))}

    def run(*given: Any) -> None:
        values = dict(zip(parameters, given, strict=True))
        run_id = dsl.PIPELINE_JOB_ID_PLACEHOLDER
        ending = nodes.exit_component()(run_id=run_id, run_name=values.pop("run_name"))
        nodes.place(ending, EXIT_TASK)
        with dsl.ExitHandler(ending, name="run"):
            tasks: dict[str, dsl.PipelineTask] = {}
            for node_id, earlier in upstream.items():
                task = nodes.component(node_id)(run_id=run_id, **values)
                tasks[node_id] = nodes.place(task, node_id)
                tasks[node_id].after(*(tasks[before] for before in earlier))

    declare(run, {parameter: type(value) for parameter, value in parameters.items()}, parameters)
    return dsl.pipeline(
        name=name,
        description="From a folder of brain MRI images to a served classifier. Decision support, "
        "not a diagnosis.",
        pipeline_root=nodes.cluster.artifact_root,
    )(run)


def _open_window(pipeline: dsl.base_component.BaseComponent, backoff: Backoff) -> None:
    """Sets the time in which tasks are begun again, which KFP's SDK cuts to an hour before 2.17.

    (KFP pull request 13452 and issue 14245.)
    """
    spec = pipeline.pipeline_spec
    for dag in (spec.root.dag, *(component.dag for component in spec.components.values())):
        for task in dag.tasks.values():
            if task.HasField("retry_policy"):
                task.retry_policy.backoff_max_duration.FromSeconds(backoff.seconds)
