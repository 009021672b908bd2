"""Files that are not images, or only pretend to be, among good ones."""

import gzip
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from dicom_files import file as dicom_file
from drawing import draw, encode
from ingesting import ingest

pytestmark = pytest.mark.long

_EACH = 80
"""Good files, and bad ones, of each class: each kind of bad file comes several times."""
_NAMES = ("plain", "naïve ☢", "<b>bold", "a\nb", "‮gpj", "'; drop --", "x" * 200)


def _random(seed: int, size: int = 400) -> bytes:
    return np.random.default_rng(seed).bytes(size)


def _png_bomb(_: int) -> bytes:
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    return (
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", len(header)) + chunk
        + struct.pack(">I", zlib.crc32(chunk))
    )  # fmt: skip


def _cut(format: str) -> Callable[[int], bytes]:
    def cut(seed: int) -> bytes:
        whole = encode(draw(seed), format)
        return whole[: len(whole) * (seed % 7 + 1) // 10]

    return cut


_HOSTILE: tuple[Callable[[int], bytes], ...] = (
    lambda seed: b"",
    lambda seed: b"hello " * (seed + 1),
    lambda seed: b"<html><script>alert(1)</script></html>",
    _random,
    lambda seed: b"\xff\xd8\xff\xe0" + _random(seed),
    lambda seed: b"\x89PNG\r\n\x1a\n" + _random(seed),
    lambda seed: b"GIF89a" + _random(seed, 4),
    lambda seed: b"BM" + _random(seed),
    lambda seed: b"II*\0" + _random(seed),
    lambda seed: bytes(128) + b"DICM" + _random(seed),
    lambda seed: gzip.compress(_random(seed, 344) + b"n+1\0" + _random(seed)),
    lambda seed: gzip.compress(bytes(1_000_000)),
    lambda seed: b"PK\3\4" + _random(seed),
    _png_bomb,
    _cut("JPEG"),
    _cut("PNG"),
    _cut("TIFF"),
    lambda seed: encode(np.full((40, 48, 3), seed % 256, np.uint8)),
    lambda seed: dicom_file()[: 200 + seed],
)


def _fill(folder: Path, label: str) -> None:
    for seed in range(_EACH):
        pixels = draw(seed + (10_000 if label == "glioma" else 0))
        (folder / f"{seed:04}.png").write_bytes(encode(pixels))
    for seed in range(_EACH - 3):
        content = _HOSTILE[seed % len(_HOSTILE)](seed)
        name = _NAMES[seed % len(_NAMES)]
        (folder / f"{seed:04} {name}.{('jpg', 'dcm', 'nii.gz')[seed % 3]}").write_bytes(content)
    (folder / "nowhere.png").symlink_to(folder / "missing.png")
    (folder / "loop.png").symlink_to(folder / "loop.png")
    os.mkfifo(folder / "pipe.png")


def test_all_the_good_ones_are_ingested_and_each_bad_one_has_a_reason(tmp_path):
    for label in ("glioma", "notumor"):
        folder = tmp_path / "images" / label
        folder.mkdir(parents=True)
        _fill(folder, label)
    found = ingest(tmp_path / "images", tmp_path / "out")
    report = found.report
    assert (report.found, report.ingested, report.rejected) == (4 * _EACH, 2 * _EACH, 2 * _EACH)
    assert sum(report.count(split) for split in report.images) == 2 * _EACH
    assert len(found.rejected) == 2 * _EACH
    assert all(reason and "\n" not in reason for _, reason in found.rejected)
    assert sum(map(len, found.examples.values())) + report.count("excluded") == 2 * _EACH
