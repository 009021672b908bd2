"""What lies beside the graph in a pushed version's folder."""

EXTRAS = "assets.extra"
"""The folder of what is no part of the graph, as TensorFlow Serving names it."""

METADATA_FILE = "metadata.json"
REPORT_FILE = "report.html"
"""The page that the model was judged by; its card is written as `ModelCard.write` does."""
