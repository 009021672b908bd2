"""Evaluates a model on another place's images, by the pipeline's own components."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from components.counted import counted
from components.errors import PipelineError
from components.evaluate.config import EvaluateConfig
from components.evaluate.predictions.rows import prediction_rows
from components.evaluate.predictions.seen_before import Record, UnknownTrainingError
from components.evaluate.predictions.table import Header, PredictionTable, prediction_writer
from components.evaluate.report.figures import Figures
from components.evaluate.report.measure import measure
from components.exported_model import ExportedModel, scalar_features
from components.external.images import list_known, trained_on
from components.external.page import render
from components.external.report import PAGE_FILE, ExternalReport
from components.gate.config import GateConfig
from components.gate.drift import Statistics, measure_drift
from components.gate.verdict import Distance
from components.ingest.config import IngestConfig
from components.ingest.counts import ranked
from components.ingest.kept import kept_picture
from components.ingest.records import ImageRecord
from components.ingest.survey import survey
from components.monitor.compare import window_statistics
from components.monitor.window import FEATURES
from components.schema_gen.curated import curated_schema

_BATCH = 16
_KNOWN = "known_to_model"
_NOTHING = "the model was trained on a match of every image, so figures cannot be computed"

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class ValidatedModel:
    """A model, and what is recorded of how it was made.

    Attributes:
        saved_model: The SavedModel's folder.
        model_id: It in ML Metadata.
        run: The run that trained it.
        ingest: How its training images were read.
        trained: What the ingestions behind it wrote; empty where that is gone.
        statistics: TFDV's, of its training images; None where they are gone.
        own: The figures of its own test; None where its report is gone.
    """

    saved_model: Path
    model_id: int
    run: str
    ingest: IngestConfig
    trained: tuple[Record, ...] = ()
    statistics: Statistics | None = None
    own: Figures | None = None


def validate(
    subject: ValidatedModel,
    data: Path,
    labels: Path | None,
    beam_options: Sequence[str],
    scratch: Path,
    folder: Path,
    time: str,
) -> ExternalReport:
    """Evaluates a model on the images of a folder, and writes down what came of it.

    Images are read as those were that it was trained on. Those that match one of these are set
    aside. A few images are held in memory at a time.

    Args:
        subject: The model.
        data: The folder, of any layout that ingest reads.
        labels: A table of labels, or None.
        beam_options: Options for Apache Beam.
        scratch: An existing, empty folder for what is forgotten afterwards.
        folder: An existing folder, for the predictions and the report.
        time: When, UTC.

    Returns:
        The report.

    Raises:
        PipelineError: The folder, the table or the model cannot be used, or not one image can.
    """
    model = ExportedModel(subject.saved_model)
    listing, unknown_classes = list_known(data, labels, model.classes)
    config = subject.ingest.model_copy(update={"classes": model.classes, "labels": labels})
    pictures, sides = scratch / "pictures", scratch / "sides"
    pictures.mkdir()
    sides.mkdir()
    found = survey(listing, config, beam_options, pictures, keep=True)
    rejected = ranked(Counter(one.reason for one in found.rejections))
    everything = zip(found.records, found.grouping.groups, strict=False)
    # What a table says of studies and patients is known only now.
    unknown_classes = ranked(
        Counter(unknown_classes)
        + Counter(one.label for one in found.records if one.label not in model.classes)
    )
    images = [(one, group) for one, group in everything if one.label in model.classes]
    if not images:
        raise PipelineError(
            f"None of {counted(len(listing.files), 'file')} in {data} can be used"
            + "".join(f"; {number:,} x {reason}" for reason, number in [*rejected.items()][:3])
            + "."
        )
    known: frozenset[str] = frozenset()
    training_unknown = ""
    try:
        known = trained_on(found, subject.trained, config.duplicates, sides)
    except UnknownTrainingError as error:
        training_unknown = str(error)
        _LOG.warning("it is not known which images the model was trained on: %s", error)
    header = Header(
        classes=model.classes,
        model_id=subject.model_id,
        missing=model.missing,
        training_unknown=training_unknown,
    )
    _ask(model, images, header, {_KNOWN: known}, pictures, folder, listing.name)
    answered = PredictionTable.read(folder)
    new = ~answered.known_to_model
    own = subject.own
    healthy = own.healthy_class if own else EvaluateConfig().healthy_class
    figures = measure(
        answered.only(new),
        EvaluateConfig(healthy_class=healthy if healthy in model.classes else None, compare=False),
    )
    distances, drift_missing = _drift(
        [record for record, group in images if group not in known], subject.statistics
    )
    report = ExternalReport(
        model_id=subject.model_id,
        run=subject.run,
        time=time,
        source=listing.name,
        fingerprint=listing.with_contents(config.max_file_bytes).fingerprint,
        found=len(listing.files),
        rejected=rejected,
        unknown_classes=unknown_classes,
        images=len(answered),
        set_aside=int((~new).sum()),
        training_unknown=training_unknown,
        figures=figures.model_copy(
            update={
                "missing": tuple(map(_of_folder, figures.missing)) if new.any() else (_NOTHING,)
            }
        ),
        own=own.headline if own else {},
        distances=distances,
        drift_missing=drift_missing,
    )
    (folder / PAGE_FILE).write_text(render(report), encoding="utf-8")
    report.write(folder)
    return report


def _ask(
    model: ExportedModel,
    images: Sequence[tuple[ImageRecord, str]],
    header: Header,
    known: Mapping[str, frozenset[str]],
    pictures: Path,
    folder: Path,
    source: str,
) -> None:
    """Sends every image through the exported graph, and writes what it says."""
    with prediction_writer(folder, header) as write:
        for start in range(0, len(images), _BATCH):
            records = [
                record.to_example(
                    kept_picture(pictures, record.kept, record.sha256),
                    class_index=model.classes.index(record.label),
                    source=source,
                    group=group,
                    seen=False,
                ).SerializeToString()
                for record, group in images[start : start + _BATCH]
                if record.kept is not None
            ]
            described = [scalar_features(record) for record in records]
            for features in described:
                del features["image/seen"]  # there is no training folder beside these images
            write(prediction_rows(described, model(records), None, known))
            _LOG.info("%s images", f"{start + len(records):,}")


def _drift(
    records: Sequence[ImageRecord], training: Statistics | None
) -> tuple[tuple[Distance, ...], str]:
    """How far images lie from the training images, or why that cannot be said."""
    if training is None:
        return (), "the statistics of the training images are gone"
    if not records:
        return (), "no image is left"
    rows = [
        {**{name: getattr(record.quality, name) for name in FEATURES}, "label": record.label}
        for record in records
    ]
    labels = sorted({record.label for record in records})
    now = window_statistics(pd.DataFrame(rows))
    return measure_drift(now, training, curated_schema(labels), GateConfig()), ""


def _of_folder(words: str) -> str:
    """Words a sentence about the test split for this folder."""
    return words.replace("the test split", "the folder").replace("test images", "images")
