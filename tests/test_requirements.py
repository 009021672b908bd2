"""What the packages import is named in requirements/, not brought along by something else."""

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[1]
OURS = "mri", "pipeline", "components", "imaging", "samples", "schema", "serving", "kubeflow"
SHARED = {"google": "protobuf"}
"""Of what several distributions hold a part of, the one that is meant."""


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_what_is_imported_is_required_by_name() -> None:
    named = {
        _normal(found[0])
        for file in (ROOT / "requirements").glob("*.in")
        if file.name != "dev.in"
        for line in file.read_text().splitlines()
        if (found := re.match(r"[\w.-]+", line))
    }
    holds = {**packages_distributions(), **{name: [one] for name, one in SHARED.items()}}
    missing = {}
    for file in (path for package in OURS for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names += [one.name for one in node.names] if isinstance(node, ast.Import) else []
            for top in {str(name).partition(".")[0] for name in names}:
                by = {_normal(one) for one in holds.get(top, [])}
                if top not in {*sys.stdlib_module_names, *OURS} and not by & named:
                    missing.setdefault(top, []).append(str(file.relative_to(ROOT)))
    assert missing == {}
