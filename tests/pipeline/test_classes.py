"""Classes that do not fit together are asked about before anything runs."""

import pytest

from components.errors import UsageError
from components.evaluate.config import EvaluateConfig, Threshold
from components.ingest.config import IngestConfig
from components.ingest.folder import FoundFile, ImageFolder
from pipeline.classes import check_classes
from pipeline.config import Config


def _found(name: str) -> FoundFile:
    return FoundFile(f"/data/{name}", name, name.split("/")[0], "train", 0, 1)


def _folder(*classes: str) -> ImageFolder:
    return ImageFolder("/data", (), tuple(sorted(classes)))


def _config(classes: tuple[str, ...] | None = None, **evaluate: object) -> Config:
    ingest = IngestConfig() if classes is None else IngestConfig(classes=classes)
    return Config(ingest=ingest, evaluate=EvaluateConfig(**evaluate))


def test_classes_of_ones_own_are_asked_about_with_the_line_to_type():
    with pytest.raises(UsageError) as refused:
        check_classes(_config(), _folder("b", "lesion"))
    assert str(refused.value) == (
        "/data has the classes b, lesion, and ingest.classes are glioma, meningioma, notumor, "
        "pituitary. To train on the classes of the folder: --set 'ingest.classes=[b, lesion]' "
        "--set evaluate.healthy_class=CLASS (the class without a tumour, or null)"
    )


def test_a_class_that_means_healthy_is_never_taken_for_its_opposite():
    with pytest.raises(UsageError) as refused:
        check_classes(_config(), _folder("healthy", "tumour"))
    assert "rename" not in str(refused.value)
    assert "--set evaluate.healthy_class=healthy (" in str(refused.value)


def test_classes_inside_folders_of_patients_are_offered():
    files = tuple(map(_found, ("p1/tumour/1", "p1/none/2", "p2/tumour/3", "p2/none/4")))
    with pytest.raises(UsageError) as refused:
        check_classes(_config(), ImageFolder("/data", files, ("p1", "p2")))
    assert (
        "If the classes are the folders none, tumour inside these: --set 'ingest.classes=[none, "
        "tumour]' --set evaluate.healthy_class=none" in str(refused.value)
    )


def test_names_that_mean_known_classes_are_offered_as_renamings():
    folder = _folder("GLIOMA", "meningioma_tumor", "notumour", "pituitary")
    with pytest.raises(UsageError) as refused:
        check_classes(_config(), folder)
    assert (
        "If they are the same, rename the folders: GLIOMA to glioma, meningioma_tumor to "
        "meningioma, notumour to notumor." in str(refused.value)
    )


@pytest.mark.parametrize(
    ("config", "says"),
    [
        (_config(("a", "b")), "evaluate.healthy_class is 'notumor', and the classes are a, b"),
        (
            _config(("a", "b"), healthy_class="c"),
            "--set evaluate.healthy_class=null says that there is none",
        ),
        (
            _config(
                ("a", "b"),
                healthy_class="b",
                thresholds=(Threshold(metric="recall", of="glioma", min=0.5),),
            ),
            "the threshold on recall is of 'glioma', and the classes are a, b.",
        ),
    ],
)
def test_thresholds_on_a_class_that_does_not_exist_are_refused(config, says):
    with pytest.raises(UsageError) as refused:
        check_classes(config, _folder("a", "b"))
    assert says in str(refused.value)


@pytest.mark.parametrize(
    "folder",
    [
        _folder("glioma", "meningioma", "notumor", "pituitary"),
        _folder("glioma", "meningioma", "notumor", "pituitary", "other"),
        _folder("glioma", "notumor"),
    ],
)
def test_what_the_gate_judges_is_left_to_it(folder):
    check_classes(_config(), folder)
