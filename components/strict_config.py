"""The base of every configuration section: typed, frozen, and refusing what it does not know."""

from pydantic import BaseModel, ConfigDict


class StrictConfig(BaseModel):
    """A configuration section: unknown keys and wrong types are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)
