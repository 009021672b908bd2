"""A number and what it counts."""


def counted(count: int, one: str, several: str = "") -> str:
    """As in `1 file` and `2,000 files`.

    Args:
        count: How many.
        one: What it is called if there is one.
        several: What it is called otherwise; default: with an s.
    """
    return f"{count:,} {one if count == 1 else several or f'{one}s'}"
