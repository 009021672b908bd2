"""What only the user knows of a model, for its card."""

from components.strict_config import StrictConfig


class CardConfig(StrictConfig):
    """Facts that fill the model card; an empty one reads `not stated` there.

    Attributes:
        intended_use: What the model is meant for, by whom, and where.
        data_source: Where the images come from, and how they were collected and labelled.
        licence: Under which terms the images may be used.
        contact: Who answers questions about the model.
    """

    intended_use: str = ""
    data_source: str = ""
    licence: str = ""
    contact: str = ""
