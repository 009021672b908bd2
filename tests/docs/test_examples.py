"""What the documents show as YAML or JSON is YAML or JSON, and says what is so."""

import json
import re
from pathlib import Path

import pytest
import yaml

from kubeflow.cluster import Cluster

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^( *)```(yaml|json)\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
_BLOCKS = [
    pytest.param(found[2], found[3], id=f"{path.name}-{number}")
    for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
    for number, found in enumerate(_BLOCK.finditer(path.read_text(encoding="utf-8")), 1)
]


@pytest.mark.parametrize(("language", "text"), _BLOCKS)
def test_an_example_can_be_read(language: str, text: str) -> None:
    read = json.loads if language == "json" else lambda text: list(yaml.safe_load_all(text))
    assert read(text)


def test_the_cluster_in_the_documents_is_the_default() -> None:
    document = (ROOT / "docs" / "kubeflow.md").read_text(encoding="utf-8")
    [shown] = [found[3] for found in _BLOCK.finditer(document) if found[3].startswith("volume:")]
    described = Cluster.model_validate(yaml.safe_load(shown))
    assert described.model_copy(update={"nodes": {}}) == Cluster()
    for node in described.nodes:
        assert described.of(node) == Cluster().of(node)
