import io

from rich.table import Table
from rich.text import Text

from mri.terminal import PlainConsole
from pipeline.paths import harmless, shorter


def test_a_path_below_the_current_folder_is_shown_from_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shorter(tmp_path / "work" / "x") == "work/x"
    assert shorter(tmp_path.parent / "x") == str(tmp_path.parent / "x")
    monkeypatch.chdir("/")
    assert shorter(tmp_path) == str(tmp_path)


def test_a_console_prints_no_character_that_a_terminal_obeys():
    console = PlainConsole(io.StringIO())
    for shown in ("a\x1b[2J\x07", Text("b\x9b\u202e"), Table("c\x1b]0;x")):
        console.print(shown, markup=False)
    said = console.file.getvalue()
    assert not set(said) & set("\x1b\x07\x9b\u202e")
    assert r"a\x1b[2J" in said
    assert harmless("line\n\tsecond\r") == "line\n\tsecond\\r"
