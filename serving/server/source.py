"""The file system: which version folders there are, and which of them are wanted.

The rules are those of `file_system_storage_path_source.cc` in tensorflow/serving, except that a
file is no version, and that a model whose base path is missing keeps no other from being looked at.
"""

import logging
import re
from pathlib import Path

from serving.server.configuration import ServedModelConfig

_INT64 = 2**63

log = logging.getLogger(__name__)


def aspired_versions(model: ServedModelConfig) -> dict[int, Path] | None:
    """The version folders of a model that should be served now, by number.

    None where the base path cannot be read, which changes nothing: it may be away for a moment.
    """
    try:
        children = sorted(child for child in model.base_path.iterdir() if child.is_dir())
    except OSError:
        log.warning("Could not find base path %s for servable %s", model.base_path, model.name)
        return None
    versions: dict[int, Path] = {}
    for child in children:
        if re.fullmatch(r"[+-]?[0-9]{1,32}", child.name) is None:
            continue
        number = int(child.name)  # leading zeros count for nothing
        if not -_INT64 <= number < _INT64:
            continue
        if number in versions:
            log.warning("Version %d is both %s and %s", number, versions[number], child)
        versions[number] = child
    policy, wanted = model.policy, set(versions)
    if policy.specific is not None:
        wanted &= set(policy.specific)
    elif policy.latest:
        wanted = set(sorted(versions)[-policy.latest :])
    if not wanted:
        log.warning(
            "No versions of servable %s found under base path %s", model.name, model.base_path
        )
    return {number: versions[number] for number in versions if number in wanted}
