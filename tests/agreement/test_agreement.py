"""What the walk says of a packet, Open vSwitch's own trace says of each host, and the guests hear byte for byte."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
from collections import Counter

import pytest

from retia.compile.compiler import Compiler
from retia.flows.journey import HostFlows, Journey, walk_hosts
from retia.flows.lookup import FlowTable
from retia.lab import commands
from retia.lab.contract import Tap
from retia.lab.names import INTEGRATION
from retia.lab.spaces import SpacesLab
from retia.switch import ovsdb
from retia.values import Ip
from tests.agreement.networks import GUESTS, lab, some_network
from tests.agreement.packets import ABSORBED, some_frame
from tests.chaos import judge
from tests.ovs.flows.test_walk import compare

NETWORKS = int(os.environ.get("RETIA_RANDOM", "12"))
PACKETS = 5
TUNNEL = 60000
PATIENCE, SILENCE = 2.0, 0.08
ARP, IPV4 = b"\x08\x06", b"\x08\x00"


@pytest.mark.lab
@pytest.mark.timeout(120 + 4 * NETWORKS)
def test_walk_trace_and_guests_agree() -> None:
    seed = int(os.environ.get("RETIA_SEED") or random.SystemRandom().randrange(1 << 30))
    print(f"RETIA_SEED={seed} RETIA_RANDOM={NETWORKS}")
    fates = asyncio.run(_all(random.Random(seed)))
    print(f"{NETWORKS} networks, {sum(fates.values())} packets: {dict(fates)}")
    assert sum(fates.values()) > NETWORKS
    rare = ("delivered", "answered") if NETWORKS >= 100 else ()
    assert all(fates[fate] for fate in ("dropped", "delivered to another host", *rare))


async def _all(rnd: random.Random) -> Counter[str]:
    fates: Counter[str] = Counter()
    async with commands.standing(lab(), f"agreement-{os.getpid()}", True, False) as made:
        assert isinstance(made, SpacesLab)
        with contextlib.ExitStack() as stack:
            for guest in made.guests.values():
                stack.enter_context(guest.absorb(ABSORBED))
                await guest.run("sysctl", "-qw", "net.ipv4.icmp_echo_ignore_all=1")
            for number in range(NETWORKS):
                await made.apply(some_network(rnd), prune=True)
                await made.refresh()
                await made.settle(20)
                with contextlib.ExitStack() as listening:
                    there = [guest for guest in made.guests.values() if guest.setup is not None]
                    taps = {guest.name: listening.enter_context(guest.tap()) for guest in there}
                    fates += await _one(made, taps, rnd, f"network {number}")
    return fates


async def _one(made: SpacesLab, taps: dict[str, Tap], rnd: random.Random, name: str) -> Counter[str]:
    """Some packets in one network."""
    fates: Counter[str] = Counter()
    compilers = {host.name: (await judge.fresh(made, host))[0] for host in made.hosts.values()}
    hosts = {name: _host_flows(made, name, compiler) for name, compiler in compilers.items()}
    plugs = {host: await _plugs(made, host) for host in hosts}
    senders = {guest: port for guest in GUESTS if (port := made.port_of(made.guests[guest])) is not None}
    for number in range(PACKETS if senders else 0):
        guest = rnd.choice(sorted(senders))
        token = f"retia {name}/{number} ".encode()
        frame = some_frame(rnd, made.network, senders[guest], token)
        host = made.guests[guest].host.name
        story = walk_hosts(hosts, host, frame, plugs[host][guest])
        await _compare_traces(made, hosts, story, frame, plugs[host][guest])
        heard = await _hear(taps, guest, frame, _wanted(story, plugs), token)
        assert heard == _wanted(story, plugs), f"{name}, packet {number} from {guest}: {frame.hex()}"
        fates[_fate(story, guest, host, plugs)] += 1
    return fates


def _host_flows(made: SpacesLab, name: str, compiler: Compiler) -> HostFlows:
    return HostFlows(FlowTable(compiler.flows.values()), int(Ip.parse(made.hosts[name].address)), TUNNEL)


async def _plugs(made: SpacesLab, host: str) -> dict[str, int]:
    known = (await judge.fresh(made, made.hosts[host]))[1]
    return {name: interface.ofport for name, interface in known.items()}


def _wanted(story: Journey, plugs: dict[str, dict[str, int]]) -> list[tuple[str, str]]:
    """Who hears which bytes, by the walk."""
    names = {(host, number): guest for host, known in plugs.items() for guest, number in known.items()}
    return sorted((names[one.host, one.port], one.frame.hex()) for one in story.arrivals)


def _fate(story: Journey, guest: str, host: str, plugs: dict[str, dict[str, int]]) -> str:
    if not story.arrivals:
        return "dropped"
    first = story.arrivals[0]
    if plugs[first.host].get(guest) == first.port and first.host == host:
        return "answered"
    return "delivered" if first.host == host else "delivered to another host"


async def _compare_traces(
    made: SpacesLab, hosts: dict[str, HostFlows], story: Journey, frame: bytes, in_port: int
) -> None:
    """Each host's part, against that host's Open vSwitch."""
    for place, leg in enumerate(story.legs):
        entry = f"in_port={in_port}"
        data = frame
        if leg.cause is not None:
            before = story.legs[leg.cause]
            sent = next(one for one in before.walk.sent if one.tunnel.get("tun_dst") == hosts[leg.host].address)
            data, fields = sent.frame, {**sent.tunnel, "tun_src": hosts[before.host].address}
            entry = ",".join([f"in_port={TUNNEL}", *(f"{name}={_shown(name, n)}" for name, n in fields.items())])
        trace = await _trace(made, leg.host, entry, data)
        try:
            compare(leg.walk, trace)
        except AssertionError as error:
            raise AssertionError(f"leg {place} on {leg.host}, {entry}, {data.hex()}\n{error}") from None


def _shown(name: str, value: int) -> str:
    return str(Ip.parse(".".join(str(value >> s & 255) for s in (24, 16, 8, 0)))) if "src" in name or "dst" in name \
        else hex(value)  # fmt: skip


async def _trace(made: SpacesLab, host: str, entry: str, frame: bytes) -> str:
    directory = made.hosts[host].dir
    number = (directory / "ovs-vswitchd.pid").read_text().strip()
    control = await ovsdb.connect(directory / f"ovs-vswitchd.{number}.ctl")
    try:
        return str(await control.call("ofproto/trace", [INTEGRATION, entry, frame.hex()]))
    finally:
        await control.close()


async def _hear(
    taps: dict[str, Tap], guest: str, frame: bytes, wanted: list[tuple[str, str]], token: bytes
) -> list[tuple[str, str]]:
    """Send it, and what of it (or in answer to it) all guests hear."""
    for tap in taps.values():
        list(tap.received())
    taps[guest].send(frame)
    heard: list[tuple[str, str]] = []
    end = time.monotonic() + PATIENCE
    quiet = time.monotonic() + SILENCE
    while time.monotonic() < (quiet if len(heard) >= len(wanted) else end):
        await asyncio.sleep(0.005)
        for name, tap in taps.items():
            heard += [(name, one.hex()) for one in tap.received() if _is_of(one, frame, token)]
    return sorted(heard)


def _is_of(heard: bytes, sent: bytes, token: bytes) -> bool:
    """Whether a frame is the one sent, or the network's answer to it; errors that the agent makes come later, or not,
    and guests ask for their own gateways now and then."""
    if sent[12:14] == ARP:
        asker, asked = sent[22:28], sent[38:42]
        return heard == sent or (heard[12:14] == ARP and heard[32:38] == asker and heard[28:32] == asked)
    is_error = heard[12:14] == IPV4 and heard[23] == 1 and heard[34] in (3, 11)
    return token in heard and not is_error
