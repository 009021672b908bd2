"""The file system: which version folders there are, and which of them are wanted.

The rules are those of `file_system_storage_path_source.cc` in tensorflow/serving, except that a
file is no version, and that a model whose base path is missing keeps no other from being looked at.
"""

import logging
import re
from pathlib import Path

from serving.server.configuration import ServedModelConfig, VersionPolicy

_INT64 = 2**63

log = logging.getLogger(__name__)


def find_versions(base_path: Path) -> dict[int, Path] | None:
    """The version folders of a base path, by number; leading zeros count for nothing.

    Returns:
        None where the base path cannot be read: it may be away for a moment only.
    """
    try:
        children = sorted(child for child in base_path.iterdir() if child.is_dir())
    except OSError:
        return None
    versions: dict[int, Path] = {}
    for child in children:
        if re.fullmatch(r"[+-]?[0-9]{1,32}", child.name) is None:
            continue
        number = int(child.name)
        if not -_INT64 <= number < _INT64:
            continue
        if number in versions:
            log.warning("Version %d is both %s and %s", number, versions[number], child)
        versions[number] = child
    return versions


def choose_versions(versions: dict[int, Path], policy: VersionPolicy) -> dict[int, Path]:
    """The versions that a policy wants."""
    if policy.specific is not None:
        wanted = set(policy.specific)
    elif policy.latest:
        wanted = set(sorted(versions)[-policy.latest :])
    else:
        wanted = set(versions)
    return {number: path for number, path in versions.items() if number in wanted}


def aspired_versions(model: ServedModelConfig) -> dict[int, Path] | None:
    """The versions of a model that should be served now.

    Returns:
        Folders by version, or None where the base path cannot be read, which changes nothing.
    """
    found = find_versions(model.base_path)
    if found is None:
        log.warning("Could not find base path %s for servable %s", model.base_path, model.name)
        return None
    chosen = choose_versions(found, model.policy)
    if not chosen:
        log.warning(
            "No versions of servable %s found under base path %s", model.name, model.base_path
        )
    return chosen
