"""Every state of the page under axe-core's rules for WCAG 2.2 A and AA, in light and dark."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from dicom_files import file, head
from drawing import draw, encode

pytestmark = pytest.mark.long

_RUN = """async only => {
  const found = await axe.run(document, {runOnly: only});
  return found.violations.map(one => one.id + ": " + one.nodes.map(node => node.html.slice(0, 120)));
}"""  # noqa: E501
_ALL = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_OF_COLOUR = ["color-contrast", "link-in-text-block"]
"""What the other scheme can break: it changes colours alone."""


@pytest.fixture(scope="session")
def axe(node: Path) -> str:
    """axe-core's script."""
    return (node / "node_modules" / "axe-core" / "axe.min.js").read_text()


@pytest.fixture
def tab(open_tab: Callable[..., Any]) -> Any:
    return open_tab(color_scheme="light", bypass_csp=True)


def violations(tab: Any, axe: str) -> Any:
    """What the rules find in light, and those about colours in dark."""
    tab.evaluate(axe)
    found = tab.evaluate(_RUN, {"type": "tag", "values": _ALL})
    tab.emulate_media(color_scheme="dark")
    found += tab.evaluate(_RUN, {"type": "rule", "values": _OF_COLOUR})
    tab.emulate_media(color_scheme="light")
    return found


def choose(tab: Any, *contents: bytes) -> None:
    files = [
        {"name": f"{index}.png", "mimeType": "image/png", "buffer": content}
        for index, content in enumerate(contents)
    ]
    tab.set_input_files("#image", files)


def test_pages(site: Callable[..., str], tab: Any, axe: str, examples: Path, pushed: Path) -> None:
    address = site(settings={"examples": examples, "models": pushed})
    for path in ("/", "/api", "/nowhere", "/models/7/card"):
        tab.goto(address + path)
        for details in tab.locator("details").all():
            details.locator("summary").click()
        assert violations(tab, axe) == [], path


def test_the_form_with_files(site: Callable[..., str], tab: Any, axe: str) -> None:
    tab.goto(site())
    choose(tab, encode(draw(1)), b"no image")
    assert violations(tab, axe) == []


@pytest.mark.parametrize(
    "values", [{}, {"in_distribution": False}, {"refer": True}], ids=["sure", "foreign", "refer"]
)
def test_results(
    site: Callable[..., str], tab: Any, axe: str, values: dict[str, bool], pushed: Path
) -> None:
    tab.goto(site(settings={"models": pushed}, **values))
    choose(tab, encode(draw(1)), b"no image", encode(draw(2)))
    tab.get_by_role("button", name="Look at the images").click()
    tab.locator("#status", has_text="2 results, 1 failed.").wait_for()
    assert violations(tab, axe) == []


def sent(name: str, content: bytes) -> dict[str, Any]:
    return {"name": name, "mimeType": "application/octet-stream", "buffer": content}


def files_of_a_series() -> list[dict[str, Any]]:
    """Three slices, each a file."""
    place = {"SeriesInstanceUID": "1.2.7", "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
    return [
        sent(f"{n}.dcm", file(head(n), **place, ImagePositionPatient=[0, 0, 5.0 * n]))
        for n in range(3)
    ]


def nifti() -> list[dict[str, Any]]:
    slices = np.moveaxis(head(shape=(4, 48, 40)), 0, -1).astype(np.int16)
    return [sent("brain.nii", nibabel.Nifti1Image(slices, np.diag([1, 1, 5, 1])).to_bytes())]


def a_volume_and_pictures() -> list[dict[str, Any]]:
    """So many that there is a summary."""
    pictures = [sent(f"{n}.png", encode(draw(n))) for n in range(4)]
    return [sent("scan.dcm", file(head(shape=(6, 48, 40)))), *pictures]


@pytest.mark.parametrize(
    ("files", "count"),
    [(a_volume_and_pictures, 5), (files_of_a_series, 3), (nifti, 1)],
    ids=["volume and pictures", "series", "nifti"],
)
def test_the_viewer(
    site: Callable[..., str],
    tab: Any,
    axe: str,
    files: Callable[[], list[dict[str, Any]]],
    count: int,
) -> None:
    tab.goto(site(refer=True))
    tab.set_input_files("#image", files())
    tab.locator("#previews canvas").first.wait_for()
    assert violations(tab, axe) == [], "previews"
    tab.get_by_role("button", name="Look at the images", exact=True).click()
    tab.locator("#status", has_text=f"{count} result").wait_for()
    for details in tab.locator(".series > details > summary").all():
        details.click()
    assert violations(tab, axe) == [], "results"
    tab.get_by_role("button", name="Open the viewer").first.click()
    tab.locator(".viewer .corner.sw", has_text="Zoom").first.wait_for()
    assert violations(tab, axe) == [], "one image"
    tab.keyboard.press("b")
    assert violations(tab, axe) == [], "two images"
    tab.keyboard.press("?")
    assert violations(tab, axe) == [], "keys"


def test_the_result_page_without_script(site: Callable[..., str], tab: Any, axe: str) -> None:
    tab.goto(site())
    choose(tab, encode(draw(1)), b"no image")
    with tab.expect_navigation():  # until all of the new page is there
        tab.evaluate("() => HTMLFormElement.prototype.submit.call(document.getElementById('form'))")
    tab.get_by_role("heading", name="Results", exact=True).wait_for()
    assert violations(tab, axe) == []
