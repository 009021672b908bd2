"""Which code runs: the release, with the commit that it was made from."""

import importlib.metadata
import os
import subprocess
from functools import cache
from pathlib import Path

RELEASE = "0.1.0"
_DISTRIBUTION = "brain-mri-pipeline"
_ROOT = Path(__file__).parents[1]
_SECONDS = 10
_COMMIT_VARIABLE = "BRAIN_MRI_COMMIT"
"""Environment variable that bin/sandbox.sh sets, where git cannot be run."""


@cache
def code_version() -> str:
    """The release and the commit, such as `0.1.0+g8be32c1234`.

    Returns:
        In a checkout its own commit, with `.dirty` after it if changes are not committed; otherwise
        what was installed, which names the commit that it was built from if git knew one.
    """
    if checkout := checkout_version():
        return checkout
    try:
        return importlib.metadata.version(_DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return RELEASE


def checkout_version() -> str | None:
    """The version if this is a checkout whose commit can be told; otherwise None."""
    if not (_ROOT / ".git").exists():
        return None
    commit = os.environ.get(_COMMIT_VARIABLE) or _commit()
    return f"{RELEASE}+{commit}" if commit else None


def _commit() -> str | None:
    try:
        commit = _git("rev-parse", "--short=10", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return f"g{commit}{'.dirty' if changed else ''}"


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    done = subprocess.run(
        command, cwd=_ROOT, capture_output=True, text=True, timeout=_SECONDS, check=True
    )
    return done.stdout.strip()
