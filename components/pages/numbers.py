"""How figures are written: shares and areas alike as fractions of three digits, never as -0.000."""

_DIGITS = 3


def fraction(value: float) -> str:
    """Writes a figure, such as `0.942`; what rounds to nothing has no sign."""
    return f"{_rounded(value):.{_DIGITS}f}"


def signed(value: float) -> str:
    """Writes a difference with its sign, such as `+0.012`; of none it is `0.000`."""
    rounded = _rounded(value)
    return f"{rounded:+.{_DIGITS}f}" if rounded else fraction(0.0)


def _rounded(value: float) -> float:
    return round(value, _DIGITS) + 0.0  # -0.0 + 0.0 is 0.0
