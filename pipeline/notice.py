"""What a folder of images says of itself: the synthetic sample that it is none of real patients."""

import json
from pathlib import Path

from components.errors import PipelineError
from components.ingest.bucket_data import data_folder
from components.pages.names import shown
from samples.synthetic.sample import MANIFEST


def notice(folder: Path | str | None) -> str:
    """Reads a data folder's notice, licence included.

    Args:
        folder: The folder, or one in a bucket that was fetched.

    Returns:
        The notice in `sample.json`, or nothing where there is none.
    """
    try:
        found = json.loads((data_folder(folder or "") / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, PipelineError):
        return ""
    words = found.get("notice") if isinstance(found, dict) else None
    return " ".join(shown(word) for word in words.split()) if isinstance(words, str) else ""
