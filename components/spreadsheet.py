"""Cells of CSV files that people open in a spreadsheet, which would run a formula."""

_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def harmless(text: str) -> str:
    """Makes a cell text: what would be a formula begins with an apostrophe."""
    return f"'{text}" if text.startswith(_FORMULAS) else text


def harmless_path(path: str) -> str:
    """The same of a relative path, which `./` leaves a path that can be opened."""
    return f"./{path}" if path.startswith(_FORMULAS) else path
