"""What a model's judges and people said of it last: read once, for all who go by it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as pb

from components.evaluate.verdict import CHOSEN_OVER, CURRENT_MODEL_ID, WITHDRAWN
from components.properties import MODEL_ID, number_of, text_of

_BLESSING, _CHECK = "ModelBlessing", "InfraBlessing"
"""TFX's types, by their names, as its own module of them imports TensorFlow."""
_UNSAID = (pb.Artifact.PENDING, pb.Artifact.ABANDONED)
"""States of artifacts that no execution has put out."""


@dataclass(frozen=True)
class Standing:
    """What was said of a model.

    Attributes:
        blessing: The Evaluator's last word; None where there is none.
        check: The serve check's last word; None where there is none.
        withdrawn: Whether a person has decided against it.
        chosen_over: The newest model that there was when a person went back to this one, an id;
            0 where nobody has.
    """

    blessing: pb.Artifact | None = None
    check: pb.Artifact | None = None
    withdrawn: bool = False
    chosen_over: int = 0

    @property
    def servable(self) -> bool:
        """Whether the serve check has not refused it."""
        return self.check is None or bool(number_of(self.check, "blessed"))

    @property
    def blessed(self) -> bool | None:
        """Whether all who judged it last blessed it; None where it was not evaluated."""
        if not self.servable:
            return False
        return None if self.blessing is None else bool(number_of(self.blessing, "blessed"))

    @property
    def refusal(self) -> str:
        """Why the serve check refused it, or nothing."""
        return "" if self.check is None or self.servable else text_of(self.check, "reasons")

    @property
    def may_be_baseline(self) -> bool:
        """Whether candidates may be compared with it."""
        return bool(self.blessed) and not self.withdrawn


def standings(
    blessings: Iterable[pb.Artifact], checks: Iterable[pb.Artifact], last: Mapping[int, int]
) -> dict[int, Standing]:
    """Says where models stand.

    Args:
        blessings: ModelBlessings, of any models.
        checks: InfraBlessings, of any models.
        last: The execution that put out each of them last, be it from cache, by the artifact's id.

    Returns:
        Standings by the model's id; of other models nothing was said.
    """
    judged = _by_model(blessings, CURRENT_MODEL_ID, last)
    asked = _by_model(checks, MODEL_ID, last)
    return {
        identity: Standing(
            blessing=judged[identity][-1] if identity in judged else None,
            check=asked[identity][-1] if identity in asked else None,
            # The mark is on the blessings that there were. A model that is judged once more gets
            # another one, and what was decided of it stays.
            withdrawn=any(number_of(one, WITHDRAWN) for one in judged.get(identity, ())),
            chosen_over=max(
                (number_of(one, CHOSEN_OVER) for one in judged.get(identity, ())), default=0
            ),
        )
        for identity in {*judged, *asked}
    }


def read_standings(store: mlmd.MetadataStore) -> dict[int, Standing]:
    """Reads where models stand.

    Args:
        store: ML Metadata.

    Returns:
        Standings by the model's id.
    """
    blessings, checks = list(of_type(store, _BLESSING)), list(of_type(store, _CHECK))
    return standings(blessings, checks, last_put_out(store, [*blessings, *checks]))


def baseline_order(standing: Standing, model_id: int) -> tuple[int, int]:
    """Sorts models by when they became what candidates are compared with.

    That is when they were made, or when a person went back to them.

    Args:
        standing: The model's standing.
        model_id: The model.

    Returns:
        What to sort by.
    """
    return max(model_id, standing.chosen_over), standing.chosen_over


def of_type(store: mlmd.MetadataStore, kind: str) -> Iterator[pb.Artifact]:
    """All artifacts of a type, which may not be known yet, that were ever put out.

    Args:
        store: ML Metadata.
        kind: The type's name.

    Yields:
        The artifacts, also such as are deleted.
    """
    if kind in {known.name for known in store.get_artifact_types()}:
        # That its file is gone changes nothing in what an execution has put out.
        yield from (one for one in store.get_artifacts_by_type(kind) if one.state not in _UNSAID)


def last_put_out(store: mlmd.MetadataStore, artifacts: Iterable[pb.Artifact]) -> dict[int, int]:
    """When artifacts were put out last.

    Args:
        store: ML Metadata.
        artifacts: Any of it.

    Returns:
        The id of the last execution, cached ones included, by the artifact's id.
    """
    found = {one.id: 0 for one in artifacts if one.id}
    for event in store.get_events_by_artifact_ids(list(found)) if found else ():
        if event.type == pb.Event.OUTPUT:
            found[event.artifact_id] = max(found[event.artifact_id], event.execution_id)
    return found


def _by_model(
    said: Iterable[pb.Artifact], key: str, last: Mapping[int, int]
) -> dict[int, list[pb.Artifact]]:
    """What was said of each model, the last word last."""
    found: dict[int, list[pb.Artifact]] = {}
    for one in sorted(said, key=lambda one: (last.get(one.id, 0), one.id)):
        found.setdefault(number_of(one, key), []).append(one)
    return found
