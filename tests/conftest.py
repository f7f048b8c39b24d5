"""Fixtures that several kinds of tests share."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.etcd import EtcdServer

signal.signal(signal.SIGINT, signal.default_int_handler)
"""Started in the background by a shell, this process would ignore Ctrl-C, and so would all that tests start."""


@pytest.fixture(scope="session")
def etcd() -> Iterator[EtcdServer]:
    server = EtcdServer()
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture
def own_etcd() -> Iterator[EtcdServer]:
    """A server of the test's own, which it may halt."""
    server = EtcdServer()
    try:
        yield server.start()
    finally:
        server.stop()
