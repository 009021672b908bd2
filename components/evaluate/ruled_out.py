"""Which models are ruled out, by a person or by the serve check, from ML Metadata's records."""

from collections.abc import Iterable

from ml_metadata.proto import metadata_store_pb2 as pb

from components.evaluate.verdict import CURRENT_MODEL_ID, WITHDRAWN
from components.properties import MODEL_ID, number_of


def withdrawn_models(blessings: Iterable[pb.Artifact]) -> set[int]:
    """The models that a person has decided against.

    Args:
        blessings: ModelBlessings, of any models.

    Returns:
        Ids of models.
    """
    return {number_of(one, CURRENT_MODEL_ID) for one in blessings if number_of(one, WITHDRAWN)}


def unservable_models(checks: Iterable[pb.Artifact]) -> set[int]:
    """The models that the serve check refused when it last had them.

    Args:
        checks: InfraBlessings, of any models.

    Returns:
        Ids of models.
    """
    last = {
        number_of(one, MODEL_ID): number_of(one, "blessed")
        for one in sorted(checks, key=lambda one: one.id)
    }
    return {model_id for model_id, blessed in last.items() if not blessed}
