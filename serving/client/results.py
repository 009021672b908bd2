"""Results as objects, of either protocol."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from serving.client.errors import ServingError

Outputs: TypeAlias = Mapping[str, np.ndarray[Any, Any]]
"""Tensors by the name of the signature's output, an image a row."""


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
        version: The model's version; None where the protocol does not tell: REST, unless the client
            asks for a version.
    """

    label: str
    confidence: float
    probabilities: dict[str, float]
    in_distribution: bool | None = None
    ood_score: float | None = None
    refer: bool | None = None
    reasons: str | None = None
    version: int | None = None


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


def read_predictions(outputs: Outputs, count: int, version: int | None) -> list[Prediction]:
    """Makes results of tensors.

    Args:
        outputs: What `serving_default` gave.
        count: How many images were sent.
        version: The version that answered, if it is known.

    Returns:
        A result an image.

    Raises:
        ServingError: The tensors are not those of this project's models.
    """
    _demand(outputs, count, "label", "confidence", "classes", "probabilities")
    return [Prediction(**_prediction(outputs, row, version)) for row in range(count)]


def read_explanations(outputs: Outputs, count: int, version: int | None) -> list[Explanation]:
    """Makes results of the tensors that `explain` gave; otherwise as `read_predictions`."""
    wanted = ("label", "confidence", "classes", "probabilities", "heatmap", "overlay_bytes")
    _demand(outputs, count, *wanted)
    return [
        Explanation(
            **_prediction(outputs, row, version),
            heatmap=np.asarray(outputs["heatmap"][row], np.float32),
            crop_box=tuple(float(edge) for edge in outputs["crop_box"][row])
            if "crop_box" in outputs
            else (),
            overlay=_bytes(outputs["overlay_bytes"][row]),
        )
        for row in range(count)
    ]


def _demand(outputs: Outputs, count: int, *names: str) -> None:
    if missing := [name for name in names if name not in outputs]:
        raise ServingError(
            "UNKNOWN",
            f"the model's answer has no {', '.join(missing)}: is it a model of this project?",
        )
    if wrong := [name for name in names if len(outputs[name]) != count]:
        raise ServingError(
            "UNKNOWN", f"{', '.join(wrong)} in the answer does not have one row for each image"
        )


def _prediction(outputs: Outputs, row: int, version: int | None) -> dict[str, Any]:
    names = [_text(name) for name in outputs["classes"][row]]
    values = [float(value) for value in outputs["probabilities"][row]]
    return {
        "label": _text(outputs["label"][row]),
        "confidence": float(outputs["confidence"][row]),
        "probabilities": dict(zip(names, values, strict=True)),
        "in_distribution": _optional(outputs, "in_distribution", row, bool),
        "ood_score": _optional(outputs, "ood_score", row, float),
        "refer": _optional(outputs, "refer", row, bool),
        "reasons": _optional(outputs, "reasons", row, _text),
        "version": version,
    }


def _optional(outputs: Outputs, name: str, row: int, kind: Callable[[Any], Any]) -> Any:
    return kind(outputs[name][row]) if name in outputs else None


def _text(value: Any) -> str:
    return _bytes(value).decode()


def _bytes(value: Any) -> bytes:
    """A string of either protocol: JSON has text, a tensor has bytes."""
    return value.encode() if isinstance(value, str) else bytes(value)
