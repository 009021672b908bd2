import pytest

from components.spreadsheet import harmless, harmless_path


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r"])
def test_a_cell_that_would_be_a_formula_is_text(begin):
    formula = f'{begin}HYPERLINK("http://example.org")'
    assert harmless(formula) == f"'{formula}"
    assert harmless_path(formula) == f"./{formula}"


@pytest.mark.parametrize("text", ["", "empty file", "Training/glioma/=1.jpg", "1-2.png"])
def test_other_cells_stay_as_they_are(text):
    assert harmless(text) == harmless_path(text) == text
