"""The elements of a DICOM data set, as they may be asked for: a hostile one has values of any kind.

What cannot be understood counts as absent.
"""

import math
from collections.abc import MutableSequence
from typing import Any


def value(owner: Any, keyword: str) -> Any:
    """An element's value.

    Args:
        owner: A data set, or None.
        keyword: The element.

    Returns:
        The value; None where there is none, or one that cannot be understood.
    """
    try:
        return None if owner is None else owner.get(keyword)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - hostile bytes raise anything
        return None


def item(owner: Any, sequence: str, index: int = 0) -> Any:
    """An item of a sequence; None where there is none."""
    items = value(owner, sequence)
    try:
        return items[index]
    except (IndexError, TypeError):
        return None


def functional(dataset: Any, frame: int, sequence: str, keyword: str) -> Any:
    """Looks an element up for a frame: its own group, the shared one, the data set itself.

    Args:
        dataset: The data set.
        frame: The frame's number.
        sequence: The functional group's sequence (PS3.3 C.7.6.16).
        keyword: The element.

    Returns:
        The value; None where there is none.
    """
    groups = (
        item(dataset, "PerFrameFunctionalGroupsSequence", frame),
        item(dataset, "SharedFunctionalGroupsSequence"),
    )
    owners = [*(item(group, sequence) for group in groups), dataset]
    return next((v for owner in owners if (v := value(owner, keyword)) is not None), None)


def several(value: Any) -> MutableSequence[Any]:
    """An element's values: all that it has, or the one."""
    return value if isinstance(value, MutableSequence) else [value]


def numbers(value: Any) -> list[float]:
    """The finite numbers of an element's value; none where one of them is not."""
    try:
        found = [float(one) for one in several(value)]
    except (TypeError, ValueError):
        return []
    return found if all(map(math.isfinite, found)) else []


def number(value: Any) -> float | None:
    """The first number of an element's value; None where there is none."""
    return next(iter(numbers(value)), None)


def whole(dataset: Any, keyword: str, default: int = 0) -> int:
    """An element's whole number; `default` where there is none."""
    found = number(value(dataset, keyword))
    return default if found is None else int(found)


def words(value: Any) -> list[str]:
    """The values of an element of code strings, without spaces around and in capitals."""
    return [] if value is None else [str(one).strip().upper() for one in several(value)]
