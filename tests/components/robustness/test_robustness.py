"""Robustness' function, run as the launcher does, on networks that were trained for seconds.

A folder whose classes differ in contrast as well as by a lesion teaches a network the contrast; the
same with contrasts balanced teaches it the lesion. Both are right in all test images of their kind.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from artifacts import artifact
from confounded import CLASSES, Drawn, draw_heads, train, write_heads
from judging import judged
from predicting import write_predictions
from tfx.orchestration import metadata
from tfx.orchestration.portable import data_types
from tfx.types import artifact_utils, standard_artifacts

from components.driver import FILES_THERE
from components.evaluate.config import EvaluateConfig
from components.evaluate.predictions.table import PredictionTable
from components.evaluate.robustness import robustness_checks
from components.robustness.artifacts import ChangedAnswersFile
from components.robustness.changes import CHANGES
from components.robustness.component import Robustness
from components.robustness.config import RobustnessConfig
from components.robustness.driver import RobustnessDriver
from components.robustness.table import ChangedAnswers, places

pytestmark = pytest.mark.long

UNCHANGED = 0


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Callable[..., Path]:
    """Trains a network on heads whose contrasts are balanced over the classes, or are not."""
    made = {}

    def trained(*, balanced: bool) -> Path:
        if balanced not in made:
            heads = draw_heads(200, 0, balanced=balanced)
            made[balanced] = train(heads, tmp_path_factory.mktemp("model"))
        return made[balanced]

    return trained


def _ask(
    out: Path,
    model: Path,
    baseline: Path | None = None,
    images: int = 16,
    *,
    labelled: bool = True,
    **splits: list[Drawn],
) -> ChangedAnswers:
    examples = write_heads(out / "examples", labelled=labelled, **splits)
    source = artifact(standard_artifacts.Examples, examples)
    source.split_names = artifact_utils.encode_split_names(["train", "eval", "test"])
    changed = artifact(ChangedAnswersFile, out / "changed")
    inputs = {"examples": source, "model": artifact(standard_artifacts.Model, model, 7)}
    if baseline is not None:
        inputs["baseline_model"] = artifact(standard_artifacts.Model, baseline, 3)
    config = RobustnessConfig(images=images).model_dump_json()
    Robustness.test_call(**inputs, changed=changed, config=config, code="")
    found = ChangedAnswers.read(out / "changed")
    assert changed.get_int_custom_property("images") == sum(map(len, found.splits.values()))
    has_baseline = any(one.baseline is not None for one in found.splits.values())
    assert changed.get_int_custom_property("baseline") == int(has_baseline)
    return found


@pytest.mark.parametrize("balanced", [False, True])
def test_a_model_that_learnt_the_contrast_is_refused_and_one_that_learnt_the_lesion_is_not(
    tmp_path, model, balanced
):
    heads = draw_heads(32, 1, balanced=balanced)
    found = _ask(tmp_path, model(balanced=balanced), images=32, eval=heads[:4], test=heads)
    test = found.splits["test"]
    as_it_is = test.probabilities[:, UNCHANGED]
    # Nothing that the set's own test can show tells the two apart.
    assert (as_it_is.argmax(1) == test.labels).all()
    folder = write_predictions(tmp_path / "p", test.labels, as_it_is, classes=CLASSES)
    config, table = EvaluateConfig(), PredictionTable.read(folder)
    assert judged(table, config).blessed
    verdict = judged(table, config, robustness_checks(found, table, config))
    assert verdict.blessed == balanced
    if not balanced:
        assert verdict.reasons[0].startswith("accuracy in the style of another class is 0.0")
    # What is left without anatomy says why.
    histogram = [change.name for change in CHANGES].index("histogram")
    assert (test.right[:, histogram].mean() > 0.9) == (not balanced)


def test_both_models_are_asked_about_the_same_images_in_all_guises(tmp_path, model):
    heads = draw_heads(20, 2, balanced=True)
    found = _ask(
        tmp_path, model(balanced=True), model(balanced=False), images=6, eval=heads[:3], test=heads
    )
    assert found.header.classes == CLASSES
    assert found.header.baseline_id == 3
    assert {name: len(one) for name, one in found.splits.items()} == {"eval": 3, "test": 6}
    test = found.splits["test"]
    assert test.asked.all()
    assert test.probabilities.shape == test.baseline.shape == (6, len(CHANGES), 2)
    assert sorted(test.labels) == [0, 0, 0, 1, 1, 1]
    np.testing.assert_allclose(test.probabilities.sum(2), 1, atol=1e-5)
    assert (test.baseline != test.probabilities).any()
    # A style is given by an image of the other class.
    label_of = dict(zip(test.sha256.tolist(), test.labels.tolist(), strict=True))
    given = zip(test.sha256, test.styles, strict=True)
    assert all(label_of[own] != label_of[style] for own, style in given)
    # A graph without the newer outputs flags nothing.
    assert not test.flagged.any()


def test_the_same_images_give_the_same_answers_in_any_order(tmp_path, model):
    heads = draw_heads(6, 3, balanced=True)
    first = _ask(tmp_path / "a", model(balanced=True), images=6, eval=[], test=heads)
    again = _ask(tmp_path / "b", model(balanced=True), images=6, eval=[], test=heads)
    one, other = first.splits["test"], again.splits["test"]
    np.testing.assert_array_equal(one.sha256, other.sha256)
    np.testing.assert_array_equal(one.probabilities, other.probabilities)


@pytest.mark.parametrize(
    ("settings", "splits"),
    [
        ({"images": 0}, {"eval": 4, "test": 4}),
        ({}, {"eval": 0, "test": 0}),
        ({"labelled": False}, {"eval": 2, "test": 2}),
    ],
    ids=["nothing asked", "no image", "no labels"],
)
def test_where_there_is_nothing_to_change_there_are_no_answers(tmp_path, model, settings, splits):
    heads = {name: draw_heads(count, 4, balanced=True) for name, count in splits.items()}
    found = _ask(tmp_path, model(balanced=True), **settings, **heads)
    assert found.splits == {}
    assert found.header.images == settings.get("images", 16)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_images_of_one_class_and_black_ones_are_asked_about_as_far_as_they_can_be(tmp_path, model):
    head = draw_heads(2, 5, balanced=True)[1]
    black = Drawn(np.zeros((64, 64), np.uint8), 0)
    found = _ask(tmp_path, model(balanced=True), eval=[head], test=[head, black])
    style = places("style")
    one_class, with_black = found.splits["eval"], found.splits["test"]
    assert not one_class.asked[:, style].any()
    assert one_class.asked[:, places("shift")].all()
    # The black image has nothing to show but a border, a ground or the style of the head.
    assert with_black.asked.sum(1).min() < 20
    assert not with_black.right[~with_black.asked].any()
    assert not with_black.confidently_wrong[~with_black.asked].any()


def test_what_is_answered_from_cache_depends_on_whether_the_baseline_is_there(tmp_path):
    there = artifact(standard_artifacts.Model, tmp_path / "b")
    driver = RobustnessDriver(metadata.Metadata(metadata.sqlite_metadata_connection_config("no")))

    def key() -> str:
        info = data_types.ExecutionInfo(input_dict={"baseline_model": [there]})
        return driver.run(info).exec_properties[FILES_THERE].string_value

    before = key()
    (tmp_path / "b" / "Format-Serving").mkdir()
    (tmp_path / "b" / "Format-Serving" / "saved_model.pb").touch()
    assert key() != before


def test_a_baseline_of_other_classes_is_not_asked(tmp_path, model):
    other = tmp_path / "other"
    shutil.copytree(model(balanced=True), other)
    metadata_file = other / "Format-Serving" / "assets.extra" / "metadata.json"
    metadata_file.write_text(json.dumps({"classes": CLASSES[::-1]}))
    heads = draw_heads(2, 6, balanced=True)
    found = _ask(tmp_path, model(balanced=True), other, eval=[], test=heads)
    assert found.splits["test"].baseline is None
    assert "knows other classes (tumour, notumor)" in found.header.baseline_problem
