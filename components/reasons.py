"""Why a person must decide about an image: the sentences, in one place.

The served graph gives those that hold, one behind the other; whoever shows or counts answers takes
them from it.
"""

UNSURE = "the model is not sure: refer to a reader"
FOREIGN = "it looks like none of the training images"
FOREIGN_LIMIT = 1.0
"""The score above which the graph says so."""
CUT_BLACK = "dark levels are cut: export the full range"
CUT_WHITE = "bright levels are cut: export the full range"
BLURRED = "it is blurred: export the full resolution"
SMALL = "the head is small: export it larger"
NO_HEAD = "no head stands out: export all of it, on a dark background"
OTHER = "another reason"
"""How a sentence that is none of these is counted."""

SEPARATOR = "; "

_KNOWN = (FOREIGN, NO_HEAD, CUT_BLACK, CUT_WHITE, BLURRED, SMALL, UNSURE)


def counted(reasons: str) -> tuple[str, ...]:
    """Takes apart what a graph gave, to be counted.

    Args:
        reasons: Sentences with `SEPARATOR` between them.

    Returns:
        Each once, in their order; for all that are not of this version `OTHER`, so that there are
        never more than a few to count by.
    """
    sentences = filter(None, reasons.split(SEPARATOR))
    return tuple(dict.fromkeys(one if one in _KNOWN else OTHER for one in sentences))
