"""Which earlier model a candidate is compared with."""

from tfx import types
from tfx.dsl.components.common import resolver
from tfx.dsl.input_resolution.strategies.latest_blessed_model_strategy import (
    LatestBlessedModelStrategy,
)

from components.evaluate.verdict import CURRENT_MODEL_ID, WITHDRAWN

_CANDIDATE = "candidate"


class LatestBlessedBaselineStrategy(resolver.ResolverStrategy):
    """Resolves the latest blessed model that is not the candidate itself.

    A model answered from cache may be blessed already. Compared with itself it would pass whatever
    it is, and its evaluation would be done anew on every run.
    """

    def resolve_artifacts(
        self, store: object, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]] | None:
        """Drops the candidate from the models and lets TFX's own strategy choose among the rest.

        Args:
            store: The metadata store.
            input_dict: `candidate` (one Model), `model` (all Models), `model_blessing` (all).

        Returns:
            The candidate, and one model with its blessing or none of either.
        """
        candidates = input_dict[_CANDIDATE]
        candidate_ids = {artifact.id for artifact in candidates}
        others = [model for model in input_dict["model"] if model.id not in candidate_ids]
        withdrawn = {
            blessing.get_int_custom_property(CURRENT_MODEL_ID)
            for blessing in input_dict["model_blessing"]
            if blessing.get_int_custom_property(WITHDRAWN)
        }
        blessings = [
            blessing
            for blessing in input_dict["model_blessing"]
            if blessing.get_int_custom_property(CURRENT_MODEL_ID) not in withdrawn
        ]
        blessed = LatestBlessedModelStrategy().resolve_artifacts(
            store, {"model": others, "model_blessing": blessings}
        )
        return {_CANDIDATE: candidates, **(blessed or {"model": [], "model_blessing": []})}
