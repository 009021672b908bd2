"""What earlier spans were compared with is not compared again, and nothing else changes."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from drawing import draw, encode
from ingesting import ingest
from numpy.typing import NDArray
from scipy.fft import idctn

from components.ingest import duplicates
from components.ingest.compared import COMPARED_FILE, Compared, compare
from components.ingest.config import DuplicatesConfig
from components.ingest.duplicates import Pairs, group_images

pytestmark = pytest.mark.long

CONFIG = DuplicatesConfig()
NOTHING = Compared()


def series(count: int, seed: int) -> NDArray[np.int8]:
    """Signatures in series of lookalikes, mirrored at random; some too far from each other."""
    random = np.random.default_rng(seed)
    spectra = np.zeros((count, 80, 80), np.float32)
    spectra[:, :12, :12] = random.standard_normal((count, 12, 12))
    for index in range(count):
        if index % 5:
            spectra[index] = spectra[index - 1] + random.uniform(0.1, 0.6) * spectra[index]
    images = idctn(spectra, axes=(1, 2))
    images = [np.rot90(image, int(random.integers(4))) for image in images]
    return np.stack([np.rint(image * (127 / np.abs(image).max())) for image in images]).astype(
        np.int8
    )


def spans(seed: int) -> Iterator[tuple[list[str], NDArray[np.int8]]]:
    """What a run sees after each span: new images, some of the earlier ones, and copies.

    Earlier images that are no longer there come and go; none keeps its place.
    """
    random = np.random.default_rng(seed)
    signatures = series(120, seed)
    for end in (30, 60, 61, 120):
        seen = random.permutation(np.concatenate([np.arange(end), random.integers(0, end, 5)]))
        seen = seen[random.random(len(seen)) < 0.9]
        yield [f"{(index * 37) % 121:03}" for index in seen], signatures[seen]


def same(one: Pairs, other: Pairs) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("first", "second", "correlation")
    )


@pytest.mark.parametrize("seed", range(6))
def test_span_by_span_is_found_what_a_comparison_of_all_finds(seed, tmp_path):
    before = NOTHING
    found = 0
    for digests, signatures in spans(seed):
        pairs, pictures, after = compare(digests, signatures, before, CONFIG)
        expected, numbers, _ = compare(digests, signatures, NOTHING, CONFIG)
        assert same(pairs, expected)
        assert np.array_equal(pictures, numbers)
        nobody = [None] * len(digests)
        assert (
            group_images(digests, nobody, pairs, CONFIG).groups
            == group_images(digests, nobody, expected, CONFIG).groups
        )
        after.write(tmp_path)
        before = Compared.read(tmp_path)
        assert before.pictures == after.pictures
        assert same(before.pairs, after.pairs)
        found += len(pairs.first)
    assert found > 50


@pytest.fixture
def products(monkeypatch):
    """How many pairs are compared, in either of two ways."""
    real, counts = duplicates._bound, []

    def counted(rows, columns):
        counts.append(len(rows) * len(columns))
        return real(rows, columns)

    monkeypatch.setattr(duplicates, "_bound", counted)
    monkeypatch.setattr(duplicates, "_BLOCK", 4)
    return counts


def test_what_is_new_is_compared_with_all_and_nothing_else(products):
    signatures = series(100, 0)
    digests = [f"{index:03}" for index in range(100)]
    _, _, before = compare(digests[:90], signatures[:90], NOTHING, CONFIG)
    products.clear()
    compare(digests, signatures, before, CONFIG)
    assert sum(products) < 2 * 10 * (100 + 4)
    products.clear()
    compare(digests, signatures, before, DuplicatesConfig(max_group_share=0.5))
    assert sum(products) < 2 * 10 * (100 + 4)


def test_another_threshold_compares_anew():
    signatures = series(60, 0)
    digests = [f"{index:03}" for index in range(60)]
    for one, other in ((0.9, 0.8), (0.8, 0.9)):
        _, _, before = compare(digests, signatures, NOTHING, DuplicatesConfig(threshold=one))
        config = DuplicatesConfig(threshold=other)
        pairs, _, after = compare(digests, signatures, before, config)
        assert same(pairs, compare(digests, signatures, NOTHING, config)[0])
        assert after.threshold == other


def test_what_an_index_may_have_missed_is_compared_anew_where_all_can_be():
    signatures = series(60, 0)
    digests = [f"{index:03}" for index in range(60)]
    expected, _, before = compare(digests, signatures, NOTHING, CONFIG)
    missed = replace(before, pairs=duplicates.no_pairs(), exact=False)
    pairs, _, after = compare(digests, signatures, missed, CONFIG)
    assert same(pairs, expected)
    assert after.exact


def test_spans_one_by_one_stand_as_if_all_were_compared(tmp_path, products):
    """The same splits and groups, with fewer products."""

    def run(name, *, forget):
        history, rows, counts = None, [], []
        for number, seeds in enumerate([range(12), range(8, 16), range(14, 22)], 1):
            span = tmp_path / name / f"span-{number:03}"
            for label in ("glioma", "notumor"):
                (span / label).mkdir(parents=True)
                for seed in seeds:
                    pixels = draw(seed + 100 * (label == "glioma"))[:: -1 if seed % 3 else 1]
                    (span / label / f"{seed}-{number}.png").write_bytes(encode(pixels))
            products.clear()
            out = tmp_path / f"{name}-out" / str(number)
            found = ingest(tmp_path / name, out, history=history, eval_share=0.2)
            history = out / "splits"
            if forget:
                (history / COMPARED_FILE).unlink()
            rows.append(found.splits)
            counts.append(sum(products))
        return rows, counts

    rows, counts = run("remembered", forget=False)
    expected, more = run("forgotten", forget=True)
    assert rows == expected
    assert counts[0] == more[0]
    assert 2 * counts[2] < more[2]
