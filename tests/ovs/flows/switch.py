"""A real bridge for the walk to be compared with: dummy ports, flows from our text, frames in, frames out."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator

from retia.flows.flow import Flow
from retia.flows.forms import show_state
from retia.flows.text import show_flow
from tests.ovs.flows.pipelines import METER, PORTS, SENTINEL_TYPE
from tests.ovs.server import OvsServer, wait_for


class Switch:
    """A bridge with dummy ports that write what they are sent into files."""

    def __init__(self, ovs: OvsServer, flows: list[Flow]) -> None:
        self.ovs, self.bridge = ovs, ovs.bridge()
        self.names = {self._name(port): port for port in PORTS}
        for port in PORTS:
            settings = ["type=dummy", f"ofport_request={port}", f"options:tx_pcap={self._capture(port)}"]
            self.ovs.vsctl(
                "add-port", self.bridge, self._name(port), "--", "set", "interface", self._name(port), *settings
            )
        ovs.ofctl("add-meter", self.bridge, f"meter={METER},pktps,burst,band=type=drop,rate=100000,burst_size=100000")
        ovs.ofctl("add-tlv-map", self.bridge, "{class=0x0102,type=0x80,len=8}->tun_metadata0")
        text = ovs.dir / f"{self.bridge}.flows"
        text.write_text("".join(f"{show_flow(flow)}\n" for flow in flows))
        ovs.ofctl("--bundle", "add-flows", self.bridge, str(text))

    def _name(self, port: int) -> str:
        return f"{self.bridge}p{port}"

    def _capture(self, port: int) -> str:
        return f"{self.ovs.dir}/{self._name(port)}.pcap"

    def trace(self, frame: bytes, in_port: int, states: Iterable[int] = ()) -> str:
        """`states`: the ct_state of each copy that comes again, which a trace does not find out."""
        told = [word for state in states for word in ("--ct-next", show_state(state, 0xFF).replace("|", ","))]
        return self.ovs.appctl("ofproto/trace", self.bridge, f"in_port={in_port}", frame.hex(), *told)

    def send(self, frame: bytes, in_port: int) -> None:
        self.ovs.appctl("netdev-dummy/receive", self._name(in_port), frame.hex())

    def sent(self) -> dict[int, list[tuple[int, bytes]]]:
        """What each numbered frame became, by port, once every frame sent before is through."""
        for port in PORTS:
            self.send(b"\2" + bytes(11) + SENTINEL_TYPE.to_bytes(2, "big"), port)
        wait_for(lambda: all(sum(map(_is_sentinel, self._frames(port))) == len(PORTS) - 1 for port in PORTS))
        seen: dict[int, list[tuple[int, bytes]]] = defaultdict(list)
        for port in PORTS:
            for frame in self._frames(port):
                if not _is_sentinel(frame):
                    seen[int.from_bytes(frame[-4:], "big")].append((port, frame))
        return seen

    def _frames(self, port: int) -> Iterator[bytes]:
        with open(self._capture(port), "rb") as file:  # noqa: PTH123
            data = file.read()
        place = 24
        while place + 16 <= len(data):
            (size,) = struct.unpack_from("<8xI", data, place)
            yield data[place + 16 : place + 16 + size]
            place += 16 + size


def _is_sentinel(frame: bytes) -> bool:
    return frame[12:14] == SENTINEL_TYPE.to_bytes(2, "big")
