"""A model on images of another place: what is set aside, what is measured, and who is told."""

import io
import json
import shutil
from collections.abc import Iterator
from inspect import unwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from carding import card
from commands import show_model
from dicom_files import file
from drawing import draw, encode
from ingesting import ingest
from ml_metadata.proto import metadata_store_pb2 as pb
from registering import MADE, RUNS, Registry
from rich.console import Console
from sklearn import metrics

import mri.evaluate
from components.errors import PipelineError
from components.evaluate.predictions.table import PREDICTIONS_FILE, PredictionTable
from components.evaluate.report.card import CARD_MARKDOWN, ModelCard
from components.external.report import PAGE_FILE, ExternalReport
from components.gate.verdict import STATISTICS_ID
from components.ingest.config import SALT_FILE_VARIABLE, IngestConfig
from components.monitor.compare import window_statistics
from components.monitor.window import FEATURES
from pipeline.lineage import read_lineage
from pipeline.registry import read_models
from pipeline.retention import kept_artifacts

pytestmark = pytest.mark.long

CLASSES = ("glioma", "notumor")


class _Brightness(tf.Module):
    """Takes bright images for gliomas, and is not always right."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def evaluate(self, examples):
        encoded = tf.io.parse_example(
            examples, {"image/encoded": tf.io.FixedLenFeature([], tf.string)}
        )["image/encoded"]
        mean = tf.map_fn(
            lambda one: tf.reduce_mean(tf.cast(tf.io.decode_image(one, 3), tf.float32)) / 255,
            encoded,
            fn_output_signature=tf.float32,
        )
        glioma = tf.sigmoid(40 * (mean - 0.25))
        return {"probabilities": tf.stack([glioma, 1 - glioma], axis=1)}


def _picture(seed: int, label: str, share: float = 1.0) -> np.ndarray:
    return (draw(seed) * (share if label == "glioma" else 0.3 * share)).astype(np.uint8)


def _folder(root: Path, first: int, sides=("Training", "Testing"), **more: bytes) -> Path:
    for number, label in enumerate(CLASSES):
        for place, side in enumerate(sides):
            folder = root / side / label
            folder.mkdir(parents=True)
            for index in range(12):
                seed = first + 100 * number + 50 * place + index
                (folder / f"{index}.png").write_bytes(encode(_picture(seed, label)))
    return root


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Iterator[Registry]:
    """A pushed model, with all that a run leaves of its training images."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(SALT_FILE_VARIABLE, "")  # which the work folder's salt replaces
        yield _trained(tmp_path_factory.mktemp("trained"))


def _trained(folder: Path) -> Registry:
    registry = Registry(folder / "work")
    registry.work.temporary.mkdir()
    registry.work.lend_patient_salt()
    ingested = ingest(_folder(folder / "own", 0), folder / "ingested")
    model_id = registry.add(0)
    [model] = registry.store.get_artifacts_by_id([model_id])
    saved = Path(model.uri) / "Format-Serving"
    shutil.rmtree(saved)
    module = _Brightness()
    tf.saved_model.save(module, str(saved), signatures={"evaluate": module.evaluate})
    (saved / "assets.extra").mkdir(exist_ok=True)
    (saved / "assets.extra" / "metadata.json").write_text(json.dumps({"classes": CLASSES}))
    card().write(registry.base / str(MADE) / "assets.extra")

    splits = registry._artifact("SplitAssignment", "Ingest/splits/0")
    splits.custom_properties["policy"].string_value = "leak_free"
    shutil.copytree(ingested.out / "splits", splits.uri)
    statistics = registry._artifact("ExampleStatistics", "StatisticsGen/statistics/0")
    (Path(statistics.uri) / "Split-train").mkdir(parents=True)
    rows = [
        {
            **{name: _first(one, f"image/{name}") for name in FEATURES},
            "label": _first(one, "image/label").decode(),
        }
        for one in ingested.examples["train"]
    ]
    made = window_statistics(pd.DataFrame(rows)).SerializeToString()
    (Path(statistics.uri) / "Split-train" / "FeatureStats.pb").write_bytes(made)
    contexts = registry._run(0)
    config = IngestConfig(classes=CLASSES).model_dump_json()
    ids = registry._execute(
        "Ingest", [], [("splits", splits), ("statistics", statistics)], contexts,
        properties={"config": config},
    )  # fmt: skip
    registry._execute("Trainer", [("splits", ids["splits"])], [("model", model)], contexts)
    verdict = registry._artifact("GateVerdict", "Gate/verdict/0")
    verdict.custom_properties[STATISTICS_ID].int_value = ids["statistics"]
    registry._execute("Gate", [], [("verdict", verdict)], contexts)
    return registry


def _first(example: tf.train.Example, name: str):
    feature = example.features.feature[name]
    return getattr(feature, feature.WhichOneof("kind")).value[0]


def _evaluate(registry: Registry, data: Path, **flags) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=200, highlight=False)
    unwrap(mri.evaluate.evaluate)(console, data, work=registry.work.root, **flags)
    return stream.getvalue()


@pytest.fixture(scope="module")
def site(trained, tmp_path_factory) -> Path:
    """Another hospital's folder: other levels, a scanner's tags, copies of training images."""
    root = tmp_path_factory.mktemp("site") / "elsewhere"
    for number, label in enumerate((*CLASSES, "abscess")):
        (root / label).mkdir(parents=True)
        for index in range(14):
            picture = _picture(5000 + 100 * number + index, label, 0.55 if index % 2 else 1.0)
            (root / label / f"{index}.png").write_bytes(encode(picture))
    own = trained.work.root.parent / "own" / "Training"
    shutil.copy(own / "glioma" / "3.png", root / "notumor" / "planted.png")
    mirrored = _picture(4, "glioma")[:, ::-1].copy()
    (root / "glioma" / "mirrored.png").write_bytes(encode(mirrored))
    (root / "glioma" / "cut.png").write_bytes(encode(draw(1))[:60])
    scan = file(draw(7000, (64, 64), 1), ManufacturerModelName="Skyra", MagneticFieldStrength=3)
    (root / "glioma" / "scan.dcm").write_bytes(scan)
    return root


@pytest.fixture(scope="module")
def report(trained, site) -> ExternalReport:
    return ExternalReport.model_validate_json(_evaluate(trained, site, as_json=True))


def _made(registry: Registry) -> list[pb.Artifact]:
    return list(registry.store.get_artifacts_by_type("ExternalReport"))


def test_matches_are_set_aside_and_unknown_classes_named(report):
    assert report.unknown_classes == {"abscess": 14}
    assert (report.images, report.set_aside) == (31, 2)
    assert report.figures.images == 29
    assert sum(report.rejected.values()) == 1
    assert (report.source, report.run, report.training_unknown) == ("elsewhere", RUNS[0], "")


def test_figures_are_scikit_learns_on_what_is_left(trained, report):
    folder = Path(_made(trained)[0].uri)
    found = PredictionTable.read(folder)
    new = found.only(~found.known_to_model)
    predicted = new.probabilities.argmax(1)
    headline = report.figures.headline
    accuracy = metrics.accuracy_score(new.labels, predicted)
    assert headline["accuracy"].value == pytest.approx(accuracy)
    assert 0.4 < accuracy < 1
    assert headline["accuracy"].low < accuracy < headline["accuracy"].high
    recall = metrics.recall_score(new.labels == 0, predicted == 0)
    assert headline["tumour_sensitivity"].value == pytest.approx(recall)
    assert headline["ece"].value > 0
    assert report.own["accuracy"].value == 0.9
    scanners = [one for one in report.figures.slices if one.feature == "scanner"]
    assert [(one.value, one.images) for one in scanners] == [("Skyra 3 T", 1)]
    assert {one.value for one in report.figures.slices if one.feature == "source"} == {"elsewhere"}
    assert not [one for one in report.figures.slices if one.feature == "seen"]


def test_other_levels_are_drift(report):
    distances = {one.feature: one for one in report.distances}
    assert distances["image/mean"].mean < distances["image/mean"].previous_mean
    assert "image/foreground" in report.drifted
    assert "image/label" not in report.drifted


def test_the_report_is_recorded_and_told_by_page_card_and_models_show(trained, report):
    [made] = _made(trained)
    assert (made.state, made.custom_properties["model_id"].int_value) == (
        pb.Artifact.LIVE,
        report.model_id,
    )
    assert {path.name for path in Path(made.uri).iterdir()} == {
        *(PAGE_FILE, ExternalReport.FILE, PREDICTIONS_FILE),
    }
    page = Path(made.uri, PAGE_FILE).read_text()
    assert "2 images of these match" in page
    assert "abscess" in page
    assert "Skyra 3 T" in page
    stream = io.StringIO()
    show_model(Console(file=stream, width=400), trained.work.root, None, as_json=True)
    [words] = json.loads(stream.getvalue())["external"]
    assert "29 images, 2 more set aside" in words
    extras = trained.base / str(MADE) / "assets.extra"
    told = ModelCard.read(extras)
    assert [one.words for one in told.external] == [words]
    assert [one.answer for one in told.claim if one.question == "External testing"] == [words]
    assert words in (extras / CARD_MARKDOWN).read_text()


def test_the_report_stays_as_long_as_the_model(trained, report):
    assert report.model_id
    [made] = _made(trained)
    models = read_models(trained.store)
    kept = kept_artifacts(read_lineage(trained.store), [], models, {models[0].artifact.id})
    assert made.id in kept


def test_a_table_of_labels_may_name_classes_that_the_model_does_not_know(trained, tmp_path):
    (tmp_path / "scans").mkdir()
    lines = ["path,label"]
    for index in range(6):
        label = ("glioma", "notumor", "metastasis")[index % 3]
        picture = _picture(8000 + index, label)
        (tmp_path / "scans" / f"{index}.png").write_bytes(encode(picture))
        lines.append(f"{index}.png,{label}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    said = _evaluate(trained, tmp_path / "scans", labels=tmp_path / "labels.csv")
    assert "scans: 4 images, 4 evaluated" in said
    assert "does not know the class metastasis: 2 files left out" in said
    assert "not a diagnosis" in said
    assert len(read_models(trained.store)[0].validations) == 2


@pytest.mark.parametrize(
    ("names", "content", "says"),
    [
        (("abscess", "cyst"), encode(draw(1)), "knows glioma, notumor"),
        (("glioma", "notumor"), b"nothing", "None of 2 files"),
        (("glioma",), b"nothing", "None of 1 file in"),
    ],
)
def test_what_cannot_be_evaluated_is_said_and_leaves_nothing(
    trained, tmp_path, names, content, says
):
    for name in names:
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / "1.png").write_bytes(content)
    before = len(_made(trained))
    folders = sorted(trained.work.artifacts.glob("ExternalValidation/report/*"))
    with pytest.raises(PipelineError, match=says):
        _evaluate(trained, tmp_path / "data")
    assert len(_made(trained)) == before
    assert sorted(trained.work.artifacts.glob("ExternalValidation/report/*")) == folders
    assert list(trained.work.temporary.iterdir()) == []


def test_of_its_own_training_images_nothing_is_measured(trained, tmp_path):
    own = trained.work.root.parent / "own" / "Training"
    for label in CLASSES:
        (tmp_path / "again" / label).mkdir(parents=True)
        shutil.copy(own / label / "1.png", tmp_path / "again" / label / "1.png")
    said = _evaluate(trained, tmp_path / "again")
    assert "again: 2 images, 0 evaluated" in said
    assert "trained on a match of every image" in said


def test_without_the_record_of_its_training_images_the_figures_are_doubted(trained, tmp_path):
    [splits] = trained.store.get_artifacts_by_type("SplitAssignment")
    moved = Path(splits.uri).rename(tmp_path / "gone")
    try:
        data = _folder(tmp_path / "data", 9000)
        found = ExternalReport.model_validate_json(_evaluate(trained, data, as_json=True))
    finally:
        moved.rename(splits.uri)
    assert "record of its training images is gone" in found.training_unknown
    assert (found.set_aside, found.figures.images) == (0, 48)
