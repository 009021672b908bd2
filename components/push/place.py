"""As which version a model is served, or would be."""

from pathlib import Path

from ml_metadata.proto import metadata_store_pb2 as pb

from components.push.extras import origin_of
from components.push.versions import next_version, pushed_versions


def version_in_place(base: Path, model: pb.Artifact) -> int | None:
    """The served version, where it is this model.

    Args:
        base: The folder that holds the versions.
        model: The model.

    Returns:
        The version, or None.
    """
    for version in pushed_versions(base)[-1:]:
        if is_version_of(base / str(version), model):
            return version
    return None


def version_for(base: Path, model: pb.Artifact) -> int:
    """The version that is this model while it is served: the one in place, or the next.

    Args:
        base: The folder that holds the versions.
        model: The model.

    Returns:
        The version. It is another one each time that another model was pushed over this one.
    """
    in_place = version_in_place(base, model)
    return next_version(base, made_in(model)) if in_place is None else in_place


def is_version_of(version: Path, model: pb.Artifact) -> bool:
    """Whether a version is this model.

    Another database counts its models from the beginning, so their ids alone do not tell.

    Args:
        version: The version's folder.
        model: The model.

    Returns:
        Whether its origin says so; of one without an origin, whether it is named after the model.
    """
    origin, number = origin_of(version), int(version.name)
    if origin is None:
        return number == made_in(model)
    made = int(model.create_time_since_epoch)
    return origin.model == model.id and origin.made in (0, made) and number >= made_in(model)


def made_in(model: pb.Artifact) -> int:
    """The second since 1970 in which a model was made."""
    return int(model.create_time_since_epoch // 1000)
