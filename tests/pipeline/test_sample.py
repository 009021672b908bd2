import io

import pytest
from rich.console import Console

from components.errors import PipelineError, UsageError
from components.whole_file import is_written_in
from pipeline import sample
from samples.synthetic import SampleError


def test_what_is_drawn_has_an_owner_meanwhile(tmp_path, monkeypatch):
    held = []
    monkeypatch.setattr(
        sample, "write_sample", lambda out, **_: held.append(is_written_in(out.parent))
    )
    sample.ensure_sample(tmp_path / "new" / "sample", Console(), per_class=1, seed=0)
    assert held == [True]
    assert not is_written_in(tmp_path / "new")


def test_what_cannot_be_drawn_is_a_sentence_for_the_user(tmp_path, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise SampleError("sample is a file: name another folder.")

    monkeypatch.setattr(sample, "write_sample", refuse)
    with pytest.raises(PipelineError, match="name another folder"):
        sample.ensure_sample(tmp_path / "sample", Console(), per_class=1, seed=0)


def test_a_parent_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(PipelineError, match="could not be written"):
        sample.ensure_sample(tmp_path / "file" / "sample", Console(), per_class=1, seed=0)


@pytest.mark.parametrize(("in_work", "says"), [(True, "with --work, or remove"), (False, "name")])
def test_another_sample_there_names_the_flag_that_chose_the_place(tmp_path, in_work, says):
    (tmp_path / "sample").mkdir()
    (tmp_path / "sample" / "sample.json").write_text("{}")
    with pytest.raises(UsageError, match=rf"{says}.*nothing in it was changed"):
        sample.ensure_sample(tmp_path / "sample", Console(), per_class=1, seed=0, in_work=in_work)


def test_a_log_gets_one_line_while_images_are_drawn_and_none_if_they_are_there(tmp_path):
    said = []
    for _ in range(2):
        stream = io.StringIO()
        sample.ensure_sample(tmp_path / "sample", Console(file=stream), per_class=1, seed=0)
        said.append(stream.getvalue())
    assert said == ["drawing synthetic images\n", ""]
