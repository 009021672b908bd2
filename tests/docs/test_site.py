"""The documentation as a site: it builds strictly, and what is generated fits the code."""

import os
import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest

from pipeline.exit_code import ExitCode

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` builds it: a link or an anchor that leads nowhere fails."""
    folder = tmp_path_factory.mktemp("site")
    result = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"]
        + ["--config-file", str(ROOT / "mkdocs.yml"), "--site-dir", str(folder)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert not result.stdout + result.stderr, "the build has something to say"
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
    for command in ("mri run", "mri models rollback", "mri kubeflow schedules delete"):
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


def test_nothing_is_loaded_from_elsewhere(site):
    loads = re.compile(
        r"""(?:<(?:script|img|iframe)[^>]*\ssrc|<link[^>]*\shref)=["'](https?:)?//"""
    )
    for page in site.rglob("*.html"):
        found = loads.search(page.read_text(encoding="utf-8"))
        assert not found, f"{page.name}: {found and found[0]}"
    assert not [page for page in site.rglob("*.html") if "class=mermaid" in page.read_text("utf-8")]
