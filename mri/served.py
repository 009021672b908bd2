"""Which of the models that were pushed is meant: one rule for all that serve or ask one."""

from pathlib import Path

from components.errors import UsageError
from components.push.versions import is_version, pushed_versions
from components.servable import SAVED_MODEL_FILE


def served_models(serving: Path) -> list[str]:
    """Names of the models that have a version.

    Args:
        serving: The folder of pushed models, `NAME/VERSION`.

    Returns:
        Them, sorted.
    """
    if not serving.is_dir():
        return []
    return sorted(path.name for path in serving.iterdir() if pushed_versions(path))


def served_model(serving: Path, name: str | None) -> Path:
    """The folder of a model's versions.

    Args:
        serving: The folder of pushed models.
        name: The model; None for the only one that there is.

    Returns:
        The folder.

    Raises:
        PipelineError: There is none, or none of that name, or a choice that nobody has made.
    """
    names, work = served_models(serving), serving.parent
    if name is not None and name not in names:
        raise UsageError(
            f"There is no pushed model {name} in {work}; there are: {', '.join(names) or '-'}."
        )
    if not names:
        raise UsageError(f"There is no pushed model in {work}: run `mri run` first.")
    if name is None and len(names) > 1:
        raise UsageError(f"There are several models: choose one with --model: {', '.join(names)}.")
    return serving / (name or names[0])


def newest_version(model: Path) -> Path:
    """The version that a server serves.

    Args:
        model: The folder of the versions, of which there is one at least.

    Returns:
        The version's folder.
    """
    versions = _versions(model)
    return versions[max(versions)]


def _versions(model: Path) -> dict[int, Path]:
    # By the number, as a person may have written zeros before it.
    return {int(path.name): path for path in model.iterdir() if is_version(path.name)}


def _version(model: Path, version: int) -> Path:
    versions = _versions(model)
    if version not in versions:
        there = ", ".join(map(str, sorted(versions, reverse=True)))
        raise UsageError(f"There is no version {version} in {model}; there are: {there}.")
    return versions[version]


def find_saved_model(model: Path | None, work: Path, version: int | None = None) -> Path:
    """The SavedModel that a person means.

    Args:
        model: Its folder, or the folder of its versions, or the name of a pushed model; None for
            the only pushed model. Of versions the newest is taken.
        work: The work folder to look for pushed models in.
        version: The version to take.

    Returns:
        Its folder.

    Raises:
        PipelineError: Nothing was pushed yet, several models, or there is no SavedModel, or not the
            version.
    """
    serving = work / "serving"
    if model is None:
        model = served_model(serving, None)
    elif not model.exists() and str(model) in served_models(serving):
        model = serving / model
    if not (model / SAVED_MODEL_FILE).is_file() and pushed_versions(model):
        model = newest_version(model) if version is None else _version(model, version)
    elif version is not None:
        raise UsageError(f"{model} is not a folder of versions to choose from.")
    if not (model / SAVED_MODEL_FILE).is_file():
        raise UsageError(f"{model} holds no SavedModel: name the folder of a version.")
    return model
