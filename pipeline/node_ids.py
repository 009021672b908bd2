"""Ids of the nodes: of all, in their order, and of those that something speaks of."""

INGEST = "Ingest"
STATISTICS = "StatisticsGen"
GATE = "Gate"
TRANSFORM = "Transform"
TUNER = "Tuner"
TRAINER = "Trainer"
SERVE_CHECK = "ServeCheck"
PREDICTIONS = "Predictions"
ROBUSTNESS = "Robustness"
EVALUATOR = "Evaluator"
REPORT = "Report"
PUSHER = "Pusher"

NODES = (
    INGEST,
    "SchemaGen",
    STATISTICS,
    "ExampleValidator",
    "PreviousData",
    GATE,
    TRANSFORM,
    TUNER,
    TRAINER,
    "Baseline",
    SERVE_CHECK,
    PREDICTIONS,
    ROBUSTNESS,
    EVALUATOR,
    "BulkInferrer",
    REPORT,
    PUSHER,
)
"""Of a pipeline that has all: `Tuner` and `BulkInferrer` are there only if they are asked for."""
