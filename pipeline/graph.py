"""The pipeline: from a folder of images to a pushed model, a node a paragraph."""

import json
from pathlib import Path
from typing import Any

from components.left_out import left_out

with left_out("kubernetes"):  # for TFX's InfraValidator, which no graph of ours has
    from tfx.components import BulkInferrer, ExampleValidator, StatisticsGen, Transform
    from tfx.dsl.components.common.resolver import Resolver
    from tfx.orchestration.pipeline import Pipeline
    from tfx.proto import bulk_inferrer_pb2, transform_pb2
    from tfx.types import Channel
    from tfx.types.standard_artifacts import ExampleStatistics, Model, ModelBlessing

    from components.evaluate.baseline import LatestBlessedBaselineStrategy
    from components.evaluate.component import Evaluator
    from components.evaluate.predictions.component import Predictions
    from components.evaluate.report.component import Report
    from components.gate.artifacts import GateVerdict
    from components.gate.component import Gate
    from components.gate.previous import LastPassedStrategy
    from components.ingest.artifacts import IngestReportFile, SplitAssignment
    from components.ingest.component import Ingest
    from components.push.component import Pusher
    from components.robustness.component import Robustness
    from components.schema_gen.component import SchemaGen
    from components.serve_check.component import ServeCheck
    from components.source_digest import source_digest
    from components.trainer.component import Trainer, Tuner
    from components.trainer.config import Recipe, Training
    from pipeline.beam_options import checked_beam_options
    from pipeline.config import Config
    from pipeline.work import Work
    from schema.statistics import statistics_options


def create_pipeline(config: Config, work: Work, data_note: str = "") -> Pipeline:
    """Builds the graph, and reads no file but those of this package.

    Args:
        config: A configuration whose `data` is set.
        work: Where artifacts and pushed models go.
        data_note: What the data folder says of itself, if anything.

    Returns:
        A pipeline without a metadata connection: whoever runs it brings one.
    """
    # Images, checked one by one, become train, eval and test Examples.
    ingest = Ingest(input_base=str(config.data), config=config.ingest, cache=work.cache)

    # What they should look like is curated, not inferred; only the classes are a choice.
    schema = SchemaGen(
        classes=json.dumps(config.ingest.classes),
        code=source_digest("components.schema_gen.component"),
    )

    # What they do look like.
    statistics = StatisticsGen(
        examples=ingest.outputs["examples"],
        schema=schema.outputs["schema"],
        stats_options=statistics_options(),
    )

    # Where the two differ.
    validator = ExampleValidator(
        statistics=statistics.outputs["statistics"], schema=schema.outputs["schema"]
    )

    # The data to compare with are the last that were good enough.
    previous = Resolver(
        strategy_class=LastPassedStrategy,
        candidate_statistics=statistics.outputs["statistics"],
        candidate_report=ingest.outputs["report"],
        statistics=Channel(type=ExampleStatistics),
        report=Channel(type=IngestReportFile),
        verdict=Channel(type=GateVerdict),
    ).with_id("PreviousData")

    # Data that are not stop the run here.
    gate = Gate(
        statistics=statistics.outputs["statistics"],
        anomalies=validator.outputs["anomalies"],
        schema=schema.outputs["schema"],
        report=ingest.outputs["report"],
        rejected=ingest.outputs["rejected"],
        previous_statistics=previous.outputs["statistics"],
        previous_report=previous.outputs["report"],
        config=config.gate.model_dump_json(),
        accepted=json.dumps(sorted(set(config.accept_anomalies))),
        reason=config.accept_reason,
        code=source_digest("components.gate.component"),
    )

    # Bytes become pixels, once, by the function that serving uses too.
    transform = Transform(
        examples=ingest.outputs["examples"],
        schema=schema.outputs["schema"],
        preprocessing_fn="components.transform.preprocessing.preprocessing_fn",
        splits_config=transform_pb2.SplitsConfig(analyze=["train"], transform=["train", "eval"]),
        disable_analyzer_cache=True,  # nothing is analysed: every image stands for itself
        disable_statistics=True,
        custom_config={
            "transform": config.transform.model_dump(mode="json"),
            "code": source_digest("components.transform.preprocessing"),
        },
    )
    transform.add_upstream_node(gate)

    # A better recipe is looked for on the eval split, where that is asked for.
    training = Training(
        recipe=Recipe(
            model=config.model,
            train=config.train,
            transform=config.transform,
            classes=config.ingest.classes,
        ),
        cache=work.cache,
        tune=config.tune,
        confidence=config.confidence,
        export=config.export,
    )
    tuner = Tuner(
        training,
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
    )

    # VGG16 learns, and is exported as a SavedModel that takes the bytes of an image.
    trainer = Trainer(
        training,
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        hyperparameters=tuner.outputs["best_hyperparameters"] if config.tune.enabled else None,
    )

    # The model to beat is the last one that was blessed; what it and the candidate were trained on
    # says which test images they know.
    baseline = Resolver(
        strategy_class=LatestBlessedBaselineStrategy,
        candidate=trainer.outputs["model"],
        model=Channel(type=Model),
        model_blessing=Channel(type=ModelBlessing),
        splits=Channel(type=SplitAssignment),
        candidate_splits=Channel(type=SplitAssignment),
    ).with_id("Baseline")

    # The candidate is asked through a real server, which is a program of its own.
    serve_check = ServeCheck(
        model=trainer.outputs["model"],
        examples=ingest.outputs["examples"],
        config=config.serve_check.model_dump_json(),
        code=source_digest(
            "components.serve_check.component", "components.leash", "serving.server.__main__"
        ),
    )

    # Both answer for every raw test image, once, through the graph that is served.
    predictions = Predictions(
        examples=ingest.outputs["examples"],
        model=trainer.outputs["model"],
        splits=ingest.outputs["splits"],
        model_splits=baseline.outputs["candidate_splits"],
        baseline_model=baseline.outputs["model"],
        baseline_splits=baseline.outputs["splits"],
        duplicates=config.ingest.duplicates.model_dump_json(),
        code=source_digest("components.evaluate.predictions.component"),
    )
    predictions.add_upstream_node(gate)

    # And for some images of eval and test in all variants: do they look at the tumour?
    robustness = Robustness(
        examples=ingest.outputs["examples"],
        model=trainer.outputs["model"],
        baseline_model=baseline.outputs["model"],
        config=config.robustness.model_dump_json(),
        code=source_digest("components.robustness.component"),
    )
    robustness.add_upstream_node(gate)

    # TFMA judges the answers, and blesses the candidate or refuses it.
    evaluator = Evaluator(
        predictions=predictions.outputs["predictions"],
        changed=robustness.outputs["changed"],
        model=trainer.outputs["model"],
        baseline_model=baseline.outputs["model"],
        config=config.evaluate.model_dump_json(),
        code=source_digest("components.evaluate.component"),
    )

    # What a person decides from: one page, and the model card.
    report = Report(
        predictions=predictions.outputs["predictions"],
        changed=robustness.outputs["changed"],
        evaluation=evaluator.outputs["evaluation"],
        model=trainer.outputs["model"],
        examples=ingest.outputs["examples"],
        data_report=ingest.outputs["report"],
        gate_verdict=gate.outputs["verdict"],
        infra_blessing=serve_check.outputs["blessing"],
        config=config.evaluate,
        card=config.card,
        parameters=_parameters(config),
        data_note=data_note,
        push=config.push,
    )

    # A blessed model goes where TensorFlow Serving looks, if so asked once somebody approves it.
    pusher = Pusher(
        model=trainer.outputs["model"],
        model_blessing=evaluator.outputs["blessing"],
        infra_blessing=serve_check.outputs["blessing"],
        report=report.outputs["model_report"],
        base_directory=work.serving / config.name,
        push=config.push,
        bucket=config.bucket,
    )

    nodes = [
        ingest, schema, statistics, validator, previous, gate,
        transform, *([tuner] if config.tune.enabled else []), trainer, baseline,
        serve_check, predictions, robustness, evaluator, report, pusher,
    ]  # fmt: skip
    # What a blessed model says of the test images, as records, where that is asked for.
    if config.bulk_inference:
        nodes.append(
            BulkInferrer(
                examples=ingest.outputs["examples"],
                model=trainer.outputs["model"],
                model_blessing=evaluator.outputs["blessing"],
                data_spec=bulk_inferrer_pb2.DataSpec(example_splits=["test"]),
                model_spec=bulk_inferrer_pb2.ModelSpec(model_signature_name=["evaluate"]),
            )
        )
    return Pipeline(
        pipeline_name=config.name,
        pipeline_root=str(work.artifacts),
        components=nodes,
        enable_cache=config.cache,
        beam_pipeline_args=checked_beam_options(config.beam.arguments),
    )


def _parameters(config: Config) -> dict[str, Any]:
    """What a model is made with and judged by: not where files lie, and what room there is."""
    fields = config.model_dump(
        mode="json",
        include={"ingest", "gate", "transform", "model", "train", "robustness", "evaluate"},
        exclude={"ingest": {"span", "window"}, "train": {"cache_gigabytes"}},
    )
    files = (
        ("ingest", "labels", config.ingest.labels),
        ("ingest", "split_file", config.ingest.split_file),
        ("model", "weights", config.model.weights),
    )
    for section, name, path in files:
        if isinstance(path, Path):
            fields[section][name] = path.name
    return fields
