"""`mri data audit` on a folder with planted mistakes, by a network of toy width."""

import csv
import io
import re
from pathlib import Path

import numpy as np
import pytest
from drawing import draw, encode
from mri_command import mri

from components.audit.table import COLUMNS
from components.disclaimer import DISCLAIMER
from pipeline.exit_code import ExitCode

pytestmark = pytest.mark.long

_TOY = (
    "model.weights=random",
    "model.widths=[2,3,4,5,5]",
    "transform.image_size=32",
    "transform.levels=as_is",
)


@pytest.fixture(scope="module")
def audited(tmp_path_factory) -> Path:
    """Bright heads are one class and dark ones another; two labels are wrong, one of a copy."""
    place = tmp_path_factory.mktemp("audit")
    for number, (label, light) in enumerate((("=glioma", 1.0), ("<i>notumor", 0.35))):
        folder = place / "scans" / label
        folder.mkdir(parents=True)
        for seed in range(10):
            pixels = (draw(100 * number + seed) * light).astype(np.uint8)
            (folder / f"{seed}.png").write_bytes(encode(pixels))
    dark = (draw(200) * 0.35).astype(np.uint8)
    (place / "scans" / "=glioma" / "dark.png").write_bytes(encode(dark))
    mirrored = np.ascontiguousarray(draw(3)[:, ::-1])
    (place / "scans" / "<i>notumor" / "mirror.png").write_bytes(encode(mirrored))
    (place / "scans" / "=glioma" / "notes.txt").write_text("no image")
    (place / "said").write_text(_audit(place).stdout)
    return place


def _audit(place: Path):
    words = [word for setting in _TOY for word in ("--set", setting)]
    result = mri("data", "audit", "--data", "scans", *words, folder=place)
    assert result.returncode == 0, result.stderr
    return result


def _rows(place: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((place / "scans-audit.csv").read_text())))


def test_the_table_ranks_the_planted_mistakes_first_and_runs_no_formula(audited):
    rows = _rows(audited)
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 22
    mirror, copied, dark = rows[:3]
    assert mirror["path"] == "<i>notumor/mirror.png"
    assert (mirror["label"], mirror["suggested"]) == ("<i>notumor", "'=glioma")
    assert copied["path"] == "./=glioma/3.png"
    assert mirror["reason"] == copied["reason"] == "same picture under another label"
    assert (dark["path"], dark["reason"]) == ("./=glioma/dark.png", "looks like another class")
    assert all(not row["decision"] for row in rows)
    assert float(dark["score"]) < 0.5


def test_the_page_stands_alone_shows_pictures_and_names_no_file(audited):
    page = (audited / "scans-audit.html").read_text()
    assert DISCLAIMER in page
    assert "Row 1:" in page
    assert page.count("data:image/jpeg") > 9
    assert "mirror.png" not in page
    assert "<i>notumor" not in page
    assert not re.findall(r"(?:src|href)=\"(?!data:)", page)
    assert "1 file cannot be read" in page


def test_the_terminal_tells_the_first_and_where_the_rest_is(audited):
    said = (audited / "said").read_text()
    assert "22 files" in said
    assert "scans-audit.csv" in said
    assert "dark.png" in said
    assert DISCLAIMER in said


def test_features_are_cached_and_a_table_with_decisions_is_never_replaced(audited):
    stored = sorted((audited / "work" / "cache" / "features").rglob("*.data"))
    _audit(audited)  # a table without decisions is made anew
    assert sorted((audited / "work" / "cache" / "features").rglob("*.data")) == stored
    table = audited / "scans-audit.csv"
    decided = table.read_text().replace("another label,\n", "another label,wrong\n", 1)
    table.write_text(decided)
    result = mri("data", "audit", "--data", "scans", folder=audited)
    assert result.returncode == ExitCode.USAGE
    assert "scans-audit.csv holds decisions" in " ".join(result.stderr.split())
    assert table.read_text() == decided
