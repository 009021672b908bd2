"""What is done to images, on heads that are drawn."""

import numpy as np
import pytest
from drawing import draw, encode

from components.robustness.asking import Sampled, styled
from components.robustness.changes import CHANGES
from components.robustness.subject import SIDE, Subject

_HEAD = encode(draw(3, (120, 100)))
_BY_DEGREE = {one.name for one in CHANGES if one.kind == "shift"} - {
    "mirrored", "quarter turns", "turned", "inverted", "cropped", "stretched",
}  # fmt: skip
"""Shifts that move no pixel and are the more of the same, the stronger they are."""
_BY_KEY = {change.key: change for change in CHANGES}


def _sampled(pixels: np.ndarray, label: int, digest: str) -> Sampled:
    return Sampled(encode(pixels), label, digest, digest)


def _two(first: np.ndarray, second: np.ndarray) -> list[Subject]:
    return styled([_sampled(first, 0, "a"), _sampled(second, 1, "b")])


def test_all_shifts_are_there_at_three_strengths_and_no_two_have_one_name():
    names = [change.key for change in CHANGES]
    assert len(set(names)) == len(names)
    shifts = {change.name for change in CHANGES if change.kind == "shift"}
    assert len(shifts) == 22
    for name in shifts - {"mirrored"}:
        assert [strength for one, strength in names if one == name] == [1, 2, 3], name
    words = [change.words for change in CHANGES]
    assert len(set(words)) == len(words)


@pytest.mark.parametrize("change", CHANGES, ids=lambda one: f"{one.name} {one.strength}")
def test_a_change_depends_on_the_image_alone_and_changes_it(change):
    [subject, _] = _two(draw(3, (120, 100)), draw(4, (90, 130)))
    first, again = (
        change.apply(subject),
        change.apply(_two(draw(3, (120, 100)), draw(4, (90, 130)))[0]),
    )
    assert first.dtype == np.uint8
    assert first.ndim == 2
    np.testing.assert_array_equal(first, again)
    same = first.shape == subject.pixels.shape and (first == subject.pixels).all()
    assert same == (change.kind == "unchanged")


@pytest.mark.parametrize("shift", sorted(_BY_DEGREE))
def test_a_stronger_shift_is_farther_from_the_image(shift):
    subject = Subject.read(_HEAD, "a")
    pictures = [one.apply(subject) for one in CHANGES if one.name == shift]
    if "border" in shift:
        found = [picture.size for picture in pictures]
    else:
        found = [np.abs(picture - subject.grey).mean() for picture in pictures]
    assert found == sorted(found)
    assert len(set(found)) == 3


def test_cut_levels_are_shares_of_the_head_not_of_the_frame():
    subject = Subject.read(_HEAD, "a")
    pixels = _BY_KEY["dark cut", 3].apply(subject)
    assert (pixels[subject.head] == 0).mean() == pytest.approx(0.5, abs=0.05)
    pixels = _BY_KEY["bright cut", 2].apply(subject)
    assert (pixels[subject.head] == 255).mean() == pytest.approx(0.15, abs=0.03)


def test_matched_levels_are_those_of_the_other_head():
    dark = (draw(5, (100, 100)) // 4).astype(np.uint8)
    [bright, _] = _two(draw(3, (120, 100)), dark)
    pixels = _BY_KEY["matched levels", 1].apply(bright)
    wanted = Subject.read(encode(dark), "b").levels
    for quantile in (0.25, 0.5, 0.9):
        found = np.quantile(pixels[bright.head], quantile)
        assert found == pytest.approx(np.quantile(wanted, quantile), abs=2)
    assert not pixels[~bright.head].any()
    # Ranks stay: what was brighter is not darker now.
    order = np.argsort(bright.levels, kind="stable")
    assert (np.diff(pixels[bright.head][order].astype(int)) >= 0).all()


def test_exchanged_amplitude_brings_the_other_brightness_and_leaves_the_edges():
    dark = (draw(5, (100, 100)) // 4).astype(np.uint8)
    [bright, _] = _two(draw(3, (100, 100)), dark)
    pixels = _BY_KEY["exchanged amplitude", 1].apply(bright)
    assert pixels.mean() < 0.5 * bright.pixels.mean()
    inner = np.s_[35:65, 35:65]
    alike = np.corrcoef(pixels[inner].ravel(), bright.pixels[inner].ravel())[0, 1]
    assert alike > 0.8


def test_a_histogram_alone_is_the_same_picture_for_heads_of_the_same_levels():
    subject = Subject.read(_HEAD, "a")
    other = Subject(subject.pixels[:, ::-1], subject.head[:, ::-1], "c")
    [first, second] = [_BY_KEY["histogram", 1].apply(one) for one in (subject, other)]
    np.testing.assert_array_equal(first, second)
    shown = first[first > 0]
    levels = subject.levels[subject.levels > 0]
    assert np.median(shown) == pytest.approx(np.median(levels), abs=15)


def test_a_blanked_head_is_one_plain_and_its_frame_stays():
    pixels = draw(3, (120, 100))
    pixels[2:6, 2:30] = 200  # a name beside the head
    subject = Subject.read(encode(pixels), "a")
    blanked = _BY_KEY["blanked", 1].apply(subject)
    assert set(np.unique(blanked[subject.head])) == {128}
    np.testing.assert_array_equal(blanked[~subject.head], subject.pixels[~subject.head])


def test_patches_change_places_and_keep_their_levels():
    subject = Subject.read(_HEAD, "a")
    pixels = _BY_KEY["patches", 1].apply(subject)
    inside = subject.pixels[subject.box]
    assert pixels[subject.box].mean() == pytest.approx(inside.mean(), rel=0.15)
    assert (pixels[subject.box] != inside).mean() > 0.5


def test_a_style_comes_from_another_class_and_the_same_in_any_order():
    sample = [_sampled(draw(seed), seed % 3, f"{seed}") for seed in range(9)]
    labels = {one.sha256: one.label for one in sample}
    first = {one.digest: one.style.digest for one in styled(sample)}
    again = {one.digest: one.style.digest for one in styled(sample[::-1])}
    assert first == again
    assert all(labels[one] != labels[other] for one, other in first.items())
    assert len(set(first.values())) > 2


def test_an_image_that_is_all_black_gives_no_style():
    black = np.zeros((48, 40, 3), np.uint8)
    [head, other] = _two(draw(3), black)
    assert head.style is None
    assert _BY_KEY["matched levels", 1].apply(head) is None
    assert other.style.digest == "a"


def test_images_of_one_class_have_no_other_style():
    found = styled([_sampled(draw(seed), 0, f"{seed}") for seed in range(3)])
    assert [one.style for one in found] == [None] * 3


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((48, 40), np.uint8),
        np.full((48, 40), 255, np.uint8),
        np.zeros((1, 1), np.uint8),
        np.full((1, 300), 7, np.uint8),
        np.eye(3, dtype=np.uint8) * 255,
        np.random.default_rng(0).integers(0, 256, (700, 5)).astype(np.uint8),
    ],
    ids=["black", "white", "one pixel", "a line", "a few pixels", "a thin strip"],
)
@pytest.mark.filterwarnings("error")
def test_any_picture_is_changed_or_left_out_and_never_a_riddle(pixels):
    [subject, _] = _two(pixels, draw(3))
    for change in CHANGES:
        found = change.apply(subject)
        assert found is None or (found.min() < found.max() and max(found.shape) <= 2 * SIDE)


def test_a_shift_that_leaves_no_head_leaves_the_image_out():
    two_levels = np.where(draw(3, channels=1) > 0, 90, 0).astype(np.uint8)
    subject = Subject.read(encode(two_levels), "a")
    assert _BY_KEY["dark cut", 3].apply(subject) is None
    assert _BY_KEY["mirrored", 1].apply(subject) is not None
