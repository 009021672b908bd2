"""The viewer's modules under the type checker: what their comments say of types holds."""

import subprocess
from pathlib import Path

import npm
import pytest

import serving.web

pytestmark = pytest.mark.long

_STATIC = Path(serving.web.__file__).parent / "static"


def test_the_types_of_the_viewer_hold(node: Path) -> None:
    runs = npm.program("node")
    assert runs is not None
    options = "--noEmit --allowJs --checkJs --strict --target es2022 --module esnext"
    done = subprocess.run(
        [
            runs,
            node / "node_modules" / "typescript" / "bin" / "tsc",
            *options.split(),
            "--lib",
            "es2022,dom,dom.iterable",
            _STATIC / "frames.js",
            _STATIC / "viewer.js",
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.stdout + done.stderr == ""
    assert done.returncode == 0
