"""Each of our packages is imported from our own files, whatever else is installed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = [
    name
    for name in (
        "mri",
        "pipeline",
        "components",
        "imaging",
        "samples",
        "schema",
        "serving",
        "kubeflow",
    )
    if (ROOT / name / "__init__.py").exists()
]


def test_each_package_is_ours(tmp_path: Path):
    """Seen from a directory that holds packages of the same names."""
    source = Path(os.environ.get("BRAIN_MRI_PATH", ROOT))
    for name in PACKAGES:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    program = f"import {', '.join(PACKAGES)}"
    program += "".join(f"; print({name}.__file__)" for name in PACKAGES)

    result = subprocess.run(
        [str(ROOT / "bin" / "python"), "-c", program], cwd=tmp_path, capture_output=True, text=True
    )

    found = result.stdout.splitlines()
    assert found == [str(source / name / "__init__.py") for name in PACKAGES], result.stderr


@pytest.mark.skipif("BRAIN_MRI_PATH" not in os.environ, reason="make test installs the wheel")
def test_the_wheel_holds_our_packages_and_no_others():
    installed = Path(os.environ["BRAIN_MRI_PATH"])
    packages = {path.name for path in installed.iterdir() if path.suffix != ".dist-info"}

    assert packages - {"bin"} == set(PACKAGES)


@pytest.mark.skipif("BRAIN_MRI_PATH" not in os.environ, reason="make test installs the wheel")
@pytest.mark.parametrize("name", PACKAGES)
def test_the_wheel_holds_every_file_of_a_package(name: str):
    """A package's data files (presets, schemata, templates) are easily forgotten."""
    installed = Path(os.environ["BRAIN_MRI_PATH"])
    ignored = {".pyc", ".md", ".yml", ".in"}
    files = {
        path.relative_to(ROOT)
        for path in (ROOT / name).rglob("*")
        if path.is_file()
        and path.suffix not in ignored
        and "__pycache__" not in path.parts
        and not path.name.startswith(("Dockerfile", "."))
    }

    assert {path for path in files if not (installed / path).exists()} == set()
