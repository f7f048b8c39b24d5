"""Tests against a real Open vSwitch, started here in a private directory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ovs.server import OvsServer

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.ovs)


@pytest.fixture(scope="session")
def ovs() -> Iterator[OvsServer]:
    server = OvsServer().start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def own_ovs() -> Iterator[OvsServer]:
    """A server of the test's own, which it may kill."""
    server = OvsServer().start()
    try:
        yield server
    finally:
        server.stop()
