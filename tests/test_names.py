"""What the product's classes are called, and what its modules keep to themselves."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROOMS = {path.parent.name for path in ROOT.glob("*/__init__.py")}


def _trees() -> Iterator[tuple[str, ast.Module]]:
    for room in sorted(ROOMS):
        for path in sorted((ROOT / room).rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))


def test_no_two_classes_have_one_name():
    places = defaultdict(list)
    for path, tree in _trees():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(path)
    assert len(places) > 200
    assert {name: paths for name, paths in places.items() if len(paths) > 1} == {}


def test_no_module_imports_what_another_of_ours_keeps_to_itself():
    imports = [
        (path, f"{node.module}.{name.name}")
        for path, tree in _trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module
        for name in node.names
    ]
    ours = [(path, name) for path, name in imports if name.partition(".")[0] in ROOMS]
    assert len(ours) > 500
    # `__main__` and `__version__` are for all.
    assert [(path, name) for path, name in ours if re.search(r"\b_(?!_)", name)] == []
