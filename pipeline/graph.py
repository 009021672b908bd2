"""The pipeline: from a folder of images to a pushed model, a node a paragraph."""

from typing import Any

from tfx import v1 as tfx
from tfx.dsl.components.base import base_component, executor_spec

from components.evaluate.baseline import LatestBlessedBaselineStrategy
from components.evaluate.thresholds import eval_config
from components.ingest.component import Ingest
from components.push.executor import AtomicPushExecutor
from components.source_digest import source_digest
from pipeline.config import Config
from pipeline.work import Work
from schema import SCHEMA_FILE


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

    # What they should look like is curated, not inferred.
    schema = tfx.components.ImportSchemaGen(schema_file=str(SCHEMA_FILE))

    # What they do look like.
    statistics = tfx.components.StatisticsGen(
        examples=ingest.outputs["examples"], schema=schema.outputs["schema"]
    )

    # Where the two differ.
    validator = tfx.components.ExampleValidator(
        statistics=statistics.outputs["statistics"], schema=schema.outputs["schema"]
    )

    # Bytes become pixels, once, by the function that serving uses too.
    transform = tfx.components.Transform(
        examples=ingest.outputs["examples"],
        schema=schema.outputs["schema"],
        preprocessing_fn="components.transform.preprocessing.preprocessing_fn",
        splits_config=tfx.proto.SplitsConfig(analyze=["train"], transform=["train", "eval"]),
        disable_statistics=True,
        custom_config=_custom_config("transform", transform=config.transform),
    )
    transform.add_upstream_node(validator)

    # VGG16 learns, and is exported as a SavedModel that takes the bytes of an image.
    trainer = tfx.components.Trainer(
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        run_fn="components.trainer.run.run_fn",
        train_args=tfx.proto.TrainArgs(splits=["train"]),
        eval_args=tfx.proto.EvalArgs(splits=["eval"]),
        custom_config=_custom_config(
            "trainer",
            "transform",
            model=config.model,
            train=config.train,
            transform=config.transform,
        ),
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
        eval_config=eval_config(config.evaluate, has_baseline=True),
    )
    evaluator.add_upstream_node(validator)

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
        ingest, schema, statistics, validator, transform, trainer, baseline, evaluator, pusher,
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
