"""The types of the artifacts that only evaluation makes."""

from tfx import types


class PredictionsFile(types.Artifact):
    """What the model says of every test image: `predictions.parquet`, and `foreign.parquet`.

    Custom properties: `model_id`, `images`, and `baseline` (1 where a baseline answered too).
    """

    TYPE_NAME = "Predictions"


class ModelReport(types.Artifact):
    """A page for people, figures for programs, and the model card.

    Files: `index.html`, `figures.json`, `report.txt` (for a terminal), `model_card.md` and
    `model_card.json`.

    Custom properties: `digest` (of the page), `blessed`, and the headline figures.
    """

    TYPE_NAME = "ModelReport"
