"""A folder of files as people have them, through the whole of Ingest."""

import csv

import numpy as np
from drawing import draw, encode
from ingesting import ingest
from peoples_files import FILES, NAMES

from imaging.reader import decode

LEFT_BEHIND = ("Thumbs.db", "desktop.ini", ".DS_Store", "._scan.jpg", "~$scan.png", "scan.jpg.part")


def test_each_file_is_what_it_shows_or_has_a_reason(tmp_path):
    root = tmp_path / "data"
    for label in ("glioma", "notumor"):
        (root / label).mkdir(parents=True)
    for file in FILES:
        label = "notumor" if file.shown is None else "glioma"
        (root / label / file.name).write_bytes(file.content)
    for seed in range(8):
        (root / "notumor" / f"good-{seed}.png").write_bytes(encode(draw(seed)))
    for name in LEFT_BEHIND:
        (root / "glioma" / name).write_bytes(b"\xd0\xcf\x11\xe0" + bytes(100))
    (root / "__MACOSX").mkdir()
    (root / "__MACOSX" / "._scan.jpg").write_bytes(encode(draw(1)))
    found = ingest(root, tmp_path / "out", split_policy="as_is", outside="keep")
    stored = {}
    for examples in found.examples.values():
        for example in examples:
            features = example.features.feature
            name = features["image/filename"].bytes_list.value[0].decode().rpartition("/")[2]
            stored.setdefault(name, features["image/encoded"].bytes_list.value[0])
    for file in FILES:
        if file.shown is None:
            assert file.name not in stored
        else:
            shown = file.shown if file.shown.ndim == 3 else np.dstack([file.shown] * 3)
            pixels = decode(stored[file.name])
            assert pixels.shape == shown.shape, file.name
            assert np.abs(pixels.astype(int) - shown).max() <= file.near, file.name
            assert not any(name in stored[file.name] for name in NAMES), file.name
    rejected = {name.rpartition("/")[2] for name, _ in found.rejected}
    assert rejected == {file.name for file in FILES if file.shown is None}
    assert found.report.passed_over == len(LEFT_BEHIND) + 1
    with (tmp_path / "out" / "rejected" / "rejected.csv").open(newline="") as file:
        assert not any(
            name.decode() in row["reason"] for row in csv.DictReader(file) for name in NAMES
        )
