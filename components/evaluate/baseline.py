"""Which earlier model a candidate is compared with."""

import logging

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as pb
from tfx import types
from tfx.dsl.components.common import resolver
from tfx.types import artifact_utils

from components.errors import PipelineError
from components.evaluate.standing import Standing, baseline_order, read_standings
from components.evaluate.trained_on import splits_behind
from components.evaluate.verdict import CURRENT_MODEL_ID
from components.ingest.artifacts import SplitAssignment
from components.properties import number_of

_LOG = logging.getLogger(__name__)


class LatestBlessedBaselineStrategy(resolver.ResolverStrategy):
    """Resolves the latest model that is blessed, could be served and is not the candidate itself.

    TFX's own strategy takes a model that was blessed once, whatever was said of it since. A model
    answered from cache may be blessed already. Compared with itself it would pass whatever it is,
    and its evaluation would be done anew on every run.
    """

    def resolve_artifacts(
        self, store: mlmd.MetadataStore, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]] | None:
        """Finds the model that stands, and became what candidates are compared with last.

        Args:
            store: The metadata store.
            input_dict: `candidate` (one Model), `model` (all Models), `model_blessing` (all);
                `splits` and `candidate_splits` are looked up, as another pipeline may have made
                those that a model began with.

        Returns:
            The candidate, and one model with its blessing or none of either; and for each the
            splits whose images it was made with, where all of them are still there.
        """
        [candidate] = input_dict["candidate"]
        said = read_standings(store)
        models = {
            model.id: model
            for model in input_dict["model"]
            if model.id != candidate.id and said.get(model.id, Standing()).may_be_baseline
        }
        found: dict[str, list[types.Artifact]] = {
            "candidate": [candidate],
            "candidate_splits": _trained_on(store, candidate.id),
            "model": [],
            "model_blessing": [],
            "splits": [],
        }
        if not models:
            return found
        chosen = max(models, key=lambda identity: baseline_order(said[identity], identity))
        blessings = [
            blessing
            for blessing in input_dict["model_blessing"]
            if number_of(blessing.mlmd_artifact, CURRENT_MODEL_ID) == chosen
        ]
        last = said[chosen].blessing
        blessings.sort(key=lambda blessing: last is not None and blessing.id == last.id)
        return {
            **found,
            "model": [models[chosen]],
            "model_blessing": blessings[-1:],
            "splits": _trained_on(store, chosen),
        }


def _trained_on(store: mlmd.MetadataStore, model_id: int) -> list[types.Artifact]:
    """All splits that a model was made with; none where one is gone, or cannot be told now."""
    try:
        behind = sorted(splits_behind(store, model_id))
    except PipelineError as error:
        _LOG.warning("%s", error)
        return []
    if not behind:
        return []
    found = store.get_artifacts_by_id(behind)
    if any(one.state != pb.Artifact.LIVE for one in found):
        return []
    kind = store.get_artifact_type(SplitAssignment.TYPE_NAME)
    return list(artifact_utils.deserialize_artifacts(kind, found))
