"""What the walk says of a packet, Open vSwitch's own trace says of each host, and the guests hear byte for byte."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
from collections import Counter
from dataclasses import dataclass, field

import pytest

from retia.flows.actions import Ct
from retia.flows.forms import show_state
from retia.flows.journey import HostFlows, received_tunnel
from retia.flows.match import match
from retia.flows.packet import parse
from retia.flows.text import show_match
from retia.flows.walk import Fate, Step
from retia.lab.contract import Tap
from retia.lab.names import INTEGRATION
from retia.lab.spaces import SpacesLab
from retia.model.kinds import Port
from retia.switch import ovsdb
from tests.agreement.networks import GUESTS
from tests.agreement.outside import WORLD, world
from tests.agreement.packets import answer, some_frame
from tests.agreement.standing import another_network, standing
from tests.agreement.travel import TUNNEL, Hosts, Part, Trip, is_for_world
from tests.ovs.flows.test_walk import compare, cookies_of, hits_of

NETWORKS = int(os.environ.get("RETIA_RANDOM", "12"))
PACKETS, PACKETS_OUTSIDE = 5, 8
"""In each network; more where there is a way out."""
RARE = ("delivered", "answered", "left", "came in", "held", "translated", "reply")
PATIENCE, SILENCE = 2.0, 0.08
ARP, IPV4 = b"\x08\x06", b"\x08\x00"


@pytest.mark.lab
@pytest.mark.timeout(120 + 6 * NETWORKS)
def test_walk_trace_and_guests_agree() -> None:
    seed = int(os.environ.get("RETIA_SEED") or random.SystemRandom().randrange(1 << 30))
    print(f"RETIA_SEED={seed} RETIA_RANDOM={NETWORKS}")
    fates = asyncio.run(_all(random.Random(seed)))
    print(f"{NETWORKS} networks: {dict(fates)}")
    assert fates["packets"] > NETWORKS
    rare = RARE if NETWORKS >= 100 else ()
    assert all(fates[fate] for fate in ("dropped", "delivered to another host", *rare)), fates


async def _all(rnd: random.Random) -> Counter[str]:
    fates: Counter[str] = Counter()
    async with standing("agreement") as made:
        for number in range(NETWORKS):
            hosts = await another_network(made, rnd)
            with contextlib.ExitStack() as listening:
                there = [one for one in made.stations.values() if one.mac is not None]
                taps = {one.name: listening.enter_context(one.tap()) for one in there}
                run = Run(made, rnd, hosts, taps, f"network {number}", 2 * number * PACKETS_OUTSIDE)
                fates += await run.packets()
    return fates


@dataclass
class Run:
    """Some packets in one network. `number`: how many there may have been before its first."""

    made: SpacesLab
    rnd: random.Random
    hosts: Hosts
    taps: dict[str, Tap]
    name: str
    number: int
    fates: Counter[str] = field(default_factory=Counter)

    async def packets(self) -> Counter[str]:
        guests = self.made.guests
        senders = {guest: port for guest in GUESTS if (port := self.made.port_of(guests[guest])) is not None}
        for _ in range(PACKETS_OUTSIDE if self.hosts.uplinks else PACKETS):
            outside = world(self.rnd, self.made.network)
            if outside is not None and (not senders or self.rnd.random() < 0.3):
                await self._one(WORLD, outside)
            elif senders:
                await self._one(guest := self.rnd.choice(sorted(senders)), senders[guest])
        return self.fates

    async def _one(self, party: str, port: Port) -> None:
        """And maybe what is answered."""
        token = self._next_token()
        frame = some_frame(self.rnd, self.made.network, port, token, 20000 + self.number % 40000)
        trip = await self._send(party, frame, token)
        hearer, heard = trip.heard[0] if len(trip.heard) == 1 else (party, b"")
        back = answer(heard, token := self._next_token()) if hearer != party and self.rnd.random() < 0.5 else None
        if back is not None:
            self.fates["reply"] += 1
            await self._send(hearer, back, token)

    def _next_token(self) -> bytes:
        self.number += 1
        return f"retia {self.number} ".encode()

    async def _send(self, party: str, frame: bytes, token: bytes) -> Trip:
        told = f"{self.name} from {party}: {frame.hex()}"
        trip = await self._walk(party, frame)
        for tap in self.taps.values():
            list(tap.received())
        self.taps[party].send(frame)
        if self.hosts.is_held(trip):
            trip = await self._walk_on(party, frame)
            self.fates["held"] += 1
        heard = await _hear(self.taps, frame, trip.wanted, token)
        assert heard == trip.wanted, told
        self._count(party, trip)
        return trip

    async def _walk(self, party: str, frame: bytes) -> Trip:
        """As the walk has it, and each host's Open vSwitch. Meanwhile hosts may learn neighbours."""
        while True:
            trip = self.hosts.send(party, frame)
            try:
                for part in trip.parts:
                    await _compare_traces(self.made, self.hosts.flows, part)
            except AssertionError:
                if not await self.hosts.read_again(self.made):
                    raise
            else:
                return trip

    async def _walk_on(self, party: str, frame: bytes) -> Trip:
        """The packet waits for neighbours: its way once they are known."""
        end = time.monotonic() + PATIENCE
        while self.hosts.is_held(trip := self.hosts.send(party, frame)):
            assert time.monotonic() < end, f"{self.name}: {trip.asked} are not known, for {frame.hex()}"
            await asyncio.sleep(0.02)
            await self.hosts.read_again(self.made)
        return await self._walk(party, frame)

    def _count(self, party: str, trip: Trip) -> None:
        self.fates["packets"] += 1
        self.fates["translated"] += trip.is_translated
        self.fates["from outside"] += party == WORLD and bool(trip.heard)
        self.fates[self._fate(party, trip)] += 1

    def _fate(self, party: str, trip: Trip) -> str:
        if not trip.heard:
            return "dropped"
        hearer, _ = trip.heard[0]
        if hearer == party:
            return "answered"
        if WORLD in (hearer, party):
            return "left" if hearer == WORLD else "came in"
        near = self.hosts.places(party)[0][0] == self.hosts.places(hearer)[0][0]
        return "delivered" if near else "delivered to another host"


async def _compare_traces(made: SpacesLab, hosts: dict[str, HostFlows], part: Part) -> None:
    """Each host's part, against that host's Open vSwitch."""
    for place, leg in enumerate(part.journey.legs):
        fields = {"in_port": part.in_port, **parse(part.frame).fields}
        if leg.cause is not None:
            before = part.journey.legs[leg.cause]
            sent = next(one for one in before.walk.sent if one.tunnel.get("tun_dst") == hosts[leg.host].address)
            tunnel = received_tunnel(sent, hosts[before.host].address)
            fields = {"in_port": TUNNEL, **tunnel, **parse(sent.frame).fields}
        trace = await _trace(made, leg.host, show_match(match(**fields)), leg.walk.states)
        alike = next((number for number, step in enumerate(leg.walk.steps, 1) if not _is_simulated(step)), None)
        if alike is None and leg.walk.stopped is Fate.RECIRC_LIMIT:  # a trace does not count
            alike = len(leg.walk.steps)
        try:
            if alike is None:
                compare(leg.walk, trace)
            else:
                assert cookies_of(leg.walk)[:alike] == hits_of(trace)[:alike]
        except AssertionError as error:
            raise AssertionError(
                f"leg {place} on {leg.host}, {show_match(match(**fields))}\n{error}\n{trace}"
            ) from None


def _is_simulated(step: Step) -> bool:
    """Whether it translates just as a trace takes for granted: what the flow says of a new connection, and no other."""
    nats = [one.nat for one in step.flow.actions if isinstance(one, Ct) and one.nat] if step.flow else []
    done = {name: new for name, (_, new) in step.changed.items() if name in ("ip_src", "ip_dst")}
    return all(done == ({"ip_src" if nat.source else "ip_dst": nat.address} if nat.address else {}) for nat in nats)


async def _trace(made: SpacesLab, host: str, entry: str, states: list[int]) -> str:
    """Of a packet as fields: with the bytes of one, Open vSwitch asks the agent and remembers the connection. `states`:
    the ct_state of each copy that comes again, which a trace does not find out."""
    directory = made.hosts[host].dir
    number = (directory / "ovs-vswitchd.pid").read_text().strip()
    told = [word for state in states for word in ("--ct-next", show_state(state, 0xFF).replace("|", ","))]
    control = await ovsdb.connect(directory / f"ovs-vswitchd.{number}.ctl")
    try:
        return str(await control.call("ofproto/trace", [INTEGRATION, entry, *told]))
    finally:
        await control.close()


async def _hear(
    taps: dict[str, Tap], frame: bytes, wanted: list[tuple[str, str]], token: bytes
) -> list[tuple[str, str]]:
    """What all hear of a frame that was sent, or in answer to it."""
    heard: list[tuple[str, str]] = []
    end = time.monotonic() + PATIENCE
    quiet = time.monotonic() + SILENCE
    while time.monotonic() < (quiet if len(heard) >= len(wanted) else end):
        await asyncio.sleep(0.005)
        for name, tap in taps.items():
            came = [one for one in tap.received() if is_of(one, frame, token)]
            heard += [(name, one.hex()) for one in came if name != WORLD or is_for_world(one)]
    return sorted(heard)


def is_of(heard: bytes, sent: bytes, token: bytes) -> bool:
    """Whether a frame is the one sent, or the network's answer to it; errors that the agent makes come later, or not,
    and guests ask for their own gateways now and then."""
    if sent[12:14] == ARP:
        asker, asked = sent[22:28], sent[38:42]
        return heard == sent or (heard[12:14] == ARP and heard[32:38] == asker and heard[28:32] == asked)
    is_error = heard[12:14] == IPV4 and heard[23] == 1 and heard[34] in (3, 11)
    return token in heard and not is_error
