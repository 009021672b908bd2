"""The type of the artifact that only Robustness makes."""

from tfx import types


class ChangedAnswersFile(types.Artifact):
    """What the model says of images that were changed: `changed.parquet`.

    Custom properties: `model_id`, `images` (that were changed), `answers`, and `baseline` (1 where
    a baseline answered too).
    """

    TYPE_NAME = "ChangedAnswers"
