"""The synthetic sample: the same bytes each time, whole or not there, and honest."""

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from samples import synthetic
from samples.synthetic import CLASSES, SampleError, anatomy, write_sample
from samples.synthetic.rendering import Rendering

pytestmark = pytest.mark.long

SIZE = (96, 128)


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its relative path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A small sample and its masks, made by a process that opens no socket."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    folder = tmp_path_factory.mktemp("synthetic")
    out, masks = folder / "sample", folder / "masks"
    anatomy.load_template.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "socket", refuse)
        patch.setattr(socket, "create_connection", refuse)
        write_sample(out, per_class=2, seed=7, size=SIZE, masks=masks)
    return out, masks


@dataclass
class Made:
    """A sample of one image a class, of the same seed, and what was told while it was made."""

    out: Path
    created: bool
    progress: list[tuple[int, int]]


@pytest.fixture(scope="module")
def smallest(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Made in a folder that is there, empty and of an odd name."""
    out = tmp_path_factory.mktemp("synthetic") / "Ünï çode 脳" / "s"
    out.mkdir(parents=True)
    seen: list[tuple[int, int]] = []
    created = write_sample(
        out,
        per_class=1,
        seed=7,
        size=SIZE,
        progress=lambda done, total: seen.append((done, total)),
    )
    return Made(out, created, seen)


def test_layout_and_counts(sample: tuple[Path, Path]) -> None:
    out, masks = sample
    for split, count in (("Training", 2), ("Testing", 1)):
        assert sorted(p.name for p in (out / split).iterdir()) == sorted(CLASSES)
        for label in CLASSES:
            pictures = sorted((out / split / label).glob("*.jpg"))
            assert len(pictures) == count
            for picture in pictures:
                mask = masks / split / label / f"{picture.stem}.png"
                with Image.open(picture) as image, Image.open(mask) as marked:
                    assert image.format == "JPEG"
                    assert image.mode in ("L", "RGB")
                    assert image.size == marked.size
                    assert SIZE[0] <= max(image.size) <= SIZE[1]
                    assert (marked.getextrema() == (0, 0)) == (label == "notumor")
    manifest = json.loads((out / "sample.json").read_text())
    assert manifest["kind"] == "synthetic"
    assert manifest["parameters"]["seed"] == 7


def test_the_same_seed_gives_the_same_bytes_however_many_are_made(
    sample: tuple[Path, Path], smallest: Made
) -> None:
    large, small = files(sample[0]), files(smallest.out)
    assert len(small) == 2 * len(CLASSES) + 1
    for name in small.keys() - {"sample.json"}:
        assert small[name] == large[name]


def test_another_seed_gives_other_images(smallest: Made, tmp_path: Path) -> None:
    write_sample(tmp_path / "other", per_class=1, seed=8, size=SIZE)
    first, other = files(smallest.out), files(tmp_path / "other")
    assert first.keys() == other.keys()
    assert all(first[name] != other[name] for name in first)


def test_a_complete_sample_is_kept(sample: tuple[Path, Path]) -> None:
    before = {p: p.stat().st_mtime_ns for p in sample[0].rglob("*")}
    assert not write_sample(sample[0], per_class=2, seed=7, size=SIZE)
    assert before == {p: p.stat().st_mtime_ns for p in sample[0].rglob("*")}


def test_progress_counts_to_the_total(smallest: Made) -> None:
    assert smallest.progress == [(i, 8) for i in range(1, 9)]


@pytest.mark.parametrize("label", CLASSES)
def test_the_lesion_covers_one_to_eight_percent_of_the_head(label: str) -> None:
    for index in range(4):
        picture = synthetic.render(label, seed=3, index=index)
        share = picture.mask.sum() / picture.head.sum()
        if label == "notumor":
            assert share == 0
        else:
            assert 0.01 <= share <= 0.08
            assert not (picture.mask & ~picture.head).any()


@pytest.mark.parametrize("label", [c for c in CLASSES if c != "notumor"])
def test_the_mask_is_where_the_picture_changed(label: str) -> None:
    from scipy.ndimage import binary_dilation

    from samples.synthetic import head, lesions, rendering

    for index in range(3):
        rng = [np.random.default_rng([index, k]) for k in range(4)]
        view = rendering.draw_view(rng[0])
        contrast = rendering.draw_contrast(rng[1])
        tissues = anatomy.load_template().at(view.points, view.folds)
        painted = head.paint_head(view.points, tissues, contrast, rng[2])
        image, mask = lesions.plant_lesion(
            label, painted, view.points, view.pitch, contrast, rng[3]
        )
        change = np.abs(image - painted.image)
        reach = binary_dilation(mask, iterations=round(25 / view.pitch))
        assert change[~reach].mean() < 0.01 * change[mask].mean()
        assert change[mask].mean() > 5 * change[reach & ~mask].mean()
        assert (change[mask] > 0.03).mean() > 0.7


def test_wrong_arguments_are_refused(tmp_path: Path) -> None:
    for wrong in (0, -1, 1.5, True, "3", None):
        with pytest.raises(ValueError, match="per_class"):
            write_sample(tmp_path / "s", per_class=wrong)  # type: ignore[arg-type]
    for seed in (-1, 0.5, True):
        with pytest.raises(ValueError, match="seed"):
            write_sample(tmp_path / "s", per_class=1, seed=seed)  # type: ignore[arg-type]
    for share in (0, -0.5, 1.5, float("nan"), "a"):
        with pytest.raises(ValueError, match="test_share"):
            write_sample(tmp_path / "s", per_class=1, test_share=share)  # type: ignore[arg-type]
    for size in ((0, 10), (300, 200), (200, 99999), 200, (200,), (200.0, 300)):
        with pytest.raises(ValueError, match="size"):
            write_sample(tmp_path / "s", per_class=1, size=size)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="masks"):
        write_sample(tmp_path / "s", per_class=1, masks=tmp_path / "s" / "masks")
    with pytest.raises(ValueError, match="label"):
        synthetic.render("cat")
    with pytest.raises(ValueError, match="split"):
        synthetic.render("glioma", split="val")
    assert not list(tmp_path.iterdir())


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("mine")
    with pytest.raises(SampleError, match="is a file"):
        write_sample(tmp_path / "s", per_class=1)
    with pytest.raises(SampleError, match="could not be written"):
        write_sample(tmp_path / "s" / "below", per_class=1)
    assert (tmp_path / "s").read_text() == "mine"


def test_foreign_content_is_refused_and_untouched(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "thesis.txt").write_text("mine")
    with pytest.raises(SampleError, match="not a synthetic sample"):
        write_sample(tmp_path / "s", per_class=1)
    assert files(tmp_path) == {"s/thesis.txt": b"mine"}


def test_another_sample_or_a_damaged_one_is_refused(smallest: Made, tmp_path: Path) -> None:
    shutil.copytree(smallest.out, tmp_path / "s")
    with pytest.raises(SampleError, match="other parameters"):
        write_sample(tmp_path / "s", per_class=2, seed=7, size=SIZE)
    (tmp_path / "s" / "Training" / "glioma" / "Tr-glioma_0000.jpg").unlink()
    with pytest.raises(SampleError, match="7 images, but 8"):
        write_sample(tmp_path / "s", per_class=1, seed=7, size=SIZE)
    (tmp_path / "s" / "sample.json").write_text("{")
    with pytest.raises(SampleError, match="not JSON"):
        write_sample(tmp_path / "s", per_class=1, seed=7, size=SIZE)


def test_an_empty_folder_is_filled_and_odd_names_work(smallest: Made) -> None:
    assert smallest.created
    assert len(list(smallest.out.rglob("*.jpg"))) == 8


def test_an_unwritable_place_is_named(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        place = Path("/proc/sample")  # even root cannot write there
    else:
        tmp_path.chmod(0o555)
        place = tmp_path / "s"
    with pytest.raises(SampleError, match="could not be written"):
        write_sample(place, per_class=1)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_interrupted_write_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    done = 0
    original = Rendering.save

    def fail(picture: Rendering, path: Path) -> None:
        nonlocal done
        done += 1
        if done == 3:
            raise error
        original(picture, path)

    monkeypatch.setattr(Rendering, "save", fail)
    with pytest.raises((SampleError, KeyboardInterrupt)):
        write_sample(tmp_path / "s", per_class=1, size=SIZE, masks=tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_no_network_is_used(sample: tuple[Path, Path]) -> None:
    assert sample[0].is_dir()  # made without a socket
    assert "nilearn.datasets" not in sys.modules


def test_a_missing_template_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(anatomy, "load_template", anatomy.load_template.__wrapped__)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SampleError, match="pip install nilearn"):
        write_sample(tmp_path / "s", per_class=1)
    assert not list(tmp_path.iterdir())


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, samples.synthetic as s; "
        "assert not {'numpy', 'scipy', 'PIL', 'nibabel', 'tensorflow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
