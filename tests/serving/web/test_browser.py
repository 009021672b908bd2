"""The page in a real browser: files dropped, by keyboard, without JavaScript, on a phone."""

import base64
import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dicom_files import file
from drawing import draw, encode
from fake_server import running
from page import model

from components.disclaimer import DISCLAIMER

pytestmark = pytest.mark.long

expect = pytest.importorskip("playwright.sync_api").expect
expect.set_options(timeout=300_000)  # milliseconds; it only ends what hangs
Site = Callable[..., str]
Tab = Callable[..., Any]
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True}


def image(seed: int, name: str = "scan.png") -> dict[str, Any]:
    content = encode(draw(seed, (256, 220)))
    return {"name": name, "mimeType": "image/png", "buffer": content}


def choose(tab: Any, *files: dict[str, Any] | Path) -> None:
    tab.set_input_files("#image", list(files))
    tab.get_by_role("button", name="Look at the images").click()


def finished(tab: Any, words: str) -> None:
    tab.locator("#status", has_text=words).wait_for()


@pytest.fixture
def screenshot(request: pytest.FixtureRequest) -> Callable[[Any], None]:
    """Keeps what a tab shows, in light and in dark, if MRI_TEST_SCREENSHOTS names a folder."""
    folder = os.environ.get("MRI_TEST_SCREENSHOTS")
    name = re.sub(r"\W+", "-", request.node.name)

    def keep(tab: Any) -> None:
        for scheme in ("light", "dark") if folder else ():
            tab.emulate_media(color_scheme=scheme)
            tab.screenshot(path=str(Path(folder) / f"{name}-{scheme}.png"), full_page=True)

    return keep


def test_a_dropped_file_is_classified(site: Site, open_tab: Tab, screenshot: Any) -> None:
    tab = open_tab()
    tab.goto(site())
    content = base64.b64encode(encode(draw(1, (256, 220)))).decode()
    transfer = tab.evaluate_handle(
        """content => {
          const bytes = Uint8Array.from(atob(content), c => c.charCodeAt(0));
          const transfer = new DataTransfer();
          transfer.items.add(new File([bytes], "dropped.png", {type: "image/png"}));
          return transfer;
        }""",
        content,
    )
    tab.dispatch_event("#drop", "drop", {"dataTransfer": transfer})
    finished(tab, "1 image chosen.")
    tab.get_by_role("button", name="Look at the images").click()
    finished(tab, "1 result.")
    assert tab.get_by_role("heading", name="Glioma 75.0%").is_visible()
    assert "dropped.png" in tab.locator("#results").inner_text()
    heat = tab.locator("image.heat")
    tab.get_by_label("Strength of the heatmap").fill("30")
    expect(heat).to_have_attribute("opacity", "0.3")
    picture, over = tab.locator("figure svg").nth(1).bounding_box(), heat.bounding_box()
    assert abs(over["width"] / picture["width"] - 0.6) < 0.02  # what crop_box says
    screenshot(tab)


def test_several_files_and_a_bad_one(site: Site, open_tab: Tab, screenshot: Any) -> None:
    tab = open_tab()
    tab.goto(site())
    bad = {"name": "<b>notes.png", "mimeType": "image/png", "buffer": b"notes"}
    choose(tab, image(1, "a.png"), bad, image(2, "c.png"))
    finished(tab, "2 results, 1 failed.")
    assert tab.get_by_role("heading", name="Glioma").count() == 2
    assert tab.get_by_role("alert").get_by_role("heading").inner_text() == "<b>notes.png"
    screenshot(tab)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"in_distribution": False}, "This does not look like a brain MRI"),
        ({"refer": True, "confidence": 0.41}, "Refer to a reader."),
    ],
    ids=["foreign", "refer"],
)
def test_doubt_is_told(
    site: Site, open_tab: Tab, screenshot: Any, values: dict[str, Any], words: str
) -> None:
    tab = open_tab()
    tab.goto(site(**values))
    choose(tab, image(1, "photograph.jpg"))
    finished(tab, "1 result.")
    assert tab.get_by_text(words).is_visible()
    assert tab.locator("#results").get_by_text(DISCLAIMER).is_visible()
    screenshot(tab)


def test_a_dicom_file(site: Site, open_tab: Tab) -> None:
    tab = open_tab()
    tab.goto(site())
    choose(tab, {"name": "scan.dcm", "mimeType": "application/dicom", "buffer": file()})
    finished(tab, "1 result.")
    assert tab.get_by_role("img", name="The image", exact=True).is_visible()


def test_by_keyboard_alone(site: Site, open_tab: Tab) -> None:
    tab = open_tab()
    tab.goto(site())
    with tab.expect_file_chooser() as chooser:  # asked for early: Chromium learns of it in time
        tab.keyboard.press("Tab")
        expect(tab.get_by_role("link", name="Skip to the content")).to_be_focused()
        tab.keyboard.press("Tab")
        tab.keyboard.press("Tab")
        expect(tab.locator("#image")).to_be_focused()
        tab.keyboard.press("Space")
    chooser.value.set_files([image(1)])
    finished(tab, "1 image chosen.")
    tab.get_by_role("button", name="Look at scan.png before it is sent").wait_for()
    tab.keyboard.press("Tab")
    tab.keyboard.press("Tab")
    expect(tab.get_by_role("button", name="Look at the images", exact=True)).to_be_focused()
    tab.keyboard.press("Enter")
    finished(tab, "1 result.")
    tab.get_by_label("Strength of the heatmap").focus()
    tab.keyboard.press("ArrowLeft")
    expect(tab.locator("image.heat")).to_have_attribute("opacity", "0.75")


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_a_synthetic_example_is_chosen_by_keyboard(
    site: Site, open_tab: Tab, screenshot: Any, examples: Path, script: bool
) -> None:
    tab = open_tab(java_script_enabled=script)
    tab.goto(site(settings={"examples": examples}))
    screenshot(tab)
    button = tab.get_by_role("button", name="Pituitary tumour")
    for _ in range(12):
        tab.keyboard.press("Tab")
        if button.evaluate("button => button.matches(':focus')"):
            break
    tab.keyboard.press("Enter")
    tab.get_by_role("heading", name="Glioma 75.0%").wait_for()
    expect(tab.locator("#results")).to_contain_text("Synthetic example: Pituitary tumour")
    if script:
        finished(tab, "1 result.")
        expect(tab.get_by_role("heading", name="Glioma 75.0%")).to_be_focused()


def test_the_same_form_sent_twice_at_once_gives_one_set_of_results(
    site: Site, open_tab: Tab
) -> None:
    tab = open_tab()
    tab.goto(site())
    tab.set_input_files("#image", [image(1, "a.png"), image(2, "b.png")])
    tab.evaluate("() => { form.requestSubmit(); form.requestSubmit(); }")
    finished(tab, "2 results.")
    expect(tab.locator(".card")).to_have_count(2)
    tab.get_by_role("button", name="Look at the images").click()  # which may be done again
    finished(tab, "2 results.")
    expect(tab.locator(".card")).to_have_count(2)


def test_what_is_too_much_is_told_to_a_browser_that_is_still_sending(
    site: Site, open_tab: Tab, tmp_path: Path
) -> None:
    (tmp_path / "large.png").write_bytes(bytes(20_000_000))
    tab = open_tab(java_script_enabled=False)
    tab.goto(site(settings={"max_request_bytes": 100_000}))
    choose(tab, tmp_path / "large.png")
    tab.get_by_text("send fewer or smaller images").wait_for()


def test_without_javascript(site: Site, open_tab: Tab, screenshot: Any) -> None:
    tab = open_tab(java_script_enabled=False)
    tab.goto(site())
    choose(tab, image(1, "a.png"), image(2, "b.png"))
    tab.get_by_role("heading", name="Results", exact=True).wait_for()
    expect(tab.get_by_role("heading", name="Glioma")).to_have_count(2)
    expect(tab.locator(".slider").first).to_be_hidden()
    screenshot(tab)


def test_on_a_phone(site: Site, open_tab: Tab, screenshot: Any) -> None:
    tab = open_tab(**PHONE)
    tab.goto(site(refer=True))
    choose(tab, image(1, "a-name-that-is-" + "long-" * 20 + ".png"))
    finished(tab, "1 result.")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360
    for top in (0, 400, 9999):
        tab.evaluate("top => window.scrollTo(0, top)", top)
        seen = tab.locator("header").get_by_text(DISCLAIMER).bounding_box()
        assert 0 <= seen["y"] < 100
    tab.evaluate("window.scrollTo(0, 0)")
    screenshot(tab)


def test_the_model_server_goes_down_and_comes_back(
    site: Site, open_tab: Tab, screenshot: Any
) -> None:
    tab = open_tab()
    with running(model()) as server:
        address, port = server.address, server.server_address[1]
    tab.goto(site(server=address))
    choose(tab, image(1))
    finished(tab, "0 results, 1 failed.")
    assert tab.get_by_text("The model server cannot be reached.").is_visible()
    screenshot(tab)
    with running(model(), port=port):
        tab.get_by_role("button", name="Look at the images").click()
        finished(tab, "1 result.")


def test_a_result_is_saved_as_a_page_of_its_own(site: Site, open_tab: Tab, tmp_path: Path) -> None:
    tab = open_tab()
    tab.goto(site())
    sent = image(1)
    choose(tab, sent)
    finished(tab, "1 result.")
    with tab.expect_download() as download:
        tab.get_by_role("button", name="Save this result").click()
    saved = tmp_path / "saved.html"
    download.value.save_as(saved)
    html = saved.read_text()
    assert "Glioma" in html
    assert DISCLAIMER in html
    assert "model version 7" in html
    assert hashlib.sha256(sent["buffer"]).hexdigest()[:12] in html
    assert not re.search(r'(src|href)="(https?:|/)', html)
    other = open_tab()
    other.goto(saved.as_uri())
    assert other.get_by_role("heading", name="Glioma 75.0%").is_visible()
