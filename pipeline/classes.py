"""Whether the classes that a run is told of are those of its data and of its thresholds."""

import difflib
from collections.abc import Sequence

from components.errors import UsageError
from components.ingest.folder import ImageFolder
from pipeline.config import Config


def check_classes(config: Config, folder: ImageFolder) -> None:
    """Asks what is meant if classes do not fit together, before anything runs.

    Class folders beside all the classes that are expected are left to the gate, and so is a class
    without a folder.

    Args:
        config: The run's configuration.
        folder: The listing of its data.

    Raises:
        UsageError: Some classes have no folder and some folders no class, or a threshold names a
            class that does not exist.
    """
    classes = config.ingest.classes
    missing = [name for name in classes if name not in folder.classes]
    unknown = [name for name in folder.classes if name not in classes]
    if missing and unknown:
        there = ", ".join(folder.classes)
        raise UsageError(
            f"{folder.root} has the classes {there}, and ingest.classes are {', '.join(classes)}."
            f"{_renamings(unknown, missing)} To train on the classes of the folder: "
            f"--set 'ingest.classes=[{there}]'{_healthy(config, folder)}"
        )
    healthy = config.evaluate.healthy_class
    if healthy is not None and healthy not in classes:
        raise UsageError(
            f"evaluate.healthy_class is {healthy!r}, and the classes are {', '.join(classes)}: "
            "--set evaluate.healthy_class=CLASS names the class without a tumour, and "
            "--set evaluate.healthy_class=null says that there is none."
        )
    for threshold in config.evaluate.thresholds:
        if threshold.of is not None and threshold.of not in classes:
            raise UsageError(
                f"evaluate.thresholds: the threshold on {threshold.metric} is of {threshold.of!r}, "
                f"and the classes are {', '.join(classes)}."
            )


def _renamings(unknown: Sequence[str], missing: Sequence[str]) -> str:
    """Which folders look like classes that are missed."""
    found = []
    plain = {name.casefold(): name for name in missing}
    for name in unknown:
        known = name.casefold()
        inside = [one for one in plain if one in known]
        if near := inside or difflib.get_close_matches(known, plain, n=1):
            found.append(f"{name} to {plain.pop(near[0])}")
    return f" If they are the same, rename the folders: {', '.join(found)}." if found else ""


def _healthy(config: Config, folder: ImageFolder) -> str:
    """The rest of the command, where the class without a tumour would be missed next."""
    healthy = config.evaluate.healthy_class
    if healthy is None or healthy in folder.classes:
        return ""
    return " --set evaluate.healthy_class=CLASS (the class without a tumour, or null)"
