"""Whole pipelines have long: how fast a machine runs them is no verdict."""

from pathlib import Path

import pytest

_LIMIT = 3600
"""Seconds after which a test is taken to hang; pytest's own limit is for smaller ones."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(_LIMIT))
