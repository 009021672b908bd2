import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
from drawing import draw, encode
from looking import dark
from surveys import record, survey_of

from components.ingest.config import IngestConfig
from components.ingest.evidence.find import find_evidence
from components.ingest.evidence.table import Evidence, Look
from imaging.appearance import appearance
from imaging.head import find_head
from imaging.picture import TechnicalTags

CONFIG = IngestConfig(classes=("a", "b"))


@pytest.fixture
def evidence_of(tmp_path):
    """The evidence of images, each of a class, all on the side of training."""

    def find(images, alike=(), tags=None):
        records = []
        for number, (label, pixels) in enumerate(images):
            path = tmp_path / f"{number}.png"
            path.write_bytes(encode(pixels))
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            made = replace(record(f"{number}", label), path=str(path), file_sha256=digest)
            records.append(replace(made, tags=tags(number)) if tags else made)
        vectors = [appearance(pixels, find_head(pixels)) for _, pixels in images]
        survey = replace(survey_of(records, alike=alike), appearances=np.array(vectors))
        return find_evidence(survey, CONFIG, range(len(records)))

    return find


def _heads(count, change=lambda pixels: pixels, first=0):
    return [change(draw(first + number, (64, 56))) for number in range(count)]


def test_images_are_grouped_by_their_looks_and_counted_by_class(evidence_of):
    plain, other = _heads(40), _heads(40, dark, first=100)
    images = [*(("a", one) for one in plain), *(("b", one) for one in other)]
    found = evidence_of(images)
    assert [look.groups for look in found.looks] in (
        [{"a": 40, "b": 0}, {"a": 0, "b": 40}],
        [{"a": 0, "b": 40}, {"a": 40, "b": 0}],
    )
    assert all("dark" in look.words or "bright" in look.words for look in found.looks)
    assert "b" in found.telling()
    assert sorted(found.gaps())[0].endswith("all are a: a model cannot know.")


def test_no_look_lacks_a_class_where_each_class_has_all_looks(evidence_of):
    heads = [*_heads(40), *_heads(40, dark, first=100)]
    found = evidence_of([("ab"[number % 2], pixels) for number, pixels in enumerate(heads)])
    assert len(found.looks) > 1
    assert found.gaps() == ()
    assert not found.telling()


def test_copies_count_once_and_are_held_out_together(evidence_of):
    heads = _heads(10)
    images = [("ab"[number % 2], heads[number % 10]) for number in range(100)]
    copies = [[str(number + 10 * turn) for turn in range(10)] for number in range(10)]
    found = evidence_of(images, alike=copies)
    assert sum(look.count for look in found.looks) == 10
    assert sum(sum(look.images.values()) for look in found.looks) == 100
    assert found.accuracy < 0.9  # noise alone; of copies that were seen it would be 1


def test_the_same_images_give_the_same_table(evidence_of):
    images = [("ab"[number % 2], pixels) for number, pixels in enumerate(_heads(60))]
    assert evidence_of(images) == evidence_of(images)


def test_examples_are_shown_and_the_table_survives_json(evidence_of):
    found = evidence_of([("a", one) for one in _heads(6)])
    assert len(found.looks[0].examples) == 4
    assert all(one.startswith("data:image/jpeg;base64,") for one in found.looks[0].examples)
    assert Evidence.model_validate_json(found.model_dump_json()) == found


def test_nothing_outside_of_the_head_is_in_an_example(evidence_of, monkeypatch):
    pictures = []
    monkeypatch.setattr(
        "components.ingest.evidence.find.thumbnail",
        lambda pixels, side: pictures.append(pixels) or b"",
    )
    head = np.pad(draw(1, (120, 100)), ((40, 40), (40, 40), (0, 0)))
    head[4:10, 4:60] = 255
    evidence_of([("a", head)])
    assert not pictures[0][:12, :64].any()
    assert pictures[0].any()


def test_scanners_and_planes_are_told_where_files_tell(evidence_of):
    def tags(number):
        return TechnicalTags(plane="axial", manufacturer_model=f"M{number % 5}", field_strength=1.5)

    [look] = evidence_of([("a", one) for one in _heads(10)], tags=tags).looks
    assert look.words.startswith("axial")
    assert look.tags["plane"] == {"axial": 10}
    assert look.tags["field_strength"] == {"1.5": 10}
    assert len(look.tags["manufacturer_model"]) == 3


@pytest.mark.parametrize(
    "images",
    [
        [],
        _heads(1),
        _heads(3),
        [np.full((32, 32, 3), 70, np.uint8)] * 50,
        [np.zeros((1, 1, 3), np.uint8)] * 3,
    ],
)
@pytest.mark.parametrize("classes", ["a", "ab"])
def test_little_or_nothing_to_see_is_said_in_finite_numbers(evidence_of, images, classes):
    found = evidence_of([(classes[n % len(classes)], one) for n, one in enumerate(images)])
    assert len(found.looks) == bool(images)
    assert sum(look.count for look in found.looks) == len(images)
    assert found.gaps() == ()
    json.dumps(found.model_dump(), allow_nan=False)


def test_a_look_of_three_images_accuses_no_class():
    most, three = {"a": 60, "b": 60}, {"a": 3, "b": 0}
    looks = [Look(words="", images=groups, groups=groups) for groups in (most, three)]
    assert Evidence(looks=tuple(looks)).gaps() == ()


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ((412, 0, 0), "all are glioma: a model cannot know"),
        ((300, 0, 112), "none is meningioma: a model cannot know"),
        ((300, 1, 111), "only 1 is meningioma: a model can hardly know"),
        ((2, 1, 409), "only 2 are glioma and only 1 is meningioma: a model can hardly know"),
    ],
)
def test_a_look_that_lacks_a_class_is_named_in_words(groups, words):
    names = ("glioma", "meningioma", "notumor")
    counts = dict(zip(names, groups, strict=True))
    rest = Look(words="", images={}, groups=dict.fromkeys(names, 500))
    look = Look(words="bright rim", images=counts, groups=counts)
    sentences = Evidence(looks=(rest, look)).gaps()
    assert f"Of 412 groups that look like this (bright rim), {words}." in sentences
