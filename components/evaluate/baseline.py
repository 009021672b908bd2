"""Which earlier model a candidate is compared with."""

import ml_metadata as mlmd
from tfx import types
from tfx.dsl.components.common import resolver
from tfx.dsl.input_resolution.strategies.latest_blessed_model_strategy import (
    LatestBlessedModelStrategy,
)
from tfx.types.standard_artifacts import InfraBlessing

from components.evaluate.ruled_out import unservable_models, withdrawn_models

_CANDIDATE = "candidate"


class LatestBlessedBaselineStrategy(resolver.ResolverStrategy):
    """Resolves the latest blessed model that could be served and is not the candidate itself.

    A model answered from cache may be blessed already. Compared with itself it would pass whatever
    it is, and its evaluation would be done anew on every run.
    """

    def resolve_artifacts(
        self, store: mlmd.MetadataStore, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]] | None:
        """Drops models that are no baseline and lets TFX's own strategy choose among the rest.

        Args:
            store: The metadata store.
            input_dict: `candidate` (one Model), `model` (all Models), `model_blessing` (all).

        Returns:
            The candidate, and one model with its blessing or none of either.
        """
        candidates, blessings = input_dict[_CANDIDATE], input_dict["model_blessing"]
        dropped = {artifact.id for artifact in candidates}
        dropped |= withdrawn_models(blessing.mlmd_artifact for blessing in blessings)
        dropped |= unservable_models(store.get_artifacts_by_type(InfraBlessing.TYPE_NAME))
        others = [model for model in input_dict["model"] if model.id not in dropped]
        blessed = LatestBlessedModelStrategy().resolve_artifacts(
            store, {"model": others, "model_blessing": blessings}
        )
        return {_CANDIDATE: candidates, **(blessed or {"model": [], "model_blessing": []})}
