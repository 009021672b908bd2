"""A table of labels: what it says of files, and what is wrong with it."""

import unicodedata

import pytest

from components.errors import PipelineError
from components.ingest.folder import list_images
from components.ingest.labels import read_labels

_CLASSES = ("glioma", "notumor")


@pytest.fixture
def listed(tmp_path):
    """Lists files by the text of a table."""
    root = tmp_path / "scans"

    def listed(text: str | bytes, *names: str, **how):
        for name in names:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")
        table = tmp_path / "labels.csv"
        table.write_bytes(text if isinstance(text, bytes) else text.encode())
        folder = list_images(root, labels=read_labels(table, _CLASSES), **how)
        return {file.name: (file.label, file.folder_split) for file in folder.files}, folder

    return listed


_SHEET = "path,label\r\na.png,glioma\r\nb.png,notumor\r\n"
_EXPECTED = {"a.png": ("glioma", "train"), "b.png": ("notumor", "train")}


@pytest.mark.parametrize(
    "text",
    [
        _SHEET,
        _SHEET.replace("\r\n", "\n"),
        _SHEET.replace(",", ";"),
        _SHEET.replace(",", "\t"),
        _SHEET.replace(",", " ; "),
        "\ufeff" + _SHEET,
        _SHEET.encode("utf-16"),
        _SHEET.replace("a.png", '"a.png"'),
        _SHEET.replace("path", "Path").replace("label", " LABEL "),
        "label,path\nglioma,a.png\nnotumor,./b.png\n,\n\n",
        "path,label\na.png,glioma\na.png,glioma\nb.png,notumor",
    ],
)
def test_reads_what_spreadsheets_write(listed, text):
    found, folder = listed(text, "a.png", "b.png")
    assert found == _EXPECTED
    assert (folder.classes, folder.unnamed, folder.labels) == (_CLASSES, 0, None)


def test_a_folder_stands_for_all_below_it_and_the_nearest_row_counts(listed):
    table = "path,label\none,glioma\none\\two\\,notumor\none/two/c.png,glioma\nd e.png,notumor\n"
    names = ("one/a.png", "one/two/b.png", "one/two/c.png", "one/two/three/x.png", "d e.png")
    found, folder = listed(table, *names, "other/z.png", "y.png", "one/Thumbs.db", "__MACOSX/q.png")
    assert {name: label for name, (label, _) in found.items()} == {
        "one/a.png": "glioma",
        "one/two/b.png": "notumor",
        "one/two/c.png": "glioma",
        "one/two/three/x.png": "notumor",
        "d e.png": "notumor",
    }
    assert (folder.unnamed, folder.passed_over) == (2, 2)


def test_names_match_in_either_form_of_unicode(listed):
    composed = "Schädel.png"
    table = f"path,label\n{composed},glioma\nÜ/b.png,notumor\n"
    names = [unicodedata.normalize("NFD", name) for name in (composed, "Ü/b.png")]
    assert len(listed(table, *names)[0]) == 2


def test_splits_come_from_the_table_or_from_folders(listed):
    table = "path,label,split\na.png,glioma,Testing\nb.png,notumor,val\nc.png,glioma,\n"
    table += "test/d.png,notumor,\ntest/e.png,notumor,TRAIN\n"
    found, _ = listed(table, "a.png", "b.png", "c.png", "test/d.png", "test/e.png")
    assert {name: split for name, (_, split) in found.items()} == {
        "a.png": "test", "b.png": "eval", "c.png": "train", "test/d.png": "test",
        "test/e.png": "train",
    }  # fmt: skip


def test_spans_are_read_as_always(listed):
    table = "path,label\nspan-001/a.png,glioma\nspan-002/b.png,notumor\nspan-002/test,glioma\n"
    names = ("span-001/a.png", "span-002/b.png", "span-002/test/c.png")
    found, folder = listed(table, *names)
    assert found == {
        "span-002/b.png": ("notumor", "train"),
        "span-002/test/c.png": ("glioma", "test"),
    }
    assert folder.spans == (2,)


def test_rows_about_patients_leave_all_files_to_be_read(listed):
    found, folder = listed("patient,label\nP1,glioma\nP2,notumor\n", "a.dcm", "b.dcm")
    assert found == {"a.dcm": ("", "train"), "b.dcm": ("", "train")}
    assert folder.labels
    salted = [folder.labels.hashed(salt) for salt in (b"1", b"2")]
    assert not salted[0].keys() & salted[1].keys()
    assert "P1" not in repr(salted)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("c.png,glioma,", "'c.png' is not in the data folder"),
        ("a.png,tumour,", "the label 'tumour' is not one of glioma, notumor"),
        ("a.png,,", "the label is empty"),
        (",glioma,", "path empty"),
        ("a.png,glioma,holdout", "the split 'holdout' is not one of"),
        ("a.png,notumor,", "line 2 contradicts this one about the same path"),
        (".\\a.png,glioma,test", "line 2 contradicts this one about the same path"),
        ("../a.png,glioma,", "leads outside the data folder"),
        ("/etc/passwd,glioma,", "leads outside the data folder"),
        ("C:\\scans\\a.png,glioma,", "leads outside the data folder"),
        ("a.png,glioma,train,more", "4 cells, but 3 columns"),
        ("b.png", "the label is empty"),
    ],
)
def test_a_wrong_row_is_named_with_its_line(listed, row, says):
    with pytest.raises(PipelineError, match=r"has 1 row that cannot be used") as error:
        listed(f"path,label,split\na.png,glioma,\nb.png,notumor,\n{row}\n", "a.png", "b.png")
    assert f"line 4: {says}" in str(error.value) or f"line 4: the path {says}" in str(error.value)


def test_all_wrong_rows_are_named_up_to_ten(listed):
    rows = "".join(f"{number}.png,glioma\n" for number in range(14))
    with pytest.raises(PipelineError, match="has 13 rows that cannot be used") as error:
        listed("path,label\n" + rows + "a.png,notumor\n", "a.png", "5.png")
    lines = str(error.value).splitlines()
    assert len(lines) == 12
    assert lines[1].startswith("  line 2: ")
    assert lines[-1] == "  and 3 rows more"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "needs the column label"),
        ("path,label\n", "no rows below its header"),
        ("name,label\na.png,glioma\n", "has the column 'name' in line 1"),
        ("path,split\na.png,test\n", "needs the column label"),
        ("label,split\nglioma,test\n", "one of path, study, patient"),
        ("path,path,label\na.png,a.png,glioma\n", "a column twice"),
        ("path,label\na.png,glioma\n", "names 1 of the classes"),
        (b"path,label\n\xe4.png,glioma\n", "not text in UTF-8, line 2"),
        ('path,label\na.png,glioma\n"b.png,notumor\n', "cannot be read, line 3"),
        ("path,label\na.png,glioma\n" + "x" * 200_000 + ",notumor\n", "cannot be read, line 3"),
        (bytes(1000), "has the column"),
    ],
)
def test_a_file_that_is_not_such_a_table_is_refused(listed, text, says):
    with pytest.raises(PipelineError, match=says):
        listed(text, "a.png", "b.png")


def test_a_table_that_is_not_there_or_huge_is_refused(tmp_path):
    with pytest.raises(PipelineError, match="No such file"):
        read_labels(tmp_path / "none.csv")
    with pytest.raises(PipelineError, match="cannot be read"):
        read_labels(tmp_path)
    huge = tmp_path / "huge.csv"
    with huge.open("wb") as file:
        file.truncate(300_000_000)
    with pytest.raises(PipelineError, match="larger than"):
        read_labels(huge)
    assert read_labels(None) is None


def test_numbers_of_patients_are_not_said(listed):
    table = "patient,label,split\nDOE1970,glioma,\nDOE1970,notumor,\nROE,tumour,\nZOE,glioma,x\n"
    with pytest.raises(PipelineError) as error:
        listed(table, "a.dcm")
    assert "line 3: line 2 contradicts this one about the same patient" in str(error.value)
    assert not [number for number in ("DOE", "ROE", "ZOE") if number in str(error.value)]
