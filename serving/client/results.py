"""Results as objects, of either protocol."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeAlias, TypeVar

import numpy as np
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError

from serving.client.errors import ServingError
from serving.client.images import EncodedImage

Row: TypeAlias = Mapping[str, Any]
"""What the model said of one image: values by the name of the signature's output."""


@dataclass(frozen=True)
class Prediction:
    """What the model says of one image.

    Attributes:
        label: The likeliest class.
        confidence: Its probability.
        probabilities: Probability by class name.
        in_distribution: Whether the image looks like those that the model was trained on; None
            where the model does not say.
        ood_score: How far it lies from them; None likewise.
        refer: Whether a person should decide; None likewise.
        reasons: Why, and what else a person must be told, in words; empty if there is nothing, None
            likewise.
        prediction_set: The classes that remain possible, the likeliest first; None likewise.
        set_level: How often the true class is to be among them, 0 to 1; None likewise.
        version: The model's version; None where the protocol does not tell: REST, unless the client
            asks for a version.
        frame: Which frame or slice of the file was judged, counted from 0.
        frames: How many the file has.
    """

    label: str
    confidence: float
    probabilities: dict[str, float]
    in_distribution: bool | None = None
    ood_score: float | None = None
    refer: bool | None = None
    reasons: str | None = None
    prediction_set: tuple[str, ...] | None = None
    set_level: float | None = None
    version: int | None = None
    frame: int = 0
    frames: int = 1


@dataclass(frozen=True)
class Explanation(Prediction):
    """A prediction, and where the model looked.

    Attributes:
        heatmap: float32 in [0, 1], shape [rows, columns].
        crop_box: Where the heatmap lies in the image: four numbers as the model gives them.
        overlay: A PNG file, the image under its heatmap.
    """

    heatmap: np.ndarray[Any, np.dtype[np.float32]] = field(
        default_factory=lambda: np.zeros((0, 0), np.float32), compare=False, repr=False
    )
    crop_box: tuple[float, ...] = ()
    overlay: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class VersionStatus:
    """The state of one version of the model.

    Attributes:
        version: Its number.
        state: `START`, `LOADING`, `AVAILABLE`, `UNLOADING` or `END`.
        error_code: `OK`, or why it is not available.
        error_message: The same in words.
    """

    version: int
    state: str
    error_code: str = "OK"
    error_message: str = ""


def _heat(value: Any) -> np.ndarray[Any, np.dtype[np.float32]]:
    try:
        heat = np.asarray(value, np.float32)
    except (TypeError, ValueError):
        heat = np.zeros(0, np.float32)
    if heat.ndim != 2 or not heat.size or not np.isfinite(heat).all():
        raise ValueError("it is not a table of finite numbers")
    return heat


def _distinct(names: list[str]) -> list[str]:
    if len(set(names)) != len(names):
        raise ValueError("it names a class twice")
    return names


_Number = Annotated[float, Field(allow_inf_nan=False)]
_Probability = Annotated[float, Field(ge=0, le=1.001)]
"""Rounded by a model that calculates with few digits, it may lie a little above 1."""
_Name = Annotated[str, Field(max_length=256)]
_MOST_CLASSES = 10_000


def possible_classes(probabilities: Mapping[str, float], flags: Iterable[bool]) -> tuple[str, ...]:
    """Names the classes of a prediction set.

    Args:
        probabilities: By class name.
        flags: Whether each of these classes remains possible, in their order.

    Returns:
        The names, the likeliest first.
    """
    named = [name for name, possible in zip(probabilities, flags, strict=True) if possible]
    return tuple(sorted(named, key=lambda name: -probabilities[name]))


class _Prediction(BaseModel):
    """What a model says of one image, as it comes; a string may be bytes."""

    label: _Name
    confidence: _Probability
    classes: Annotated[
        list[_Name], Field(min_length=1, max_length=_MOST_CLASSES), AfterValidator(_distinct)
    ]
    probabilities: Annotated[list[_Probability], Field(min_length=1, max_length=_MOST_CLASSES)]
    in_distribution: bool | None = None
    ood_score: _Number | None = None
    refer: bool | None = None
    reasons: Annotated[str, Field(max_length=10_000)] | None = None
    prediction_set: Annotated[list[bool], Field(max_length=_MOST_CLASSES)] | None = None
    set_level: _Probability | None = None

    def fields(self) -> dict[str, Any]:
        """Those of `Prediction`.

        Raises:
            ValueError: The classes do not fit the rest.
        """
        if len(self.classes) != len(self.probabilities):
            raise ValueError(
                f"it has {len(self.classes)} classes and {len(self.probabilities)} probabilities"
            )
        if self.label not in self.classes:
            raise ValueError("its label is not one of the classes")
        flags = self.prediction_set
        if flags is not None and len(flags) != len(self.classes):
            raise ValueError(
                f"it has {len(self.classes)} classes and {len(flags)} flags in its prediction_set"
            )
        probabilities = dict(zip(self.classes, self.probabilities, strict=True))
        values = self.model_dump(exclude={"classes", "probabilities"})
        if self.set_level is not None:  # sent with the digits of a float32
            values["set_level"] = round(self.set_level, 6)
        return {
            **values,
            "probabilities": probabilities,
            "prediction_set": None if flags is None else possible_classes(probabilities, flags),
        }


class _Explanation(_Prediction):
    heatmap: Annotated[Any, BeforeValidator(_heat)]
    overlay_bytes: bytes
    crop_box: tuple[_Number, _Number, _Number, _Number] | None = None

    def fields(self) -> dict[str, Any]:
        """Those of `Explanation`."""
        values = super().fields()
        values["overlay"] = values.pop("overlay_bytes")
        return {**values, "crop_box": self.crop_box or ()}


_Result = TypeVar("_Result", bound=Prediction)


@dataclass(frozen=True)
class ModelAnswers:
    """What a server answered to one request.

    Attributes:
        rows: An image each, if the server keeps to the protocol.
        version: The version that answered, if it is known.
        address: The server's.
    """

    rows: Sequence[Row]
    version: int | None
    address: str

    def predictions(self, images: Sequence[EncodedImage]) -> list[Prediction | ServingError]:
        """Makes results.

        Args:
            images: What was sent.

        Returns:
            A result an image, or why what was said of it cannot be used.

        Raises:
            ServingError: There is not one row for each image.
        """
        return self._results(images, _Prediction, Prediction)

    def explanations(self, images: Sequence[EncodedImage]) -> list[Explanation | ServingError]:
        """The same of what `explain` gave."""
        return self._results(images, _Explanation, Explanation)

    def _results(
        self, images: Sequence[EncodedImage], form: type[_Prediction], kind: type[_Result]
    ) -> list[_Result | ServingError]:
        if len(self.rows) != len(images):
            of = "image" if len(images) == 1 else "images"
            raise ServingError(
                "UNKNOWN",
                f"the answer has {len(self.rows)} rows for {len(images)} {of}",
                self.address,
            )
        return [
            self._result(row, image, form, kind)
            for row, image in zip(self.rows, images, strict=True)
        ]

    def _result(
        self, row: Row, image: EncodedImage, form: type[_Prediction], kind: type[_Result]
    ) -> _Result | ServingError:
        try:
            values = form.model_validate(row).fields()
        except ValidationError as error:
            return ServingError("UNKNOWN", _told(error), self.address)
        except ValueError as error:
            return ServingError("UNKNOWN", f"the model's answer: {error}", self.address)
        return kind(**values, version=self.version, frame=image.frame, frames=image.frames)


def _told(error: ValidationError) -> str:
    wrong = error.errors(include_url=False, include_context=False, include_input=False)
    missing = [str(one["loc"][0]) for one in wrong if one["type"] == "missing"]
    if missing:
        return f"the model's answer has no {', '.join(missing)}: is it a model of this project?"
    where, problem = wrong[0]["loc"], wrong[0]["msg"]
    return f"{'.'.join(map(str, where))} in the model's answer cannot be used: {problem}"
