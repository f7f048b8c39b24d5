"""The benchmark's observer sees in a real Open vSwitch what others change there, and counts."""

from __future__ import annotations

import pytest

from bench.observer import ADDED, REMOVED, Observer, eth_dst, in_port, metadata, reg15
from tests.ovs.server import OvsServer, wait_for

pytestmark = pytest.mark.ovs


def test_changes_are_told_and_flows_counted() -> None:
    server = OvsServer().start()
    try:
        bridge = server.bridge()
        observer = Observer(server.dir / f"{bridge}.mgmt")
        observer.watch()
        server.ofctl("add-flow", bridge, "table=39,metadata=5,reg15=7,actions=drop")
        remote = observer.wait(lambda event: reg15(7) in event.match and metadata(5) in event.match, 5)
        assert (remote.what, remote.table) == (ADDED, 39)
        server.ofctl("add-flow", bridge, "table=3,in_port=5,dl_dst=02:00:00:00:00:01,actions=drop")
        server.ofctl("add-flow", bridge, "table=4,actions=drop")
        wait_for(lambda: len(observer.events()) == 3)
        last = observer.last(lambda event: eth_dst(0x020000000001) in event.match and in_port(5) in event.match)
        assert last.table == 4 and observer.count() == 3
        observer.clear()
        server.ofctl("del-flows", bridge)
        wait_for(lambda: [event.what for event in observer.events()] == [REMOVED] * 3)
        assert observer.count() == 0
        with pytest.raises(TimeoutError, match="no such flow"):
            observer.wait(lambda event: event.what == ADDED, 0.05)
        observer.close()
    finally:
        server.stop()
