"""Duplicate search: which images are found to show the same picture, and the groups they make."""

import logging
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from copies import CHANGES
from numpy.typing import NDArray
from PIL import Image

from components import progress
from components.ingest import duplicates
from components.ingest.config import DuplicatesConfig
from components.ingest.duplicates import Pairs, find_pairs, group_images
from imaging.signature import signature
from samples.synthetic import CLASSES, render

pytestmark = pytest.mark.long

CONFIG = DuplicatesConfig()
INDEXED = DuplicatesConfig(exact_up_to=0)

Pixels = NDArray[np.uint8]


def random_signatures(count: int, seed: int = 0) -> NDArray[np.int8]:
    """Smooth signatures, like those of images, int8 [count, 80, 80]."""
    from scipy.fft import idctn

    spectrum = np.zeros((count, 80, 80), np.float32)
    spectrum[:, :24, :24] = np.random.default_rng(seed).standard_normal((count, 24, 24))
    return quantised(idctn(spectrum, axes=(1, 2)))


def quantised(structures: NDArray[np.floating]) -> NDArray[np.int8]:
    largest = np.abs(structures).max(axis=(1, 2), keepdims=True)
    return np.rint(structures * (127 / largest)).astype(np.int8)


def turned(image: NDArray, orientation: int) -> NDArray:
    return np.rot90(image.T if orientation > 3 else image, orientation % 4)


def with_copies(count: int, copies: int, seed: int = 0) -> NDArray[np.int8]:
    """Signatures, then copies of some of them: turned, flipped and changed more or less."""
    random = np.random.default_rng(seed)
    sources = random_signatures(count, seed).astype(np.float32)
    changes = random_signatures(copies, seed + 1).astype(np.float32)
    chosen = random.integers(0, count, copies)
    amounts = random.uniform(0, 0.7, copies)
    changed = [
        turned(sources[source], int(random.integers(8))) + amount * change
        for source, amount, change in zip(chosen, amounts, changes, strict=True)
    ]
    return np.concatenate([quantised(sources), quantised(np.stack(changed))])


def compare_plainly(signatures: NDArray[np.int8]) -> NDArray[np.float32]:
    """The correlation of all pairs in the best of eight orientations."""
    unit = signatures.astype(np.float32).reshape(len(signatures), -1)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    images = unit.reshape(signatures.shape)
    return np.max(
        [unit @ np.stack([turned(i, o) for i in images]).reshape(unit.shape).T for o in range(8)],
        axis=0,
    )


def as_set(pairs: Pairs) -> set[tuple[int, int]]:
    return set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))


def made_pairs(*rows: tuple[int, int, float]) -> Pairs:
    first, second, correlation = zip(*rows, strict=True) if rows else ((), (), ())
    return Pairs(
        np.array(first, np.int64), np.array(second, np.int64), np.array(correlation, np.float32)
    )


def parts(groups: Iterable[str]) -> set[frozenset[int]]:
    """The groups as sets of image indices."""
    members: dict[str, set[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, set()).add(index)
    return {frozenset(group) for group in members.values()}


# What is found


def test_exactly_the_pairs_of_a_plain_comparison_are_found() -> None:
    signatures = with_copies(600, 400)  # several blocks
    best = compare_plainly(signatures)
    expected = {(i, j) for i, j in np.argwhere(best >= 0.9).tolist() if i < j}
    assert len(expected) > 200
    pairs = find_pairs(signatures, CONFIG)
    assert as_set(pairs) == expected
    np.testing.assert_allclose(pairs.correlation, best[pairs.first, pairs.second], atol=1e-5)


def test_the_threshold_is_the_users() -> None:
    signatures = with_copies(100, 100)
    best = np.triu(compare_plainly(signatures), 1)
    for threshold in (0.6, 0.97):
        pairs = find_pairs(signatures, DuplicatesConfig(threshold=threshold))
        assert len(as_set(pairs)) == (best >= threshold).sum()


@pytest.mark.parametrize("count", [0, 1, 2])
@pytest.mark.parametrize("config", [CONFIG, INDEXED])
def test_few_images_are_enough(count: int, config: DuplicatesConfig) -> None:
    one = random_signatures(1)
    pairs = find_pairs(np.repeat(one, count, axis=0), config)
    assert as_set(pairs) == ({(0, 1)} if count == 2 else set())
    assert group_images([], [], find_pairs(one[:0], config), config).groups == ()


def test_what_has_no_signature_matches_nothing() -> None:
    assert not as_set(find_pairs(np.zeros((5, 80, 80), np.int8), CONFIG))


def test_memory_stays_bounded_where_all_images_look_alike(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(duplicates, "_MOST_PARTNERS", 20)
    monkeypatch.setattr(duplicates, "_BLOCK", 32)
    signatures = np.repeat(random_signatures(1), 600, axis=0)
    pairs = find_pairs(signatures, CONFIG)
    assert len(pairs.first) < 600 * (20 + 32)
    assert "20 or more near duplicates" in caplog.text
    names = [str(index) for index in range(600)]
    assert len(set(group_images(names, [None] * 600, pairs, CONFIG).groups)) == 1


def test_progress_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_MESSAGES", -1)
    with caplog.at_level(logging.INFO, progress.__name__):
        find_pairs(random_signatures(10), CONFIG)
    assert caplog.messages[-1] == "comparing images, 100%"


# Beyond what is compared exactly


def test_the_index_finds_nearly_all_pairs_in_any_orientation_and_no_false_ones() -> None:
    signatures = with_copies(2000, 1000)
    exact, indexed = (as_set(find_pairs(signatures, config)) for config in (CONFIG, INDEXED))
    assert indexed <= exact
    assert len(indexed) >= 0.98 * len(exact)


def test_what_one_of_two_images_misses_the_other_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "_LISTS_SEARCHED", 1)
    signatures = with_copies(2000, 1000)
    exact, indexed = (as_set(find_pairs(signatures, config)) for config in (CONFIG, INDEXED))
    assert indexed <= exact
    assert len(indexed) >= 0.985 * len(exact)


@pytest.mark.parametrize("config", [CONFIG, INDEXED])
def test_of_new_images_the_pairs_are_found_that_a_comparison_of_all_finds(
    config: DuplicatesConfig,
) -> None:
    signatures = with_copies(1200, 600)
    new = np.sort(np.random.default_rng(0).permutation(1800)[:1000])
    pairs = find_pairs(signatures, config, new=new)
    found = as_set(pairs)
    assert all(one < other for one, other in found)
    fresh = set(new.tolist())
    expected = {pair for pair in as_set(find_pairs(signatures, CONFIG)) if fresh & set(pair)}
    if config is CONFIG:
        assert found == expected
    assert found <= expected
    assert len(found) >= 0.99 * len(expected)


def test_the_order_of_images_changes_no_correlation() -> None:
    signatures = with_copies(100, 100)
    there = find_pairs(signatures, CONFIG)
    back = find_pairs(signatures[::-1], CONFIG)
    turned = {
        (199 - other, 199 - one): correlation
        for one, other, correlation in zip(
            back.first.tolist(), back.second.tolist(), back.correlation.tolist(), strict=True
        )
    }
    for one, other, correlation in zip(
        there.first.tolist(), there.second.tolist(), there.correlation.tolist(), strict=True
    ):
        assert turned[one, other] == correlation


@pytest.mark.parametrize(
    "imports",
    [
        "import tensorflow as tf, faiss",
        pytest.param("import faiss, tensorflow as tf", marks=pytest.mark.slow),
    ],
)
def test_the_index_and_tensorflow_live_in_one_process(imports: str) -> None:
    code = f"""{imports}
import numpy as np
from concurrent.futures import ThreadPoolExecutor
vectors = np.random.default_rng(0).standard_normal((2000, 64)).astype(np.float32)
index = faiss.IndexFlatIP(64)
index.add(vectors)
def search(_):
    return (index.search(vectors[:100], 1)[1][:, 0] == np.arange(100)).all()
def multiply(_):
    return np.allclose(tf.linalg.matmul(vectors, vectors, transpose_b=True), vectors @ vectors.T,
                       atol=1e-3)
with ThreadPoolExecutor(2) as pool:
    assert all([*pool.map(search, range(5)), *pool.map(multiply, range(3))])
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


# Copies


@pytest.fixture(scope="module")
def subjects() -> list[Pixels]:
    """Images of the synthetic sample, uint8 RGB."""
    rendered = [
        render(label, seed=0, split="Testing", index=index).image
        for index in range(3)
        for label in CLASSES
    ]
    return [np.repeat(grey[..., None], 3, axis=2) for grey in rendered]


def matches(images: list[Pixels], copies: list[Pixels]) -> set[tuple[int, int]]:
    """Which image matches which copy."""
    pairs = find_pairs(np.stack([signature(image) for image in [*images, *copies]]), CONFIG)
    return {(i, j - len(images)) for i, j in as_set(pairs) if i < len(images) <= j}


@pytest.mark.parametrize("change", CHANGES)
def test_a_copy_matches_its_source_and_no_other_subject(
    change: str, subjects: list[Pixels]
) -> None:
    copies = [CHANGES[change](image) for image in subjects]
    assert matches(subjects, copies) == {(index, index) for index in range(len(subjects))}


@pytest.mark.parametrize("change", CHANGES)
def test_a_copy_of_a_real_image_matches_its_source(change: str, real_images: Path) -> None:
    paths = sorted(real_images.glob("T*/*/*"))[::160]
    images = [np.asarray(Image.open(path).convert("RGB")) for path in paths]
    found = matches(images, [CHANGES[change](image) for image in images])
    assert {(index, index) for index in range(len(images))} <= found


# Groups


def test_images_are_grouped_through_others() -> None:
    pairs = made_pairs((0, 1, 0.95), (1, 2, 0.92), (4, 5, 0.99))
    grouping = group_images(list("abcdef"), [None] * 6, pairs, CONFIG)
    assert parts(grouping.groups) == {frozenset({0, 1, 2}), frozenset({3}), frozenset({4, 5})}
    assert as_set(grouping.pairs) == as_set(pairs)


def test_identical_pictures_and_patients_are_grouped() -> None:
    pictures, patients = ["x", "y", "x", "a", "w"], [None, "p", None, None, "p"]
    grouping = group_images(pictures, patients, made_pairs((2, 3, 0.95)), CONFIG)
    assert parts(grouping.groups) == {frozenset({0, 2, 3}), frozenset({1, 4})}
    assert as_set(grouping.pairs) == {(0, 2), (2, 3)}
    assert grouping.pairs.correlation.tolist() == pytest.approx([1.0, 0.95])


def test_a_group_is_named_after_its_pictures_alone() -> None:
    pictures = list("abcdefgh")
    pairs = made_pairs((0, 3, 0.95), (3, 6, 0.91), (1, 2, 0.99))
    names = dict(
        zip(pictures, group_images(pictures, [None] * 8, pairs, CONFIG).groups, strict=True)
    )
    order = np.random.default_rng(0).permutation(8)
    place = np.argsort(order)
    moved = Pairs(place[pairs.first], place[pairs.second], pairs.correlation)
    shuffled = [pictures[index] for index in order]
    again = group_images(shuffled, [None] * 8, moved, CONFIG)
    assert dict(zip(shuffled, again.groups, strict=True)) == names
    assert (again.pairs.first < again.pairs.second).all()
    patients: list[str | None] = ["p"] * 8
    assert len(set(group_images(pictures, patients, pairs, CONFIG).groups)) == 1


def test_many_identical_pictures_take_little_memory() -> None:
    grouping = group_images(["same"] * 5000, [None] * 5000, made_pairs(), CONFIG)
    assert len(set(grouping.groups)) == 1
    assert len(grouping.pairs.first) < 3 * 5000
    joined = set(grouping.pairs.first.tolist()) | set(grouping.pairs.second.tolist())
    assert joined == set(range(5000))


# The guard against chaining


def chain(clusters: int, size: int, weak: float, strong: float = 0.99) -> Pairs:
    """Clusters of strong pairs, each joined to the next by one weak pair."""
    rows = []
    for cluster in range(clusters):
        start = cluster * size
        rows += [(start, start + other, strong) for other in range(1, size)]
        if cluster:
            rows.append((start - size, start, weak))
    return made_pairs(*rows)


def test_a_chain_of_lookalikes_is_cut_at_its_weakest_pairs() -> None:
    count, config = 1200, DuplicatesConfig(max_group_share=0.05)
    pairs = chain(clusters=20, size=40, weak=0.91)
    names = [f"{index:04}" for index in range(count)]
    grouping = group_images(names, [None] * count, pairs, config)
    clusters = {frozenset(range(40 * c, 40 * c + 40)) for c in range(20)}
    assert {part for part in parts(grouping.groups) if len(part) > 1} == clusters
    assert as_set(grouping.pairs) == as_set(pairs)


def test_a_chain_is_cut_no_further_than_it_must_be() -> None:
    count, config = 1200, DuplicatesConfig(max_group_share=0.05)
    names = [f"{index:04}" for index in range(count)]
    pairs = chain(clusters=20, size=40, weak=0.905, strong=0.915)
    groups = parts(group_images(names, [None] * count, pairs, config).groups)
    assert {frozenset(range(40 * c, 40 * c + 40)) for c in range(20)} <= groups

    # Two patients of 40 images, and one image that looks like one of the first's.
    patients = [f"patient {index // 40}" if index < 80 else None for index in range(count)]
    pairs = made_pairs((0, 40, 0.905), (0, 80, 0.915))
    groups = parts(group_images(names, patients, pairs, config).groups)
    assert {frozenset([*range(40), 80]), frozenset(range(40, 80))} <= groups


def test_near_identical_images_are_never_cut() -> None:
    count, config = 1200, DuplicatesConfig(max_group_share=0.05)
    names = [f"{index:04}" for index in range(count)]
    pairs = chain(clusters=5, size=40, weak=0.995, strong=0.995)
    assert frozenset(range(200)) in parts(group_images(names, [None] * count, pairs, config).groups)


@pytest.mark.parametrize(("count", "most"), [(400, 50), (1200, 60)])
def test_groups_that_are_small_enough_are_left_alone(count: int, most: int) -> None:
    config = DuplicatesConfig(max_group_share=0.05)
    pairs = chain(clusters=2, size=most // 2, weak=0.901)
    grouping = group_images(
        [f"{index:04}" for index in range(count)], [None] * count, pairs, config
    )
    assert frozenset(range(most)) in parts(grouping.groups)


def test_identical_pictures_and_patients_are_never_cut() -> None:
    count, config = 400, DuplicatesConfig(max_group_share=0.05)
    pictures = ["same"] * 150 + [f"{index:04}" for index in range(150, count)]
    patients: list[str | None] = [None] * 200 + ["one"] * 200
    pairs = made_pairs((149, 200, 0.905), (199, 200, 0.905))
    grouping = group_images(pictures, patients, pairs, config)
    assert frozenset(range(150)) in parts(grouping.groups)
    assert frozenset(range(200, 400)) in parts(grouping.groups)
