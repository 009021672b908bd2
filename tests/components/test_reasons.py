import pytest

from components.reasons import BLURRED, CUT_BLACK, OTHER, SEPARATOR, UNSURE, counted


@pytest.mark.parametrize(
    ("given", "reasons"),
    [
        ("", ()),
        (UNSURE, (UNSURE,)),
        (SEPARATOR.join([CUT_BLACK, BLURRED, UNSURE]), (CUT_BLACK, BLURRED, UNSURE)),
        (SEPARATOR.join([UNSURE, UNSURE]), (UNSURE,)),
        ("a name; another; " + UNSURE, (OTHER, UNSURE)),
    ],
)
def test_reasons_are_counted_by_a_few_sentences_whatever_a_model_says(given, reasons):
    assert counted(given) == reasons
