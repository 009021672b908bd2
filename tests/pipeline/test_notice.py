import pytest

from pipeline.notice import notice


def test_the_sample_says_that_it_shows_no_patients(tmp_path):
    (tmp_path / "sample.json").write_text('{"notice": "Computer-generated\\npictures\\u0007."}')
    assert notice(tmp_path) == "Computer-generated pictures\\x07."


@pytest.mark.parametrize("text", ["", "[]", "{", '{"notice": 7}', "{}"])
def test_a_folder_that_says_nothing_of_itself_has_no_notice(tmp_path, text):
    assert notice(tmp_path) == ""
    (tmp_path / "sample.json").write_text(text)
    assert notice(tmp_path) == ""


def test_no_folder_has_no_notice():
    assert notice(None) == ""
