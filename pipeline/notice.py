"""What a folder of images says of itself: the synthetic sample that it is none of real patients."""

import json
from pathlib import Path

from components.pages.names import shown
from samples.synthetic.sample import MANIFEST


def notice(folder: Path | None) -> str:
    """Reads a data folder's notice, licence included.

    Args:
        folder: The folder.

    Returns:
        The notice in `sample.json`, or nothing where there is none.
    """
    try:
        found = json.loads(((folder or Path()) / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    words = found.get("notice") if isinstance(found, dict) else None
    return " ".join(shown(word) for word in words.split()) if isinstance(words, str) else ""
