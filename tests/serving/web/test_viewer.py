"""The viewer in a real browser: slices scrolled, zoomed, windowed and compared; what it loads."""

import base64
import io
from collections.abc import Callable
from typing import Any

import nibabel
import numpy as np
import pytest
from dicom_files import compressed, dataset, file
from drawing import draw, encode
from fake_server import running, says
from page import model
from PIL import Image
from pydicom.uid import JPEGBaseline8Bit

from components.disclaimer import DISCLAIMER

pytestmark = pytest.mark.long

expect = pytest.importorskip("playwright.sync_api").expect
expect.set_options(timeout=300_000)  # milliseconds; it only ends what hangs
Site = Callable[..., str]
Tab = Callable[..., Any]
SIZE, SLICES, LONG = 96, 20, 48
AXIAL = [1, 0, 0, 0, 1, 0]
FIRST_LOAD_LIMIT = 150_000
"""Bytes on the wire until the form works."""
MANY_LIMIT = 450
"""Pixels that a result may take of the page's height, of many on a wide screen."""
GREY = """() => {
  const canvas = document.querySelector(".viewer .pane:not([hidden]) canvas");
  const at = [canvas.width / 2, canvas.height / 2, 1, 1].map(Math.round);
  return [...canvas.getContext("2d").getImageData(...at).data].slice(0, 3);
}"""
"""The colour in the middle of the first image."""


def slices(count: int = SLICES, size: int = SIZE, step: int = 20) -> np.ndarray:
    """A bright head in each slice, brighter from slice to slice; uint16."""
    rows, columns = np.ogrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    head = rows**2 + columns**2 < 0.6
    noise = np.random.default_rng(0).integers(0, 40, (size, size))
    return np.stack([np.where(head, 300 + step * n + noise, 0) for n in range(count)]).astype(
        np.uint16
    )


def dicom(pixels: np.ndarray | None = None, name: str = "brain.dcm", **values: Any) -> dict:
    known = {
        "PixelSpacing": [0.5, 0.5],
        "SliceThickness": 4,
        "ImageOrientationPatient": AXIAL,
        "WindowCenter": 500,
        "WindowWidth": 1000,
        **values,
    }
    content = file(slices() if pixels is None else pixels, **known)
    return {"name": name, "mimeType": "application/dicom", "buffer": content}


def files_of(pixels: np.ndarray) -> list[dict[str, Any]]:
    """The slices as files of one series: the first file lies highest."""
    return [
        dicom(
            pixels[place],
            f"{name}.dcm",
            ImagePositionPatient=[0, 0, 4.0 * place],
            SeriesInstanceUID="1.2.777",
            StudyInstanceUID="1.2.888",
        )
        for name, place in enumerate(reversed(range(len(pixels))))
    ]


def nifti() -> dict[str, Any]:
    volume = np.moveaxis(slices(12), 0, -1).astype(np.int16)
    content = nibabel.Nifti1Image(volume, np.diag([0.9, 0.9, 5.0, 1.0])).to_bytes()
    return {"name": "brain.nii", "mimeType": "application/octet-stream", "buffer": content}


def picture(name: str, kind: str, pixels: np.ndarray | None = None) -> dict[str, Any]:
    content = encode(draw(1, (120, 100)), kind) if pixels is None else io.BytesIO()
    if pixels is not None:
        Image.fromarray(pixels).save(content, kind)
        content = content.getvalue()
    return {"name": name, "mimeType": "application/octet-stream", "buffer": content}


def judged(tab: Any, address: str, *files: dict[str, Any]) -> None:
    """Sends files, and waits for what is said of them."""
    tab.goto(address)
    tab.set_input_files("#image", list(files))
    tab.get_by_role("button", name="Look at the images", exact=True).click()
    tab.locator("#status", has_text="result").wait_for()


def opened(tab: Any, number: int = 0) -> Any:
    """Opens the viewer from a result, by keyboard, and waits for the picture."""
    tab.get_by_role("button", name="Open the viewer").nth(number).focus()
    tab.keyboard.press("Enter")
    shown(tab)
    return tab.locator("dialog.viewer")


def shown(tab: Any) -> None:
    expect(tab.locator(".viewer .pane:not([hidden]) .corner.sw").first).to_contain_text("Zoom")


def grey(tab: Any) -> list[int]:
    """What is drawn in the middle, once it is drawn."""
    tab.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
    return list(tab.evaluate(GREY))


def corner(tab: Any, place: str, number: int = 0) -> Any:
    return tab.locator(f".viewer .corner.{place}").nth(number)


def test_a_series_is_read_by_keyboard_alone(site: Site, open_tab: Tab) -> None:
    tab = open_tab(viewport={"width": 1440, "height": 900})
    judged(tab, site(), dicom())
    viewer = opened(tab)
    expect(viewer.get_by_text("All slices: Glioma 75.0%")).to_be_visible()
    expect(viewer.get_by_text(DISCLAIMER)).to_be_visible()
    expect(viewer.get_by_role("option")).to_have_count(SLICES)
    tab.keyboard.press("Home")
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "ArrowUp"):
        tab.keyboard.press(key)
    expect(corner(tab, "nw")).to_have_text("brain.dcm\nFrame 2 (0 to 19)", use_inner_text=True)
    expect(viewer.get_by_role("option", selected=True)).to_contain_text("2")
    expect(viewer.get_by_role("option", selected=True)).to_contain_text("Glioma 75.0%")
    expect(viewer.get_by_role("status")).to_contain_text("Frame 2, Glioma 75.0%")

    heated = grey(tab)
    tab.keyboard.press("h")
    expect(corner(tab, "se")).to_contain_text("Heat off")
    plain = grey(tab)
    assert len(set(plain)) == 1 < len(set(heated))
    tab.keyboard.press("End")
    expect(corner(tab, "nw")).to_contain_text("Frame 19")
    assert grey(tab)[0] > plain[0]  # what is shown is the slice that was asked for
    tab.keyboard.press("Home")

    before = grey(tab)
    for _ in range(4):
        tab.keyboard.press("w")
    assert grey(tab)[0] > before[0]
    expect(corner(tab, "sw")).to_contain_text("set by hand")
    tab.keyboard.press("r")
    assert grey(tab) == before
    expect(corner(tab, "sw")).to_contain_text("W 1000 C 500, the file's")
    tab.keyboard.press("i")
    assert abs(grey(tab)[0] - (255 - before[0])) <= 1
    tab.keyboard.press("i")

    tab.keyboard.press("+")
    expect(corner(tab, "sw")).to_contain_text("Zoom 1.25 ×")
    for _ in range(30):
        tab.keyboard.press("Shift+ArrowRight")
    assert grey(tab) == [0, 0, 0]  # the image is moved out of the middle
    tab.keyboard.press("f")
    assert grey(tab) == before
    expect(corner(tab, "sw")).to_contain_text("Zoom 1 ×")

    tab.keyboard.press("b")
    expect(viewer.get_by_role("application")).to_have_count(2)
    tab.keyboard.press("PageDown")
    for number in (0, 1):
        expect(corner(tab, "nw", number)).to_contain_text("Frame 5")
    tab.keyboard.press("l")
    tab.keyboard.press("x")
    tab.keyboard.press("ArrowDown")
    expect(corner(tab, "nw", 0)).to_contain_text("Frame 5")
    expect(corner(tab, "nw", 1)).to_contain_text("Frame 6")

    tab.keyboard.press("?")
    expect(tab.get_by_role("dialog", name="Keys, mouse and touch")).to_be_visible()
    tab.keyboard.press("Escape")
    expect(viewer).to_be_visible()
    tab.keyboard.press("Escape")
    expect(viewer).to_be_hidden()
    expect(tab.get_by_role("button", name="Open the viewer")).to_be_focused()


def test_a_series_is_read_by_mouse(site: Site, open_tab: Tab) -> None:
    tab = open_tab(viewport={"width": 1440, "height": 900})
    judged(tab, site(), dicom())
    tab.locator(".strip .slice").nth(7).click()
    shown(tab)
    expect(corner(tab, "nw")).to_contain_text("Frame 7")
    tab.keyboard.press("h")
    stage = tab.get_by_role("application").first.bounding_box()
    tab.mouse.move(stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2)
    expect(corner(tab, "sw")).to_contain_text("value 4")  # 300 + 7 * 20, and noise
    tab.mouse.wheel(0, 100)
    expect(corner(tab, "nw")).to_contain_text("Frame 8")
    tab.mouse.wheel(0, -100)
    expect(corner(tab, "nw")).to_contain_text("Frame 7")
    before = grey(tab)[0]
    tab.mouse.down()
    tab.mouse.move(stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2 - 90)
    tab.mouse.up()
    assert grey(tab)[0] > before
    tab.keyboard.down("Control")
    tab.mouse.wheel(0, -100)
    tab.keyboard.up("Control")
    expect(corner(tab, "sw")).to_contain_text("Zoom 1.28 ×")
    tab.get_by_label("Move").check()
    tab.mouse.move(stage["x"] + stage["width"] - 5, stage["y"] + stage["height"] / 2)
    tab.mouse.down()
    tab.mouse.move(stage["x"] + 5, stage["y"] + stage["height"] / 2)
    tab.mouse.up()
    assert grey(tab) == [0, 0, 0]


def test_what_the_file_says_of_its_place_is_shown(site: Site, open_tab: Tab) -> None:
    tab = open_tab(viewport={"width": 1440, "height": 900})
    judged(tab, site(), dicom(Laterality="L", ScanningSequence="SE"))
    opened(tab)
    for words in ("MR", "spin echo", "axial", "0.5 × 0.5 mm", "4 mm thick", "side marker L"):
        expect(corner(tab, "ne")).to_contain_text(words)
    letters = [tab.locator(f".viewer .letter.{side}").first for side in ("left", "top")]
    assert [letter.inner_text() for letter in letters] == ["R", "A"]
    bar = tab.locator(".viewer .scale-bar").first
    assert bar.inner_text() == "1 cm"
    height = tab.get_by_role("application").first.bounding_box()["height"]
    assert abs(bar.bounding_box()["width"] - height / (SIZE * 0.5) * 10) < 5


def test_what_the_file_does_not_say_is_not_made_up(site: Site, open_tab: Tab) -> None:
    tab = open_tab(viewport={"width": 1440, "height": 900})
    judged(tab, site(), picture("scan.png", "PNG"))
    opened(tab)
    expect(corner(tab, "ne")).to_have_text("orientation not known")
    expect(tab.locator(".viewer .scale-bar").first).to_be_hidden()
    assert tab.locator(".viewer .letter").first.inner_text() == ""


def test_a_nifti_volume(site: Site, open_tab: Tab) -> None:
    tab = open_tab(viewport={"width": 1440, "height": 900})
    judged(tab, site(), nifti())
    expect(tab.locator(".strip .slice")).to_have_count(12)
    opened(tab)
    tab.keyboard.press("End")
    expect(corner(tab, "nw")).to_contain_text("Frame 11 (0 to 11)")
    expect(corner(tab, "ne")).to_contain_text("0.9 × 0.9 mm")
    assert tab.locator(".viewer .letter.left").first.inner_text() == "R"


def test_the_files_of_a_series_are_one_stack(site: Site, open_tab: Tab) -> None:
    tab = open_tab(viewport={"width": 1440, "height": 900})
    scans = files_of(slices(SLICES - 2))
    of_another = picture("other.png", "PNG")
    judged(tab, site(), scans[0], of_another, *scans[1:])
    tab.locator("#status", has_text=f"{SLICES - 1} results.").wait_for()
    series = tab.get_by_role("region", name="Series of 18 files")
    expect(series.get_by_role("heading", name="Glioma 75.0%").first).to_be_focused()
    expect(series).to_contain_text("Mean of the probabilities over the 18 slices")
    expect(series.locator("> .pictures .legend")).to_be_visible()
    assert series.locator("> .pictures svg").first.bounding_box()["width"] > 300
    expect(series.locator(".strip .slice")).to_have_count(18)
    assert "1.2.777" not in tab.content()
    assert tab.evaluate("document.getElementById('results').scrollHeight") < 1200
    series.get_by_role("button", name="Open the viewer").click()
    expect(tab.get_by_text("All slices: Glioma 75.0%")).to_be_visible()
    shown(tab)
    tab.keyboard.press("Home")  # 17.dcm lies lowest
    expect(corner(tab, "nw")).to_contain_text("1 of 18: 17.dcm")
    tab.keyboard.press("h")
    lowest = grey(tab)[0]
    tab.keyboard.press("End")
    expect(corner(tab, "nw")).to_contain_text("18 of 18: 0.dcm")
    assert grey(tab)[0] > lowest
    tab.keyboard.press("Escape")
    series.locator("summary").click()
    expect(series.locator("article.card")).to_have_count(18)


def newer_after(count: int) -> Any:
    """A model whose version 8 takes over when `count` requests have been answered by version 7."""
    answered: list[str] = []

    def answer(handler: Any, body: bytes) -> None:
        if handler.path.endswith(":predict"):
            answered.append(handler.path)
            model()(handler, body)
            return
        version = "8" if len(answered) >= count else "7"
        ok = {"error_code": "OK", "error_message": ""}
        status = [{"version": version, "state": "AVAILABLE", "status": ok}]
        says(200, {"model_version_status": status})(handler, body)

    return answer


def test_a_long_series_is_sent_in_pieces_and_answered_by_one_version(
    site: Site, open_tab: Tab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.web.model._KNOWN_FOR", 0.0)
    tab = open_tab(viewport={"width": 1440, "height": 900})
    sent: list[str] = []
    tab.on("request", lambda request: sent.append(request.url))
    bad = {"name": "notes.dcm", "mimeType": "application/dicom", "buffer": b"notes"}
    scans = files_of(slices(LONG, 48, 4))
    with running(newer_after(count=10)) as server:
        judged(tab, site(server.address), *scans[:20], bad, *scans[20:])
        tab.locator("#status", has_text=f"{LONG} results, 1 failed.").wait_for()
    assert sum(url.endswith("/results") for url in sent) <= 20 + 10  # the first ten files again
    expect(tab.locator("#previews li")).to_have_count(21)
    expect(tab.locator("#previews")).to_contain_text(f"and {LONG + 1 - 20} more")
    expect(tab.get_by_role("alert")).to_contain_text("notes.dcm")
    found = tab.get_by_role("region", name=f"Series of {LONG} files")
    expect(found).to_contain_text(f"Mean of the probabilities over the {LONG} slices")
    expect(found).to_contain_text("Model version 8.")
    expect(found.locator(".strip .slice.shown")).to_be_in_viewport()
    found.get_by_role("button", name="Open the viewer").click()
    shown(tab)
    tab.keyboard.press("h")
    seen = []
    tab.keyboard.press("Home")
    for place in range(0, LONG, 5):
        words = f"{place + 1} of {LONG}: {LONG - 1 - place}.dcm"
        expect(corner(tab, "nw")).to_contain_text(words)
        seen.append(grey(tab)[0])
        tab.keyboard.press("PageDown")
    assert seen == sorted(seen)  # each card has its own file
    assert seen[0] < seen[-1]


def test_many_images_wait_for_a_server_that_takes_no_more(site: Site, open_tab: Tab) -> None:
    tab = open_tab()
    tab.goto(site(settings={"max_files": 1, "max_frames": 2}))
    images = [picture(f"{n}.png", "PNG") for n in range(3)]
    button = tab.get_by_role("button", name="Look at the images", exact=True)
    tab.set_input_files("#image", images)
    button.click()
    expect(tab.locator("#status")).to_have_text("Choose at most 2 images at once: these are 3.")
    refusals = [{"status": 429, "headers": {"Retry-After": "1"}}]
    tab.route(
        "**/results",
        lambda route: route.fulfill(**refusals.pop()) if refusals else route.continue_(),
    )
    tab.set_input_files("#image", images[:2])
    button.click()
    tab.locator("#status", has_text="2 results.").wait_for()
    assert not refusals


def test_twelve_mixed_images(site: Site, open_tab: Tab) -> None:
    tab = open_tab(viewport={"width": 1440, "height": 900})
    kinds = ("PNG", "JPEG", "BMP", "TIFF", "GIF")
    plain = [picture(f"{n}.{kinds[n % 5].lower()}", kinds[n % 5]) for n in range(9)]
    bad = {"name": "notes.png", "mimeType": "image/png", "buffer": b"notes"}
    judged(tab, site(), *plain, dicom(), nifti(), bad)
    finished = tab.locator("#status", has_text="11 results, 1 failed.")
    finished.wait_for()
    expect(tab.locator("#results h2").first).to_be_focused()
    summary = tab.get_by_role("navigation", name="Summary")
    expect(summary.get_by_role("link")).to_have_count(12)
    expect(summary).to_contain_text("notes.png: not judged")
    summary.get_by_role("link", name="brain.nii").click()
    expect(tab.locator("article.card", has_text="brain.nii").locator("h2")).to_be_in_viewport()
    boxes = [card.bounding_box() for card in tab.locator("article.card:not(.volume)").all()]
    assert len({box["x"] for box in boxes}) == 2  # two columns
    assert max(box["height"] for box in boxes) < MANY_LIMIT
    viewer = opened(tab)
    tab.keyboard.press("n")
    expect(viewer.get_by_role("heading", name="1.jpeg")).to_be_visible()
    tab.keyboard.press("b")
    tab.get_by_label("File of image 2").select_option("brain.dcm")
    expect(corner(tab, "ne", 1)).to_contain_text("axial")


def test_a_deep_png_and_its_tiff_twin_are_one_picture(site: Site, open_tab: Tab) -> None:
    tab = open_tab(viewport={"width": 1440, "height": 900})
    deep = slices(8)[5]
    judged(tab, site(), picture("twin.png", "PNG", deep), picture("twin.tif", "TIFF", deep))
    tab.locator("#status", has_text="2 results.").wait_for()
    previews = tab.locator("#previews canvas")
    expect(previews).to_have_count(2)
    shots = [one.evaluate("canvas => canvas.toDataURL()") for one in previews.all()]
    assert shots[0] == shots[1]
    shades = np.asarray(Image.open(io.BytesIO(base64.b64decode(shots[0].split(",")[1]))))
    assert shades[..., 0].max() > 200  # a browser alone shows 440 of 65,535: black
    answers = tab.locator(".card .bars").all_inner_texts()
    assert answers[0] == answers[1]
    sent = tab.locator(".card image.scan")
    assert sent.nth(0).get_attribute("href") == sent.nth(1).get_attribute("href")
    opened(tab)
    tab.keyboard.press("h")
    first = [grey(tab), corner(tab, "sw").inner_text()]
    tab.keyboard.press("n")
    tab.get_by_role("heading", name="twin.tif").wait_for()
    expect(corner(tab, "sw")).to_contain_text("Zoom")
    assert [grey(tab), corner(tab, "sw").inner_text()] == first


def test_a_dicom_file_is_seen_before_it_is_sent(site: Site, open_tab: Tab) -> None:
    tab = open_tab(viewport={"width": 1440, "height": 900})
    tab.goto(site())
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.set_input_files("#image", [dicom()])
    tab.get_by_role("button", name="Look at brain.dcm before it is sent").click()
    shown(tab)
    expect(corner(tab, "nw")).to_contain_text("Frame 10 (0 to 19)")
    expect(tab.get_by_text("Not judged yet")).to_be_visible()
    assert grey(tab)[0] > 50
    assert not any(url.endswith("/results") for url in asked)


def test_a_dropped_folder_is_all_its_files(site: Site, open_tab: Tab) -> None:
    tab = open_tab()
    tab.goto(site())
    content = base64.b64encode(encode(draw(1))).decode()
    tab.evaluate(
        """content => {
          const bytes = Uint8Array.from(atob(content), c => c.charCodeAt(0));
          const leaf = name => ({name, isFile: true, file: done => done(new File([bytes], name))});
          const folder = (name, ...inside) => ({name, isDirectory: true, createReader: () => {
            const left = [inside, []];
            return {readEntries: done => done(left.shift())};
          }});
          const tree = folder("scans", leaf("10.png"), leaf("2.png"), leaf(".DS_Store"),
            folder("more", leaf("1.png")));
          const transfer = {items: [{webkitGetAsEntry: () => tree}], files: []};
          const event = new Event("drop", {cancelable: true});
          Object.defineProperty(event, "dataTransfer", {value: transfer});
          document.getElementById("drop").dispatchEvent(event);
        }""",
        content,
    )
    tab.locator("#status", has_text="3 images chosen.").wait_for()
    names = tab.locator("#previews li span:last-child").all_inner_texts()
    assert names == ["2.png", "10.png", "1.png"]


def test_a_frame_that_does_not_come_is_told(site: Site, open_tab: Tab) -> None:
    tab = open_tab()
    judged(tab, site(), dicom())
    tab.route("**/api/v1/frames*", lambda route: route.abort())
    tab.evaluate("() => sources.delete(files.get(document.querySelector('.card')))")
    tab.get_by_role("button", name="Open the viewer").click()
    expect(tab.locator(".pane-error").first).to_be_visible()


def test_a_damaged_frame_is_shown_as_such_and_the_others_go_on(site: Site, open_tab: Tab) -> None:
    levels = (slices(4) / 3).astype(np.uint8)
    frames = [encode(one, "JPEG") for one in levels]
    frames[2] = frames[2][:300]
    made = dataset(levels, WindowCenter=128, WindowWidth=256)
    content = compressed(made, JPEGBaseline8Bit, frames)
    tab = open_tab(viewport={"width": 1440, "height": 900})
    judged(tab, site(), {"name": "d.dcm", "mimeType": "application/dicom", "buffer": content})
    expect(tab.locator(".strip .slice")).to_have_count(4)
    opened(tab)
    tab.keyboard.press("Home")
    for _ in range(2):
        tab.keyboard.press("ArrowDown")
    expect(corner(tab, "nw")).to_contain_text("Frame 2")
    expect(tab.locator(".pane-error").first).to_contain_text("cannot be used")
    tab.keyboard.press("ArrowDown")
    expect(corner(tab, "nw")).to_contain_text("Frame 3")
    expect(tab.locator(".pane-error").first).to_be_hidden()
    tab.keyboard.press("h")
    assert grey(tab)[0] > 50


def test_the_viewer_is_loaded_when_it_is_opened(site: Site, open_tab: Tab, examples: Any) -> None:
    tab = open_tab()
    devtools = tab.context.new_cdp_session(tab)
    devtools.send("Network.enable")
    taken: list[float] = []
    devtools.on("Network.loadingFinished", lambda event: taken.append(event["encodedDataLength"]))
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(site(settings={"examples": examples}), wait_until="networkidle")
    assert 5_000 < sum(taken) < FIRST_LOAD_LIMIT
    tab.get_by_role("button", name="Pituitary tumour").click()
    tab.locator("#status", has_text="1 result.").wait_for()
    assert not any("viewer" in url or "frames" in url for url in asked)
    opened(tab)
    assert any(url.endswith("/viewer.js") for url in asked)


def test_on_a_phone(site: Site, open_tab: Tab) -> None:
    tab = open_tab(viewport={"width": 390, "height": 844}, has_touch=True)
    judged(tab, site(refer=True), dicom())
    viewer = opened(tab)
    expect(viewer.get_by_text(DISCLAIMER)).to_be_in_viewport()
    expect(viewer.get_by_role("button", name="Close")).to_be_in_viewport()
    assert viewer.evaluate("dialog => dialog.scrollWidth") <= 390
    assert tab.get_by_role("application").first.bounding_box()["height"] > 350
    viewer.get_by_role("button", name="Close").click()
    expect(viewer).to_be_hidden()


def test_nothing_moves_by_itself(site: Site, open_tab: Tab) -> None:
    tab = open_tab()
    judged(tab, site(), dicom())
    opened(tab)
    rules = "() => [...document.styleSheets].flatMap(sheet => [...sheet.cssRules])"
    words = tab.evaluate(f"({rules})().map(rule => rule.cssText).join()")
    assert "viewer-strip" in words
    assert not any(word in words for word in ("transition", "animation", "scroll-behavior"))
