import os

import pytest

from components.pages.names import shown


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("glioma/Tr-gl_0010.jpg", "glioma/Tr-gl_0010.jpg"),
        ("Hirntumor/Größe 3.png", "Hirntumor/Größe 3.png"),
        ("two\nlines\ttab", "two\\nlines\\ttab"),
        ("\x1b[31mred", "\\x1b[31mred"),
        (os.fsdecode(b"caf\xe9.jpg"), "caf\\xe9.jpg"),
        ("right\u202eleft", "right\\u202eleft"),
        ("<b>:smile: [red]", "<b>:smile: [red]"),
    ],
)
def test_any_name_becomes_one_harmless_line(name, expected):
    assert shown(name) == expected
    shown(name).encode()


def test_a_long_name_keeps_its_ends():
    name = shown("a" * 250 + "end.jpg")
    assert len(name) < 125
    assert name.startswith("aaa")
    assert name.endswith("end.jpg")
