"""The states of a model, and what moves it from one to another: the table of docs/models.md."""

from collections.abc import Sequence
from enum import Enum

from components.evaluate.standing import Standing


class ModelState(str, Enum):
    """What a model is, as `mri models list` says it."""

    NOT_EVALUATED = "not evaluated"
    REFUSED = "refused"
    BLESSED = "blessed"
    WAITS = "waits for review"
    REJECTED = "rejected"
    SERVED = "served"
    PUSHED = "pushed"
    WITHDRAWN = "withdrawn"


class Event(str, Enum):
    """What happens to a model: what runs do, and what people decide."""

    BLESS = "a run blesses it"
    REFUSE = "a run refuses it"
    WAIT = "a run lets it wait"
    PUSH = "a run pushes it"
    APPROVE = "approve"
    REJECT = "reject"
    ROLL_BACK_TO = "rollback to it"
    ROLL_BACK_PAST = "rollback past it"
    OVERTAKE = "another is pushed"


TRANSITIONS: dict[tuple[ModelState, Event], ModelState] = {
    (ModelState.NOT_EVALUATED, Event.BLESS): ModelState.BLESSED,
    (ModelState.NOT_EVALUATED, Event.REFUSE): ModelState.REFUSED,
    (ModelState.REFUSED, Event.BLESS): ModelState.BLESSED,
    (ModelState.BLESSED, Event.REFUSE): ModelState.REFUSED,
    (ModelState.BLESSED, Event.WAIT): ModelState.WAITS,
    (ModelState.BLESSED, Event.PUSH): ModelState.SERVED,
    (ModelState.WAITS, Event.REFUSE): ModelState.REFUSED,
    (ModelState.WAITS, Event.PUSH): ModelState.SERVED,
    (ModelState.WAITS, Event.APPROVE): ModelState.SERVED,
    (ModelState.WAITS, Event.REJECT): ModelState.REJECTED,
    (ModelState.SERVED, Event.OVERTAKE): ModelState.PUSHED,
    (ModelState.SERVED, Event.ROLL_BACK_PAST): ModelState.WITHDRAWN,
    (ModelState.PUSHED, Event.PUSH): ModelState.SERVED,
    (ModelState.PUSHED, Event.ROLL_BACK_TO): ModelState.SERVED,
    (ModelState.PUSHED, Event.ROLL_BACK_PAST): ModelState.WITHDRAWN,
    (ModelState.WITHDRAWN, Event.ROLL_BACK_TO): ModelState.SERVED,
}
"""Where each event leads from each state; what is not in it cannot be decided, or moves nothing."""


def state_of(
    standing: Standing,
    *,
    versions: Sequence[str],
    served: str | None,
    waiting: bool,
    decisions: Sequence[str],
) -> ModelState:
    """Says what a model is.

    Args:
        standing: What was said of it last.
        versions: What it was pushed as.
        served: The version that is served now.
        waiting: Whether Pusher, when it last had it, let it wait for a person.
        decisions: What people decided about it, such as `approved`, the oldest first.

    Returns:
        Its state.
    """
    if served is not None and served in versions:
        return ModelState.SERVED
    if decisions and decisions[-1] == "rejected":
        return ModelState.REJECTED
    if standing.withdrawn:
        return ModelState.WITHDRAWN
    if versions:
        return ModelState.PUSHED
    if standing.blessed is None:
        return ModelState.NOT_EVALUATED
    if not standing.blessed:
        return ModelState.REFUSED
    return ModelState.WAITS if waiting else ModelState.BLESSED
