"""What a PushedModel artifact says of where its model went."""

import json
import os
from pathlib import Path
from typing import Literal

Push = Literal["auto", "after_review"]
"""When a blessed model is pushed: at once, or when a person has approved it."""

WAITING = "waiting"
"""The custom property of a PushedModel whose model waits for a person."""

PUSHED_VERSION = "pushed_version"
PUSHED_DESTINATION = "pushed_destination"
"""TFX's custom properties of one that was pushed: as what, and where it lies."""

_FILE = "pushed.json"


def describe(
    artifact: Path, folder: Path | None, version: str | None, *, why_not: str | None = None
) -> None:
    """Writes where a model went, seen from here; the model itself is not kept a third time.

    Args:
        artifact: The PushedModel's folder.
        folder: Where the model is now, or None.
        version: As what, or None.
        why_not: Why it was not pushed, where it was not.
    """
    destination = os.path.relpath(folder, artifact) if folder else None
    content = {"destination": destination, "version": version}
    if why_not is not None:
        content["not pushed"] = why_not
    (artifact / _FILE).write_text(json.dumps(content) + "\n", encoding="utf-8")
