"""The files of a report that others read, apart from what draws them."""

import hashlib
from pathlib import Path

PAGE_FILE = "index.html"
"""The page."""
TEXT_FILE = "report.txt"
"""What a terminal shows."""


def page_digest(folder: Path) -> str:
    """Digest of the page in a report's folder: what a decision refers to."""
    return hashlib.sha256((folder / PAGE_FILE).read_bytes()).hexdigest()
