"""A node that is answered from cache loads nothing that only executors need."""

import subprocess
import sys

import pytest
from tfx.orchestration.pipeline import Pipeline

from components.schema_gen.component import SchemaGen
from pipeline.launch import compile_pipeline, write_ir

pytestmark = pytest.mark.long

FOR_EXECUTORS = (
    "tensorflow",
    "keras",
    "tensorflow_transform",
    "tensorflow_data_validation",
    "tensorflow_model_analysis",
    "apache_beam",
    "tfx.components",
)
LAUNCH = f"""
import runpy, sys
try:
    runpy.run_module("pipeline.launch", run_name="__main__", alter_sys=True)
finally:
    print("loaded", *(name for name in {FOR_EXECUTORS!r} if name in sys.modules))
"""


def _python(code, *arguments):
    result = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_a_cached_node_is_launched_without_what_its_executor_needs(tmp_path):
    graph = tmp_path / "pipeline.json"
    nodes = [SchemaGen(classes='["glioma", "notumor"]', code="")]
    root = str(tmp_path / "artifacts")
    write_ir(
        compile_pipeline(Pipeline("schema", root, components=nodes, enable_cache=True)),
        graph,
    )
    words = ["--pipeline", str(graph), "--node", "SchemaGen", "--work", str(tmp_path)]

    first = _python(LAUNCH, *words, "--run-id", "first")
    again = _python(LAUNCH, *words, "--run-id", "again")

    assert "SchemaGen: done" in first
    assert "tensorflow" in first  # `@component` takes it
    assert "SchemaGen: cached" in again
    assert again.splitlines()[-1] == "loaded"


def test_what_asks_ml_metadata_only_loads_nothing_for_executors():
    modules = (
        *("kubeflow.node", "kubeflow.ending", "kubeflow.rehearse", "mri.clean"),
        *("mri.models", "mri.report"),
    )
    code = (
        "import importlib, sys\n"
        f"for module in {modules!r}:\n"
        "    importlib.import_module(module)\n"
        f"    print(*(name for name in {FOR_EXECUTORS!r} if name in sys.modules))\n"
    )
    loaded = zip(modules, _python(code).splitlines(), strict=True)
    assert [(module, words) for module, words in loaded if words] == []
