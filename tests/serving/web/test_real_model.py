"""The page in a browser in front of a network that the pipeline has trained and pushed."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from model_server import HANGS, free_port, wait_until
from sklearn.datasets import load_sample_images
from toy_run import mri
from web_command import serving

pytestmark = pytest.mark.slow
SETTINGS = ("sample.per_class=64", "train.epochs=8", "transform.image_size=64")
TITLES = {
    "glioma": "Glioma",
    "meningioma": "Meningioma",
    "notumor": "No tumour",
    "pituitary": "Pituitary tumour",
}


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work folder whose pushed model knows the synthetic sample it has learnt from."""
    folder = tmp_path_factory.mktemp("real") / "work"
    settings = [part for setting in SETTINGS for part in ("--set", setting)]
    done = mri("run", "--preset", "ci", "--work", str(folder), *settings)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def address(work: Path) -> Iterator[str]:
    with serving("--work", str(work), "--port", str(free_port())) as page:
        wait_until(lambda: httpx.get(f"{page}/readyz", timeout=HANGS).status_code == 200)
        yield page


def look_at(tab: Any, *files: Path | str) -> Any:
    """The cards of files, in their order."""
    tab.set_input_files("#image", [str(file) for file in files])
    tab.get_by_role("button", name="Look at the images").click()
    results = f"{len(files)} result{'' if len(files) == 1 else 's'}."
    tab.locator("#status", has_text=results).wait_for()
    return tab.locator(".card").all()


def test_the_right_classes_are_seen_and_where_the_model_looked(
    work: Path, address: str, open_tab: Callable[..., Any]
) -> None:
    tab = open_tab()
    tab.goto(address)
    files = [
        file
        for name in TITLES
        for file in sorted((work / "sample" / "Training" / name).iterdir())[:3]
    ]
    right = 0
    for file, card in zip(files, look_at(tab, *files), strict=True):
        assert file.name in card.inner_text()
        right += TITLES[file.parent.name] in card.get_by_role("heading").inner_text()
        overlay = card.locator("image.heat")
        assert overlay.get_attribute("href").startswith("data:image/png;base64,iVBOR")
        size = overlay.evaluate(
            """async image => {
              const bitmap = new Image();
              bitmap.src = image.getAttribute("href");
              await bitmap.decode();
              return [bitmap.naturalWidth, bitmap.naturalHeight];
            }"""
        )
        assert size == [224, 224]
    assert right >= 9, right  # of 12; chance gives 3


def test_photographs_are_said_to_be_no_brain_mri(
    address: str, open_tab: Callable[..., Any]
) -> None:
    tab = open_tab()
    tab.goto(address)
    for card in look_at(tab, *load_sample_images().filenames):
        assert "does not look like a brain MRI" in card.get_by_role("heading").inner_text()


def test_a_synthetic_example_has_a_result_with_its_models_card_and_report(
    address: str, open_tab: Callable[..., Any]
) -> None:
    tab = open_tab()
    tab.goto(address)
    tab.get_by_role("button", name="Pituitary tumour").click()
    tab.locator("#status", has_text="1 result.").wait_for()
    version = re.search(r"model version (\d+)", tab.locator(".card").inner_text())
    assert version is not None
    tab.get_by_role("link", name="Model card").click()
    assert f"Version {version[1]}." in tab.locator("h1 ~ p").nth(1).inner_text()
    tab.get_by_role("link", name="Evaluation report").click()
    tab.get_by_text("Blessed").first.wait_for()
    assert tab.url == f"{address}/models/{version[1]}/report"
    paper = tab.evaluate("() => getComputedStyle(document.body).backgroundColor")
    assert paper == "rgb(251, 251, 250)"  # its own style is let in
