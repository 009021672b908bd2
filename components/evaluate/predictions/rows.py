"""What is written of images that models were asked about."""

from collections.abc import Mapping, Sequence
from typing import Any

from components.evaluate.predictions.slices import describe
from components.exported_model import PROBABILITIES, rows_of
from components.transform.preprocessing import CLASS, GROUP, LABEL


def prediction_rows(
    described: Sequence[Mapping[str, Any]],
    outputs: Mapping[str, Any],
    earlier: Mapping[str, Any] | None,
    known: Mapping[str, frozenset[str]],
) -> list[dict[str, Any]]:
    """Makes rows of images: their features, and what models say of them.

    Args:
        described: Each image's features, by the names of ingest's tf.Example.
        outputs: What the model gave.
        earlier: What the one to beat gave; None where there is none.
        known: By column, the groups of which a model knows an image from its training.

    Returns:
        Values by the columns of `components.evaluate.predictions.table`.
    """
    classes = outputs[PROBABILITIES].shape[1]
    rows = rows_of(outputs)
    for index, (row, features) in enumerate(zip(rows, described, strict=True)):
        label, group = features.get(CLASS, -1), _text(features, GROUP)
        row |= {
            "sha256": _text(features, "image/sha256"),
            "group": group,
            "label": _text(features, LABEL) if LABEL in features else None,
            "class": label if 0 <= label < classes else None,
            "mean": features.get("image/mean"),
            **describe(features),
            "baseline": earlier[PROBABILITIES][index].tolist() if earlier else None,
            **{name: group in groups for name, groups in known.items()},
        }
    return rows


def _text(features: Mapping[str, Any], name: str) -> str:
    return str(features.get(name, b"").decode())
