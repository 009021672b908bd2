"""`mri data fetch`: what a person sees."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mri.data.fetch import fetch_images
from samples import kaggle


@pytest.mark.parametrize(("fetched", "says"), [(True, "fetched"), (False, "there already")])
def test_it_says_where_the_images_are_and_what_is_next(monkeypatch, capfd, fetched, says):
    asked = []

    def fetch(out):
        asked.append(out)
        return fetched

    monkeypatch.setattr("mri.data.fetch.fetch", fetch)
    fetch_images(out=Path("data/brain [x]"))
    out, _ = capfd.readouterr()
    assert asked == [Path.cwd() / "data/brain [x]"]
    assert f"7,023 images in data/brain [x], {says}" in out
    assert "mri run --data data/brain [x]" in out
    assert kaggle.PAGE in out


def test_offline_it_ends_at_once_with_one_sentence_and_leaves_no_images(tmp_path):
    """The real kagglehub in a process of its own; its proxy is a port where nobody listens."""
    program = (
        "import sys; from pathlib import Path\n"
        "from components.errors import PipelineError\n"
        "from mri.data.fetch import fetch_images\n"
        "try: fetch_images(out=Path('out'))\n"
        "except PipelineError as error: sys.exit(f'mri: {error}')\n"
    )
    proxy = "http://someone:secret@127.0.0.1:9"
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={
            **_environment(),
            "HOME": str(tmp_path / "home"),
            "https_proxy": proxy,
            "HTTPS_PROXY": proxy,
            "KAGGLE_API_TOKEN": "KGAT_token",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("mri: Kaggle cannot be reached (the proxy")
    assert "mri run --data FOLDER" in result.stderr
    assert result.stderr.count("\n") == 1
    assert not any(word in result.stderr for word in ("someone", "secret", "KGAT", "Traceback"))
    assert not (tmp_path / "out").exists()


def _environment() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if name.lower() not in ("no_proxy", "all_proxy") and not name.startswith("KAGGLE")
    }
