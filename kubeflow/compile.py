"""Compiles the pipeline for Kubeflow Pipelines v2: a container task a node of TFX's own graph."""

from pathlib import Path

from kfp import compiler, dsl

from components.errors import PipelineError
from components.whole_file import whole_file
from kubeflow.cluster import Cluster
from kubeflow.compiled import check_name
from kubeflow.image import check_image
from kubeflow.ir import graph_digest, upstream_nodes
from kubeflow.parameters import RunParameters
from kubeflow.tasks import NodeSpec
from kubeflow.ui_artifacts import EXIT_TASK
from pipeline import node_ids
from pipeline.config import Config, ConfigError
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
        image: The container image with this package in it.
        out: The YAML file.
        cluster: Storage, secrets and resources.
        name: The pipeline's name on Kubeflow; None for the configuration's.

    Returns:
        Names of the tasks' nodes.

    Raises:
        ConfigError: The image, the file's name or a node in `cluster` is refused.
        PipelineError: The file cannot be written.
    """
    check_name(out)
    work = Work(Path(cluster.volume.mount))
    ir = compile_pipeline(create_pipeline(config.model_copy(update={"data": work.sample}), work))
    upstream = upstream_nodes(ir)
    if unknown := sorted(set(cluster.nodes) - set(upstream) - {node_ids.TUNER}):
        raise ConfigError(
            f"The cluster's description has resources for {', '.join(unknown)}, and there is no "
            f"such node. Nodes: {', '.join(upstream)}."
        )
    nodes = NodeSpec(
        image=check_image(image),
        config=config.model_dump_json(exclude={"data"}),
        graph=graph_digest(ir),
        cluster=cluster,
    )
    pipeline = _pipeline(name or config.name.replace("_", "-"), config, upstream, nodes)
    try:
        with whole_file(out.absolute()) as file:
            compiler.Compiler().compile(pipeline, str(file))
    except OSError as error:
        raise PipelineError(f"{out} cannot be written: {error.strerror}.") from error
    return list(upstream)


def _pipeline(
    name: str, config: Config, upstream: dict[str, tuple[str, ...]], nodes: NodeSpec
) -> dsl.base_component.BaseComponent:
    defaults = RunParameters.of(config)

    @dsl.pipeline(
        name=name,
        description="From a folder of brain MRI images to a served classifier. Decision support, "
        "not a diagnosis.",
        pipeline_root=nodes.cluster.artifact_root,
    )
    def run(
        data: str = defaults.data,
        span: int = defaults.span,
        run_name: str = "",
        epochs: int = defaults.epochs,
        seed: int = defaults.seed,
        min_accuracy: float = defaults.min_accuracy,
        push: str = defaults.push,
        accept_anomalies: str = defaults.accept_anomalies,
        accept_reason: str = defaults.accept_reason,
    ) -> None:
        run_id = dsl.PIPELINE_JOB_ID_PLACEHOLDER
        ending = nodes.exit_component()(run_id=run_id, run_name=run_name)
        nodes.place(ending, EXIT_TASK)
        with dsl.ExitHandler(ending, name="run"):
            tasks: dict[str, dsl.PipelineTask] = {}
            for node_id, earlier in upstream.items():
                task = nodes.component(node_id)(
                    run_id=run_id,
                    data=data,
                    span=span,
                    epochs=epochs,
                    seed=seed,
                    min_accuracy=min_accuracy,
                    push=push,
                    accept_anomalies=accept_anomalies,
                    accept_reason=accept_reason,
                )
                tasks[node_id] = nodes.place(task, node_id)
                tasks[node_id].after(*(tasks[before] for before in earlier))

    return run
