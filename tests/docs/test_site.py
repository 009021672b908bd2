"""The documentation as a site: it builds strictly, and what is generated fits the code."""

import io
import json
import logging
import re
import warnings
from html import unescape
from itertools import pairwise
from pathlib import Path

import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort

from pipeline.exit_code import ExitCode

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` builds it: a link or an anchor that leads nowhere fails."""
    folder = tmp_path_factory.mktemp("site")
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    handler.setLevel(logging.WARNING)
    log = logging.getLogger("mkdocs")
    log.addHandler(handler)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as in a program: those of mkdocs' own plugins
            build(load_config(str(ROOT / "mkdocs.yml"), strict=True, site_dir=str(folder)))
    except Abort:
        pytest.fail(said.getvalue())
    finally:
        log.removeHandler(handler)
    assert not said.getvalue(), "the build has something to say"
    return folder


def words(site: Path, page: str) -> str:
    """A page's text."""
    text = re.sub(r"<[^>]+>", " ", (site / page).read_text(encoding="utf-8"))
    return " ".join(unescape(text).split())


def test_settings_have_type_default_and_meaning(site):
    text = words(site, "reference/configuration.html")
    assert "train.epochs whole number, ≥ 1 5 Passes over the training images, at most." in text
    assert 'ingest.split_policy leak_free or group or as_is "leak_free" ' in text
    assert "ingest.nifti.slices whole number, ≥ 1, ≤ 1000 5 " in text
    assert "max_drop number, ≥ 0 or null null How much worse" in text


def test_every_command_and_preset_is_there(site):
    text = words(site, "reference/command-line.html")
    for command in ("mri run", "mri models rollback", "mri kubeflow runs stop"):
        assert f"{command} ¶" in text
    assert "[bold]" not in text
    assert "mri run --preset ci" in words(site, "reference/presets.html")


def test_every_exit_code_has_a_meaning(site):
    text = words(site, "reference/exit-codes.html")
    for code in ExitCode:
        assert re.search(rf"{code.value} {code.name} [A-Z`m]", text), code


def test_artifacts_are_those_of_the_graph(site):
    text = words(site, "reference/artifacts.html")
    assert "ServeCheck Model of Trainer Examples of Ingest blessing : InfraBlessing" in text
    assert "SplitAssignment Which image is in which split: splits.csv" in text


def test_links_to_source_lead_to_pages(site):
    assert "reference/configuration.html" in (site / "running.html").read_text(encoding="utf-8")
    assert "def build_model (" in words(site, "source/components/trainer/model.py.html")
    assert 'href="schema.html"' in (site / "gate.html").read_text(encoding="utf-8")


def navigation(site: Path) -> dict[str, str]:
    """Pages by what the navigation calls them, in its order, the home page left out."""
    text = (site / "tutorial.html").read_text(encoding="utf-8")
    found = re.findall(
        r'<a href="?([\w/.-]+\.html)"? class="md-nav__link"[^>]*>(.*?)</a>', text, re.S
    )
    called = {page: " ".join(re.sub("<[^>]+>", " ", name).split()) for page, name in found}
    return {page: unescape(name) for page, name in called.items() if page != "index.html"}


def test_pages_are_called_what_their_headings_say(site):
    pages = navigation(site)
    assert len(pages) > 40
    for page, name in pages.items():
        text = (site / page).read_text(encoding="utf-8")
        [heading] = re.findall(r"<h1[^>]*>(.*?)<a", text, re.DOTALL)
        assert unescape(re.sub("<[^>]+>", "", heading)).strip() == name, page
        [title] = re.findall(r"<title>(.*?)</title>", text)
        assert unescape(title).startswith(f"{name} - "), page


def test_each_page_leads_to_the_next(site):
    pages = list(navigation(site))
    for page, after in pairwise(pages):
        for here, there, which in ((page, after, "next"), (after, page, "prev")):
            text = (site / here).read_text(encoding="utf-8")
            [link] = re.findall(rf'<a href="?([^ "]+)"? class="[^"]*footer__link--{which}', text)
            assert ((site / here).parent / link).resolve() == (site / there).resolve()


def test_search_leaves_out_licences_and_source(site):
    index = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))
    found = {entry["location"].partition("#")[0] for entry in index["docs"]}
    assert {"running.html", "glossary.html", "reference/client-api.html"} <= found
    assert not [page for page in found if page.startswith("source/") or page == "licences.html"]


def test_the_clients_arguments_are_there(site):
    text = words(site, "reference/client-api.html")
    assert 'address : str | Asker = "localhost:8500"'.replace('"', "'") in text
    assert "in_flight How many requests of a batch are under way at the same time." in text
    assert "async predict ( image : Image ) -> Prediction" in text
    assert "ServingError The server gave no result." in text
    assert "A path, the bytes of a file, an object that reads them" in text


def test_nothing_is_loaded_from_elsewhere(site):
    loads = re.compile(
        r"""(?:<(?:script|img|iframe)[^>]*\ssrc|<link[^>]*\shref)=["'](https?:)?//"""
    )
    for page in site.rglob("*.html"):
        found = loads.search(page.read_text(encoding="utf-8"))
        assert not found, f"{page.name}: {found and found[0]}"
    assert not [page for page in site.rglob("*.html") if "class=mermaid" in page.read_text("utf-8")]
