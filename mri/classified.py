"""What a model says of a file, whoever asked it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.reasons import UNSURE
from serving.client import Prediction, VolumeAnswer, pool, possible_classes


@dataclass(frozen=True)
class Classified:
    """What became of one file; of a file that could not be classified, `error` alone is set.

    Attributes:
        path: The file; for files of results, bytes that are not UTF-8 are written as escapes.
        frame: Which of its frames or slices was judged, counted from 0; None for all of them
            together.
        frames: How many it has.
        slices: Over how many slices the answer for all of them is a mean; None for one frame.
        label: The likeliest class.
        confidence: Its probability.
        probabilities: Probability by class name.
        in_distribution: Whether the image looks like those that the model was trained on; None
            if the model does not say.
        refer: Whether a reader must decide; None likewise.
        reasons: Why, and what else is to be said, in words; None likewise.
        error: Why the file could not be classified.
        prediction_set: The classes that remain possible, the likeliest first; None if the model
            does not say, and for all frames together.
        set_level: How often the true class is to be among them; None likewise.
    """

    path: str
    frame: int | None = None
    frames: int | None = None
    label: str | None = None
    confidence: float | None = None
    probabilities: dict[str, float] | None = None
    in_distribution: bool | None = None
    refer: bool | None = None
    reasons: str | None = None
    error: str | None = None
    slices: int | None = None
    prediction_set: tuple[str, ...] | None = None
    set_level: float | None = None

    @staticmethod
    def of(
        path: str, outputs: Mapping[str, Any], row: int = 0, *, frame: int = 0, frames: int = 1
    ) -> "Classified":
        """Takes a file's answer out of a batch's.

        Args:
            path: The file.
            outputs: What the signature gave, as NumPy arrays; an older model gives fewer.
            row: Which of the batch it is.
            frame: Which of the file's frames or slices was judged.
            frames: How many the file has.

        Returns:
            The answer.
        """
        names = [name.decode() for name in outputs["classes"][row]]
        values = [float(value) for value in outputs["probabilities"][row]]

        def flag(name: str) -> bool | None:
            return bool(outputs[name][row]) if name in outputs else None

        probabilities = dict(zip(names, values, strict=True))
        flags = outputs["prediction_set"][row] if "prediction_set" in outputs else None
        return Classified(
            path,
            frame=frame,
            frames=frames,
            label=outputs["label"][row].decode(),
            confidence=float(outputs["confidence"][row]),
            probabilities=probabilities,
            in_distribution=flag("in_distribution"),
            refer=flag("refer"),
            reasons=outputs["reasons"][row].decode() if "reasons" in outputs else None,
            prediction_set=None if flags is None else possible_classes(probabilities, flags),
            set_level=round(float(outputs["set_level"][row]), 6)
            if "set_level" in outputs
            else None,
        )

    @staticmethod
    def of_volume(rows: Sequence["Classified"], heads: Sequence[float]) -> "Classified | None":
        """Makes one answer for a file of several frames.

        Args:
            rows: What became of its frames.
            heads: How much of each the head takes up; see `serving.client.inside`.

        Returns:
            The answer; None if the file has one frame, or none of them could be classified.
        """
        told = [(row, head) for row, head in zip(rows, heads, strict=True) if row.error is None]
        if not told or (rows[0].frames or 1) == 1:
            return None
        pooled = pool([row for row, _ in told], [head for _, head in told])
        if pooled is None:
            return None
        of = rows[0].frames
        return Classified.of_answer(rows[0].path, pooled, frames=of, slices=pooled.of)

    @staticmethod
    def of_answer(
        path: str,
        answer: Prediction | VolumeAnswer,
        *,
        frames: int | None,
        frame: int | None = None,
        slices: int | None = None,
    ) -> "Classified":
        """Takes over the answer for an image or a volume.

        Args:
            path: The file.
            answer: What was said of it.
            frames: How many frames or slices the file has.
            frame: Which of them was judged.
            slices: Over how many of them the answer is a mean.
        """
        return Classified(
            path,
            frame=frame,
            frames=frames,
            label=answer.label,
            confidence=answer.confidence,
            probabilities=answer.probabilities,
            in_distribution=answer.in_distribution,
            refer=answer.refer,
            reasons=answer.reasons,
            slices=slices,
            prediction_set=answer.prediction_set if isinstance(answer, Prediction) else None,
            set_level=answer.set_level if isinstance(answer, Prediction) else None,
        )

    @property
    def possible(self) -> str | None:
        """The classes that remain possible, in words; None if nothing can be said of them."""
        if self.prediction_set is None or self.in_distribution is False:
            return None
        level = "" if self.set_level is None else f" at a level of {self.set_level:.3g}"
        return f"possible{level}: {', '.join(self.prediction_set)}"

    @property
    def doubt(self) -> str | None:
        """What a person must be told beside the class, if anything."""
        if self.reasons is not None:
            return self.reasons or None
        if self.in_distribution is False:
            return "this does not look like a brain MRI"
        if self.refer:
            return UNSURE
        return None
