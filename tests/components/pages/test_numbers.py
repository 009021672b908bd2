import pytest

from components.pages.numbers import fraction, signed


@pytest.mark.parametrize(
    ("value", "plain", "with_sign"),
    [
        (-0.0001, "0.000", "0.000"),
        (0.0, "0.000", "0.000"),
        (0.9424, "0.942", "+0.942"),
        (-0.0125001, "-0.013", "-0.013"),
    ],
)
def test_what_rounds_to_nothing_has_no_sign(value, plain, with_sign):
    assert (fraction(value), signed(value)) == (plain, with_sign)
