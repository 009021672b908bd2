"""The changed images of a split, and what models say of them, batch by batch."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.exported_model import PROBABILITIES, ExportedModel, encoded_example, rows_of
from components.robustness.changes import CHANGES, Change
from components.robustness.subject import Subject
from imaging.reader import encode

_BATCH = 32


@dataclass(frozen=True)
class Sampled:
    """An image that was drawn to be changed.

    Attributes:
        encoded: A JPEG or PNG file.
        label: Index of its class.
        sha256: Of what ingest took in.
        group: Images of one group show the same picture, or the same patient.
    """

    encoded: bytes
    label: int
    sha256: str
    group: str


@dataclass(frozen=True)
class _Question:
    row: dict[str, Any]
    example: bytes


def styled(sample: Sequence[Sampled]) -> list[Subject]:
    """Reads images, and gives each the style of one of another class.

    Args:
        sample: Images of one split.

    Returns:
        They, in their order. Which gives its style follows from the digests; an image whose head
        has a single level, as one that is all black, gives none.
    """
    read = [Subject.read(one.encoded, one.sha256) for one in sample]
    usable = [not subject.is_flat for subject in read]
    found = []
    for one, subject in zip(sample, read, strict=True):
        others = [
            other
            for candidate, other, good in zip(sample, read, usable, strict=True)
            if good and candidate.label != one.label
        ]
        found.append(_in_a_style(subject, others))
    return found


def _in_a_style(subject: Subject, others: Sequence[Subject]) -> Subject:
    """An image in the style of one of some others, if there is any."""

    def drawn(other: Subject) -> bytes:
        return hashlib.sha256(f"{subject.digest} {other.digest}".encode()).digest()

    return subject.in_style_of(min(others, key=drawn)) if others else subject


def answers(
    split: str,
    sample: Sequence[Sampled],
    model: ExportedModel,
    baseline: ExportedModel | None = None,
    changes: Sequence[Change] = CHANGES,
) -> Iterator[list[dict[str, Any]]]:
    """Asks models about images in all variants.

    Args:
        split: Its name.
        sample: Images of it.
        model: The candidate.
        baseline: The one to beat, if it can be asked.
        changes: What is changed.

    Yields:
        Rows, as `components.robustness.table` writes them, of some answers at a time. A change
        that leaves nothing to see of an image, or lacks a style, has no row.
    """
    batch: list[_Question] = []
    for question in _questions(split, sample, model.classes, changes):
        batch.append(question)
        if len(batch) == _BATCH:
            yield _answered(batch, model, baseline)
            batch = []
    if batch:
        yield _answered(batch, model, baseline)


def _questions(
    split: str, sample: Sequence[Sampled], classes: Sequence[str], changes: Sequence[Change]
) -> Iterator[_Question]:
    for number, (one, subject) in enumerate(zip(sample, styled(sample), strict=True)):
        for change in changes:
            pixels = change.apply(subject)
            if pixels is None:
                continue
            row = {
                "split": split,
                "change": change.name,
                "strength": change.strength,
                "image": number,
                "sha256": one.sha256,
                "group": one.group,
                "label": classes[one.label],
                "class": one.label,
            }
            if change.kind == "style" and subject.style is not None:
                row["style"] = subject.style.digest
            yield _Question(row, encoded_example(encode(pixels)))


def _answered(
    batch: Sequence[_Question], model: ExportedModel, baseline: ExportedModel | None
) -> list[dict[str, Any]]:
    examples = [one.example for one in batch]
    rows: list[dict[str, Any]] = [
        {**question.row, **answer}
        for question, answer in zip(batch, rows_of(model(examples)), strict=True)
    ]
    if baseline is not None:
        earlier: Mapping[str, Any] = baseline(examples)
        for row, values in zip(rows, earlier[PROBABILITIES].tolist(), strict=True):
            row["baseline"] = values
    return rows
