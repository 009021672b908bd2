"""Images through an exported graph, batch by batch."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

from components.errors import PipelineError
from components.servable import EXTRAS, METADATA_FILE, OPTIONAL, SAVED_MODEL_FILE
from components.transform.preprocessing import ENCODED

SIGNATURE = "evaluate"
PROBABILITIES = "probabilities"
REASONS = "reasons"

_LOG = logging.getLogger(__name__)


class ExportedModel:
    """A SavedModel, asked through its signature `evaluate`.

    Attributes:
        classes: Class names in the order of the probabilities.
        missing: The optional outputs that it does not have.
    """

    def __init__(self, path: Path) -> None:
        """Loads the model.

        Args:
            path: The SavedModel's folder.

        Raises:
            PipelineError: It has no signature `evaluate`, or does not say what its classes are.
        """
        self._model = tf.saved_model.load(str(path))
        metadata = path / EXTRAS / METADATA_FILE
        if SIGNATURE not in self._model.signatures or not metadata.is_file():
            raise PipelineError(
                f"The model in {path} has no signature {SIGNATURE!r} or no {METADATA_FILE}: train "
                "it again."
            )
        self._evaluate = self._model.signatures[SIGNATURE]
        self.classes = tuple(json.loads(metadata.read_text(encoding="utf-8"))["classes"])
        given = self._evaluate.structured_outputs
        self.missing = tuple(name for name in OPTIONAL if name not in given)

    def __call__(self, examples: Sequence[bytes]) -> dict[str, Any]:
        """Asks the model.

        Args:
            examples: Serialised tf.Examples as ingest writes them.

        Returns:
            Arrays by output name, of as many rows as there are Examples.

        Raises:
            PipelineError: It gave another number of probabilities than it has classes.
        """
        outputs = {
            name: tensor.numpy()
            for name, tensor in self._evaluate(examples=tf.constant(list(examples))).items()
        }
        if REASONS in outputs:
            outputs[REASONS] = outputs[REASONS].reshape(-1)
        shape = outputs[PROBABILITIES].shape
        if shape != (len(examples), len(self.classes)):
            raise PipelineError(
                f"The model gave probabilities of shape {shape} for {len(examples)} images and "
                f"{len(self.classes)} classes."
            )
        return outputs


@dataclass(frozen=True)
class Baseline:
    """The model to compare with.

    Attributes:
        model: It; None if there is none, or it cannot be asked.
        classes: Its classes, if it could be loaded.
        problem: Why it is not asked although there is one; empty otherwise.
    """

    model: ExportedModel | None = None
    classes: tuple[str, ...] | None = None
    problem: str = ""


def load_baseline(path: Path | None, classes: tuple[str, ...]) -> Baseline:
    """Loads the last blessed model, to ask it what a candidate is asked.

    Args:
        path: Its SavedModel's folder; None if no model was blessed.
        classes: The candidate's.

    Returns:
        The model, or why there is none.

    Raises:
        PipelineError: It cannot be loaded, which may be the moment's fault, or mended: no
            comparison may be kept that lacks it.
    """
    if path is None:
        return Baseline()
    try:
        if not (path / SAVED_MODEL_FILE).is_file():
            return Baseline(problem="the last blessed model's files are gone")
        model = ExportedModel(path)
    except PipelineError as error:  # it is whole, and of another kind
        _LOG.warning("the last blessed model cannot be asked: %s", error)
        return Baseline(problem="the last blessed model cannot be asked")
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise PipelineError(
            f"The last blessed model, in {path.parent}, cannot be loaded "
            f"({' '.join(str(error).split())[:300]}): run again, restore it, or delete that folder "
            "to continue without it."
        ) from error
    if model.classes == classes:
        return Baseline(model, model.classes)
    return Baseline(
        classes=model.classes,
        problem=f"the last blessed model knows other classes ({', '.join(model.classes)}) than "
        f"this one ({', '.join(classes)})",
    )


def scalar_features(record: bytes) -> dict[str, Any]:
    """The features of an Example but for the image itself.

    Args:
        record: A serialised tf.Example.

    Returns:
        The first value of each feature that has one, by name.
    """
    example = tf.train.Example.FromString(record)
    found = {}
    for name, feature in example.features.feature.items():
        kind = feature.WhichOneof("kind")
        if name != ENCODED and kind and (values := getattr(feature, kind).value):
            found[name] = values[0]
    return found


def encoded_example(encoded: bytes) -> bytes:
    """An Example that holds the bytes of an image and nothing else."""
    feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[encoded]))
    example = tf.train.Example(features=tf.train.Features(feature={ENCODED: feature}))
    return bytes(example.SerializeToString())


def rows_of(outputs: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each image's share of the outputs, as plain values."""
    kept = {name: outputs[name].tolist() for name in (PROBABILITIES, *OPTIONAL) if name in outputs}
    return [dict(zip(kept, row, strict=True)) for row in zip(*kept.values(), strict=True)]
