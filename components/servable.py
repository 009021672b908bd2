"""What a served model is called, what serves it, and what lies in a version's folder."""

MODEL_NAME = "brain_mri"
"""What it is called where nothing else was chosen."""

TF_SERVING_IMAGE = "tensorflow/serving:2.19.1"

DEFAULT_SIGNATURE = "serving_default"
"""What is asked where a request names no signature."""

SAVED_MODEL_FILE = "saved_model.pb"
"""The graph, as TensorFlow names it: a folder without one is no SavedModel."""

EXTRAS = "assets.extra"
"""The folder of what is no part of the graph, as TensorFlow Serving names it."""

WARM_UP_FILE = "tf_serving_warmup_requests"
"""In EXTRAS: a TFRecord of PredictionLog, by TensorFlow Serving's name."""

METADATA_FILE = "metadata.json"
"""In EXTRAS: classes, thresholds, intended use; in a pushed version its test figures, too."""

REPORT_FILE = "report.html"
"""In a pushed version's EXTRAS: the page that it was judged by. `ModelCard.write` adds the card."""

OPTIONAL = (
    *("uncalibrated", "in_distribution", "ood_score", "refer", "reasons"),
    *("prediction_set", "set_level"),
)
"""Outputs that the graphs of older models do not have."""
