"""The base of every configuration section: typed, frozen, and refusing what it does not know."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict


class StrictConfig(BaseModel):
    """A configuration section: unknown keys and wrong types are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _given(value: object) -> object:
    if isinstance(value, str) and not value.strip():
        raise ValueError("it is empty, and names no path")
    return value


GivenPath = Annotated[Path, BeforeValidator(_given)]
"""A path that is written down; an empty text would be the current folder."""
