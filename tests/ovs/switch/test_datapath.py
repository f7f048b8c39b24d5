"""`datapath: auto` with a real Open vSwitch: a bridge keeps what it has, a new one gets what the kernel carries."""

from __future__ import annotations

import pytest

from retia.switch import datapath
from tests.ovs.server import OvsServer

pytestmark = pytest.mark.ovs


async def test_auto(own_ovs: OvsServer) -> None:
    database = own_ovs.dir / "db.sock"
    own_ovs.vsctl("add-br", "br-int", "--", "set", "bridge", "br-int", "datapath_type=dummy")
    assert await datapath.choose("auto", database, "br-int") == "dummy"
    expected = "system" if datapath.kernel_has(datapath.FAMILY) else "netdev"
    assert await datapath.choose("auto", database, "br-new") == expected
