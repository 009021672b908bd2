"""The Robustness component: eval and test Examples and models in, answers about variants out."""

import logging
from pathlib import Path

from tfx import types
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import artifact_utils
from tfx.types.standard_artifacts import Examples, Model

from components.exported_model import ExportedModel, load_baseline, scalar_features
from components.model_folder import saved_model
from components.properties import MODEL_ID
from components.robustness.artifacts import ChangedAnswersFile
from components.robustness.asking import Sampled, answers
from components.robustness.changes import CHANGES
from components.robustness.config import RobustnessConfig
from components.robustness.driver import RobustnessDriver
from components.robustness.table import SPLITS, ChangedHeader, changed_writer
from components.stratified_sample import StratifiedSample
from components.transform.preprocessing import CLASS
from components.transform.records import encoded_image, read_records

_BATCH = 16

_LOG = logging.getLogger(__name__)


@component
def Robustness(
    examples: InputArtifact[Examples],
    model: InputArtifact[Model],
    changed: OutputArtifact[ChangedAnswersFile],
    config: Parameter[str],
    code: Parameter[str],
    baseline_model: InputArtifact[Model] = None,
) -> None:
    """Asks the exported graph about some images in all variants.

    The images that are changed are held in memory, and one batch of what becomes of them.

    Args:
        examples: Ingest's raw Examples, of which the splits eval and test are used.
        model: The candidate.
        changed: What it and the one to beat say.
        config: How many images, JSON of a `RobustnessConfig`.
        code: Digest of this code, for TFX's cache.
        baseline_model: The model to beat, or none.

    Raises:
        PipelineError: The model cannot be asked.
    """
    settings = RobustnessConfig.model_validate_json(config)
    asked = ExportedModel(saved_model(model))
    baseline = load_baseline(
        None if baseline_model is None else saved_model(baseline_model), asked.classes
    )
    header = ChangedHeader(
        classes=asked.classes,
        model_id=model.id,
        images=settings.images,
        missing=asked.missing,
        baseline_id=None if baseline_model is None else baseline_model.id,
        baseline_problem=baseline.problem,
    )
    samples = {
        split: _sample(examples, split, settings.images, len(asked.classes)) for split in SPLITS
    }
    images = sum(map(len, samples.values()))
    given = 0
    with changed_writer(Path(changed.uri), header) as write:
        for split, sample in samples.items():
            for rows in answers(split, sample, asked, baseline.model):
                write(rows)
                given += len(rows)
                _LOG.info("%s of %s answers", f"{given:,}", f"{images * len(CHANGES):,}")
    changed.set_int_custom_property(MODEL_ID, model.id)
    changed.set_int_custom_property("images", images)
    changed.set_int_custom_property("answers", given)
    changed.set_int_custom_property("baseline", int(baseline.model is not None))


Robustness.DRIVER_CLASS = RobustnessDriver


def _sample(examples: types.Artifact, split: str, count: int, classes: int) -> list[Sampled]:
    """Draws labelled images of a split, of all classes."""
    drawn = StratifiedSample[Sampled](count)
    for records in read_records(artifact_utils.get_split_uri([examples], split), _BATCH):
        for record in records:
            features = scalar_features(record)
            label = features.get(CLASS, -1)
            if 0 <= label < classes:
                encoded = encoded_image(record)
                texts = (
                    features.get(f"image/{name}", b"").decode() for name in ("sha256", "group")
                )
                drawn.offer(encoded, label, Sampled(encoded, label, *texts))
    return drawn.drawn()
