"""What a PushedModel tells of where its model went."""

import json
from pathlib import Path

PUSHED_FILE = "pushed.json"
WAITING = "waiting"
"""A property: the model is blessed, and waits for a person."""


def describe(
    artifact: Path, folder: Path | None, version: str | None, *, waiting: bool = False
) -> None:
    """Writes where a model went; the model itself is not kept a third time.

    Args:
        artifact: The PushedModel's folder.
        folder: Where the model is now, or None.
        version: As what, or None.
        waiting: Whether it waits for a person.
    """
    content = {"destination": str(folder) if folder else None, "version": version}
    if waiting:
        content[WAITING] = "for review"
    (artifact / PUSHED_FILE).write_text(json.dumps(content) + "\n", encoding="utf-8")
