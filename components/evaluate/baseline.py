"""Which earlier model a candidate is compared with."""

import ml_metadata as mlmd
from tfx import types
from tfx.dsl.components.common import resolver

from components.evaluate.standing import Standing, baseline_order, read_standings
from components.evaluate.trained_on import splits_behind
from components.evaluate.verdict import CURRENT_MODEL_ID
from components.properties import number_of

_CANDIDATE = "candidate"


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
            input_dict: `candidate` (one Model), `model` (all Models), `model_blessing` (all),
                `splits` and `candidate_splits` (all).

        Returns:
            The candidate, and one model with its blessing or none of either; and for each the
            splits whose images it was made with, where all of them are still there.
        """
        candidates, blessings = input_dict[_CANDIDATE], input_dict["model_blessing"]
        known = {_CANDIDATE: candidates}
        if (splits := input_dict.get("candidate_splits")) is not None:
            known["candidate_splits"] = _trained_on(store, candidates[0].id, splits)
        said = read_standings(store, [blessing.mlmd_artifact for blessing in blessings])
        standing = {model.id: said.get(model.id, Standing()) for model in input_dict["model"]}
        none: list[types.Artifact] = []
        chosen = max(
            (
                model
                for model in input_dict["model"]
                if standing[model.id].may_be_baseline
                and model.id not in {artifact.id for artifact in candidates}
            ),
            key=lambda model: baseline_order(standing[model.id], model.id),
            default=None,
        )
        if chosen is None:
            return {**known, "model": none, "model_blessing": none, "splits": none}
        last = standing[chosen.id].blessing
        of_it = [
            blessing
            for blessing in blessings
            if number_of(blessing.mlmd_artifact, CURRENT_MODEL_ID) == chosen.id
        ]
        found = [blessing for blessing in of_it if last and blessing.id == last.id] or of_it
        return {
            **known,
            "model": [chosen],
            "model_blessing": found[-1:],
            "splits": _trained_on(store, chosen.id, input_dict.get("splits", [])),
        }


def _trained_on(
    store: mlmd.MetadataStore, model_id: int, splits: list[types.Artifact]
) -> list[types.Artifact]:
    """All splits that a model was made with; none where one of them is gone."""
    behind = splits_behind(store, model_id)
    found = [one for one in splits if one.id in behind]
    return found if len(found) == len(behind) else []
