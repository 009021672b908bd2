"""Whether the classes that a run is told of are those of its data and of its thresholds."""

import difflib
from collections.abc import Sequence

from components.errors import UsageError
from components.ingest.class_folders import means_healthy
from components.ingest.folder import ImageFolder
from pipeline.config import Config
from pipeline.paths import shorter


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
        raise UsageError(
            f"{shorter(folder.root)} has the classes {', '.join(folder.classes)}, and "
            f"ingest.classes are {', '.join(classes)}.{_renamings(unknown, missing)}"
            f"{_inner(config, folder)} To train on the classes of the folder: "
            f"{_settings(config, folder.classes)}"
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
        # "tumour" is spelt much like "notumour", and means the opposite.
        alike = [one for one in plain if means_healthy(one) == means_healthy(known)]
        inside = [one for one in alike if one in known]
        if near := inside or difflib.get_close_matches(known, alike, n=1):
            found.append(f"{name} to {plain.pop(near[0])}")
    return f" If they are the same, rename the folders: {', '.join(found)}." if found else ""


def _inner(config: Config, folder: ImageFolder) -> str:
    """What to give if the classes lie in folders of hospitals or patients."""
    inner = folder.inner_classes
    if not inner:
        return ""
    return (
        f" If the classes are the folders {', '.join(inner)} inside these: "
        f"{_settings(config, inner)}."
    )


def _settings(config: Config, names: Sequence[str]) -> str:
    """The settings for classes of these names."""
    words = f"--set 'ingest.classes=[{', '.join(names)}]'"
    healthy = config.evaluate.healthy_class
    if healthy is None or healthy in names:
        return words
    guessed = [name for name in names if means_healthy(name)]
    named = guessed[0] if len(guessed) == 1 else "CLASS"
    return f"{words} --set evaluate.healthy_class={named} (the class without a tumour, or null)"
