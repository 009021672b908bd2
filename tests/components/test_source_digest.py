"""What the code that decides reaches is what results are cached by."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

from components import source_digest as module
from components.source_digest import source_digest, source_files
from pipeline.config import Config
from pipeline.graph import create_pipeline
from pipeline.work import Work

pytestmark = pytest.mark.long

ROOT = Path(module.__file__).parents[1]
STARTED = {"ServeCheck": ("serving.server.__main__", "components.leash")}
"""Programs that nodes start, whose code no import leads to."""
UDFS = {
    "Transform": ("components.transform.preprocessing",),
    "Trainer": ("components.trainer.executor", "components.trainer.run"),
    "Tuner": ("components.trainer.tune",),
}
"""Code that TFX's own executors are given, and ours on top of one."""
NO_CODE_OF_OURS = {"StatisticsGen", "ExampleValidator", "PreviousData", "Baseline"}
"""TFX's executors without any, and resolvers, which are asked on each run."""
ACTS = {"Pusher"}
"""What it does it does once: other code is no reason to push again."""


@pytest.fixture(scope="module")
def graph():
    return grimp.build_graph("components", "imaging", "mri", "pipeline", "schema", "serving")


@pytest.fixture(scope="module")
def nodes(tmp_path_factory) -> dict:
    root = tmp_path_factory.mktemp("graph")
    config = Config(data=root, tune={"enabled": True})
    return {node.id: node for node in create_pipeline(config, Work(root)).components}


def _codes(nodes: dict) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Of each node the digest of its code that is in its key, and where its code begins."""
    for name in nodes.keys() - NO_CODE_OF_OURS - ACTS:
        properties = nodes[name].exec_properties
        if name in UDFS:
            yield name, json.loads(properties["custom_config"])["code"], UDFS[name]
        else:
            executor = nodes[name].executor_spec.executor_class.__module__
            yield name, properties["code"], (executor, *STARTED.get(name, ()))


def test_every_node_is_cached_by_all_code_that_it_reaches(nodes, graph):
    found = list(_codes(nodes))
    assert {name for name, *_ in found} >= {"Ingest", "Gate", "Trainer", "ServeCheck", "Report"}
    for name, code, modules in found:
        reached = set(modules).union(*map(graph.find_upstream_modules, modules))
        counted = {_module(file) for file in source_files(*modules) if file.suffix == ".py"}
        assert reached <= counted, name
        packages = {".".join(one.split(".")[:depth]) for one in counted for depth in range(1, 5)}
        assert counted <= reached | packages, name
        assert code == source_digest(*modules), name


def _module(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.fixture
def copy(tmp_path, monkeypatch) -> Path:
    """Our source elsewhere, where it may be changed."""
    for package in module._PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package)
    monkeypatch.setattr(module, "_ROOT", tmp_path)
    for cached in (module._file, module._imports):
        cached.cache_clear()
    yield tmp_path
    for cached in (module._file, module._imports):
        cached.cache_clear()


@pytest.mark.parametrize(
    ("begins", "changed", "counts"),
    [
        ("components.serve_check.component", "serving/server/batching.py", False),
        ("serving.server.__main__", "serving/server/batching.py", True),
        ("serving.server.__main__", "serving/web/pages.py", False),
        ("components.ingest.executor", "components/transform/preprocessing.py", True),
        ("components.ingest.executor", "imaging/dicom/grey.py", True),
        ("components.ingest.executor", "imaging/__init__.py", True),
        ("components.ingest.executor", "components/ingest/inspection/page.py", False),
        ("components.gate.component", "components/gate/page.html", True),
        ("components.gate.component", "components/pages/base.css", True),
        ("components.gate.component", "components/evaluate/report/page.html", False),
        ("components.evaluate.component", "components/evaluate/report/page.py", False),
        ("components.schema_gen.component", "schema/schema.pbtxt", True),
        ("components.schema_gen.component", "schema/README.md", False),
    ],
)
def test_a_change_counts_where_it_is_reached(copy, begins, changed, counts):
    before = source_digest(begins)
    with (copy / changed).open("a") as file:
        file.write("\n# Changed.\n")
    assert (source_digest(begins) != before) == counts


def test_where_no_code_is_there_is_no_digest():
    with pytest.raises(ValueError, match=r"components\.nowhere"):
        source_digest("components.gate.component", "components.nowhere")
