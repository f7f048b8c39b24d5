"""Where a switch under contract lives: what a test does to it from outside, as an operator or a fault would.

A second kind of switch is one more class here and one more name in WORLDS.
"""

from __future__ import annotations

from typing import Protocol

from retia.flows.flow import Flow, FlowKey
from retia.flows.text import show_flow, show_match
from retia.switch.bridge import Wanted
from retia.switch.contract import Switch
from retia.switch.ovs import OvsSwitch, Place
from retia.switch.software import SoftwareSwitch
from retia.switch.software_bridge import SoftwareBridge
from tests.ovs.server import OvsServer

HOOKS = frozenset({30})
"""Tables where flows of others stay."""


class World(Protocol):
    def switch(self) -> Switch:
        """A new one, as after a restart of the agent."""

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def start_database(self) -> None: ...
    def stop_database(self) -> None: ...
    def add_interface(self, name: str, iface_id: str) -> None: ...
    def name_interface(self, name: str, iface_id: str) -> None: ...
    def remove_interface(self, name: str) -> None: ...
    def add_flow(self, flow: Flow) -> None:
        """As someone else; takes the place of one with the same key."""

    def remove_flow(self, key: FlowKey) -> None: ...
    def receive(self, name: str, frame: bytes) -> None:
        """A frame comes in by an interface."""

    def remove_meter(self, number: int) -> None:
        """As someone else; the flows that name it go with it."""

    def lose_flows(self) -> None:
        """The switch program dies and comes back, without its flows."""

    def add_bridge(self, name: str) -> None:
        """A physical one, for uplinks to lead to."""

    def remove_bridge(self, name: str) -> None: ...
    def detach(self, name: str) -> None:
        """As someone else: the port of an uplink or peer goes."""


class OvsWorld:
    def __init__(self) -> None:
        self._server = OvsServer().start()
        self._bridge = self._server.bridge()

    def switch(self) -> Switch:
        return OvsSwitch(Place(self._server.dir, Wanted(self._bridge, "dummy")), HOOKS)

    def start(self) -> None:
        self._server.start_switch()

    def stop(self) -> None:
        self._server.kill("ovs-vswitchd")
        (self._server.dir / "ctl").unlink(missing_ok=True)

    def start_database(self) -> None:
        self._server.start_database()

    def stop_database(self) -> None:
        self._server.kill("ovsdb-server")
        (self._server.dir / "db.sock").unlink(missing_ok=True)
        (self._server.dir / "db.ctl").unlink(missing_ok=True)

    def lose_flows(self) -> None:
        self.stop()
        self.start()

    def add_interface(self, name: str, iface_id: str) -> None:
        self._server.vsctl("add-port", self._bridge, name, "--", "set", "interface", name, "type=dummy",
                           f"external_ids:iface-id={iface_id}")  # fmt: skip

    def name_interface(self, name: str, iface_id: str) -> None:
        self._server.vsctl("set", "interface", name, f"external_ids:iface-id={iface_id}")

    def remove_interface(self, name: str) -> None:
        self._server.vsctl("del-port", self._bridge, name)

    def add_flow(self, flow: Flow) -> None:
        self._server.ofctl("add-flow", self._bridge, show_flow(flow))

    def remove_flow(self, key: FlowKey) -> None:
        match = f",{show_match(key.match)}" if key.match else ""
        self._server.ofctl("--strict", "del-flows", self._bridge, f"table={key.table},priority={key.priority}{match}")

    def add_bridge(self, name: str) -> None:
        self._server.vsctl("add-br", name, "--", "set", "bridge", name, "datapath_type=dummy")

    def remove_bridge(self, name: str) -> None:
        self._server.vsctl("del-br", name)

    def detach(self, name: str) -> None:
        self._server.vsctl("--no-wait", "del-port", name)

    def remove_meter(self, number: int) -> None:
        self._server.ofctl("del-meter", self._bridge, f"meter={number}")

    def receive(self, name: str, frame: bytes) -> None:
        self._server.appctl("netdev-dummy/receive", name, frame.hex())
        self._server.appctl("revalidator/wait")

    def close(self) -> None:
        self._server.stop()


class SoftwareWorld:
    def __init__(self) -> None:
        self._bridge = SoftwareBridge()

    def switch(self) -> Switch:
        return SoftwareSwitch(self._bridge, HOOKS)

    def start(self) -> None:
        self._bridge.start()

    def stop(self) -> None:
        self._bridge.stop()

    def start_database(self) -> None:
        self._bridge.start_database()

    def stop_database(self) -> None:
        self._bridge.stop_database()

    def lose_flows(self) -> None:
        self.stop()
        self.start()

    def add_interface(self, name: str, iface_id: str) -> None:
        self._bridge.plug(name, iface_id)

    def name_interface(self, name: str, iface_id: str) -> None:
        self._bridge.plug(name, iface_id)

    def remove_interface(self, name: str) -> None:
        self._bridge.unplug(name)

    def add_flow(self, flow: Flow) -> None:
        self._bridge.put(flow)

    def remove_flow(self, key: FlowKey) -> None:
        self._bridge.drop(key)

    def add_bridge(self, name: str) -> None:
        self._bridge.add_bridge(name)

    def remove_bridge(self, name: str) -> None:
        self._bridge.remove_bridge(name)

    def detach(self, name: str) -> None:
        self._bridge.detach(name)

    def remove_meter(self, number: int) -> None:
        self._bridge.drop_meter(number)

    def receive(self, name: str, frame: bytes) -> None:
        self._bridge.receive(self._bridge.interfaces[name].ofport, frame)

    def close(self) -> None:
        """Nothing is left of it."""


WORLDS = {"ovs": OvsWorld, "software": SoftwareWorld}
