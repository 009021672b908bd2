"""The pipeline: from a folder of images to a pushed model, a node a paragraph."""

from typing import Any

from tfx import v1 as tfx
from tfx.dsl.components.base import base_component, executor_spec

from components.evaluate.baseline import LatestBlessedBaselineStrategy
from components.evaluate.thresholds import eval_config
from components.gate.artifacts import GateVerdict
from components.gate.component import Gate
from components.gate.previous import LastPassedStrategy
from components.ingest.artifacts import IngestReportFile
from components.ingest.component import Ingest
from components.push.executor import AtomicPushExecutor
from components.schema_gen.component import CuratedSchemaGen
from components.source_digest import source_digest
from pipeline.config import Config
from pipeline.work import Work
from schema.statistics import statistics_options


def create_pipeline(config: Config, work: Work) -> tfx.dsl.Pipeline:
    """Builds the graph.

    Args:
        config: A configuration whose `data` is set.
        work: Where artifacts and pushed models go.

    Returns:
        A pipeline without a metadata connection: whoever runs it brings one.
    """
    # Images, checked one by one, become train, eval and test Examples.
    ingest = Ingest(input_base=str(config.data), config=config.ingest)

    # What they should look like is curated, not inferred; only the classes are a choice.
    schema = CuratedSchemaGen(classes=config.ingest.classes)

    # What they do look like.
    statistics = tfx.components.StatisticsGen(
        examples=ingest.outputs["examples"],
        schema=schema.outputs["schema"],
        stats_options=statistics_options(),
    )

    # Where the two differ.
    validator = tfx.components.ExampleValidator(
        statistics=statistics.outputs["statistics"], schema=schema.outputs["schema"]
    )

    # The data to compare with are the last that were good enough.
    previous = tfx.dsl.Resolver(
        strategy_class=LastPassedStrategy,
        candidate_statistics=statistics.outputs["statistics"],
        candidate_report=ingest.outputs["report"],
        statistics=tfx.dsl.Channel(type=tfx.types.standard_artifacts.ExampleStatistics),
        report=tfx.dsl.Channel(type=IngestReportFile),
        verdict=tfx.dsl.Channel(type=GateVerdict),
    ).with_id("PreviousData")

    # Data that are not stop the run here.
    gate = Gate(
        statistics=statistics.outputs["statistics"],
        anomalies=validator.outputs["anomalies"],
        schema=schema.outputs["schema"],
        report=ingest.outputs["report"],
        previous_statistics=previous.outputs["statistics"],
        previous_report=previous.outputs["report"],
        config=config.gate,
        accepted=config.accept_anomalies,
        reason=config.accept_reason,
    )

    # Bytes become pixels, once, by the function that serving uses too.
    transform = tfx.components.Transform(
        examples=ingest.outputs["examples"],
        schema=schema.outputs["schema"],
        preprocessing_fn="components.transform.preprocessing.preprocessing_fn",
        splits_config=tfx.proto.SplitsConfig(analyze=["train"], transform=["train", "eval"]),
        disable_analyzer_cache=True,  # nothing is analysed: every image stands for itself
        disable_statistics=True,
        custom_config=_custom_config("transform", transform=config.transform),
    )
    transform.add_upstream_node(gate)

    # VGG16 learns, and is exported as a SavedModel that takes the bytes of an image.
    trainer = tfx.components.Trainer(
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        run_fn="components.trainer.run.run_fn",
        train_args=tfx.proto.TrainArgs(splits=["train"]),
        eval_args=tfx.proto.EvalArgs(splits=["eval"]),
        custom_config={
            "classes": list(config.ingest.classes),
            **_custom_config(
                "trainer",
                "transform",
                model=config.model,
                train=config.train,
                transform=config.transform,
            ),
        },
    )

    # The model to beat is the last one that was blessed.
    baseline = tfx.dsl.Resolver(
        strategy_class=LatestBlessedBaselineStrategy,
        candidate=trainer.outputs["model"],
        model=tfx.dsl.Channel(type=tfx.types.standard_artifacts.Model),
        model_blessing=tfx.dsl.Channel(type=tfx.types.standard_artifacts.ModelBlessing),
    ).with_id("Baseline")

    # The candidate is judged through its own serving graph, on the raw test images.
    evaluator = tfx.components.Evaluator(
        examples=ingest.outputs["examples"],
        example_splits=["test"],
        model=trainer.outputs["model"],
        baseline_model=baseline.outputs["model"],
        eval_config=eval_config(config.evaluate),
    )
    evaluator.add_upstream_node(gate)

    # A blessed model goes where TensorFlow Serving looks.
    pusher = tfx.components.Pusher(
        model=trainer.outputs["model"],
        model_blessing=evaluator.outputs["blessing"],
        push_destination=tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(
                base_directory=str(work.serving / config.name)
            )
        ),
        custom_executor_spec=executor_spec.ExecutorClassSpec(AtomicPushExecutor),
    )

    nodes: list[base_component.BaseComponent] = [
        ingest, schema, statistics, validator, previous, gate,
        transform, trainer, baseline, evaluator, pusher,
    ]  # fmt: skip
    return tfx.dsl.Pipeline(
        pipeline_name=config.name,
        pipeline_root=str(work.artifacts),
        components=nodes,
        enable_cache=config.cache,
        beam_pipeline_args=list(config.beam),
    )


def _custom_config(*code: str, **sections: Any) -> dict[str, Any]:
    """Configuration sections as JSON values, and a digest of the code that reads them."""
    fields = {name: section.model_dump(mode="json") for name, section in sections.items()}
    return {**fields, "code": source_digest(*code)}
