"""A node between a sender, a model server and an archive, all on loopback."""

from collections.abc import Iterator

import fake_server
import pacs
import pytest

from serving.pacs.node import Node


@pytest.fixture
def model() -> pacs.Model:
    return pacs.Model()


@pytest.fixture
def server(model) -> Iterator[str]:
    with fake_server.running(model) as running:
        yield running.address


@pytest.fixture
def archive() -> Iterator[pacs.Archive]:
    with pacs.archive() as found:
        yield found


@pytest.fixture
def clock() -> pacs.Clock:
    return pacs.Clock()


@pytest.fixture
def node(tmp_path, server, archive, clock) -> Iterator[Node]:
    made = Node(pacs.settings(tmp_path, server, archive.port), clock)
    yield made
    made.close()
