import pytest
from rich.console import Console

from components.errors import PipelineError
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
