"""The states of a model, and what moves it from one to another: the table of docs/models.md."""

from collections.abc import Sequence
from enum import Enum

from components.evaluate.standing import Standing


class State(str, Enum):
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


TRANSITIONS: dict[tuple[State, Event], State] = {
    (State.NOT_EVALUATED, Event.BLESS): State.BLESSED,
    (State.NOT_EVALUATED, Event.REFUSE): State.REFUSED,
    (State.REFUSED, Event.BLESS): State.BLESSED,
    (State.BLESSED, Event.REFUSE): State.REFUSED,
    (State.BLESSED, Event.WAIT): State.WAITS,
    (State.BLESSED, Event.PUSH): State.SERVED,
    (State.WAITS, Event.REFUSE): State.REFUSED,
    (State.WAITS, Event.PUSH): State.SERVED,
    (State.WAITS, Event.APPROVE): State.SERVED,
    (State.WAITS, Event.REJECT): State.REJECTED,
    (State.SERVED, Event.OVERTAKE): State.PUSHED,
    (State.SERVED, Event.ROLL_BACK_PAST): State.WITHDRAWN,
    (State.PUSHED, Event.PUSH): State.SERVED,
    (State.PUSHED, Event.ROLL_BACK_TO): State.SERVED,
    (State.PUSHED, Event.ROLL_BACK_PAST): State.WITHDRAWN,
    (State.WITHDRAWN, Event.ROLL_BACK_TO): State.SERVED,
}
"""Where each event leads from each state; what is not in it cannot be decided, or moves nothing."""


def state_of(
    standing: Standing,
    *,
    versions: Sequence[str],
    served: str | None,
    waiting: bool,
    decisions: Sequence[str],
) -> State:
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
        return State.SERVED
    if decisions and decisions[-1] == "rejected":
        return State.REJECTED
    if standing.withdrawn:
        return State.WITHDRAWN
    if versions:
        return State.PUSHED
    if standing.blessed is None:
        return State.NOT_EVALUATED
    if not standing.blessed:
        return State.REFUSED
    return State.WAITS if waiting else State.BLESSED
