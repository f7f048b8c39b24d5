"""Fixtures of tests that make a bridge's ports."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from retia.model.local import TUNNEL_PORT
from tests.ovs.server import OvsServer


@pytest.fixture
def bridge(ovs: OvsServer) -> Iterator[str]:
    """A bridge of the test's own; the one tunnel port goes with it."""
    yield (name := ovs.bridge())
    ovs.vsctl("--if-exists", "del-port", TUNNEL_PORT, "--", "--if-exists", "del-br", name)
