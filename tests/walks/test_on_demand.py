"""On-demand hosts carry packets as full ones do: to the same guests, once, dropped for the same reasons; and directly
once they were given what they asked for. Random networks, by the walk over all hosts.

`RETIA_ON_DEMAND` and `RETIA_SEED` choose how many networks and which; a failure prints the seed of its network.
"""

from __future__ import annotations

import os
import random
from collections import Counter

from retia.flows.journey import Journey
from retia.model.kinds import Port
from retia.model.state import FULL, ON_DEMAND
from tests.agreement.networks import GUESTS, HOSTS, some_network
from tests.agreement.packets import some_frame
from tests.network import Network, reasons

NETWORKS = int(os.environ.get("RETIA_ON_DEMAND", "12"))
SEED = int(os.environ.get("RETIA_SEED", "0")) or random.randrange(1, 1 << 30)
FRAMES = 12


def some_networks(seed: int) -> tuple[Network, Network]:
    """One of full hosts, and the same with hosts on demand; one host is full in it at least."""
    rnd = random.Random(seed)
    document, lazy = some_network(rnd), rnd.sample(HOSTS, rnd.choice((1, 2, 2)))
    made = []
    for modes in ({}, dict.fromkeys(lazy, ON_DEMAND)):
        network = Network(seed)
        for host in HOSTS:
            network.add_host(host, modes.get(host, FULL))
        network.declare(document)
        for guest, host in GUESTS.items():
            if any(network.objects.path(port) == path_of(guest) for port in network.objects.of(Port)):
                network.plug(host, path_of(guest))
        made.append(network)
    full, lazy_one = made
    return full, lazy_one


def path_of(guest: str) -> str:
    return f"s{int(guest[1:]) % 4}/{guest}"


def ends(journey: Journey) -> tuple[list[tuple[str, int, bytes]], list[str]]:
    """Who got it, and why it was dropped."""
    assert not journey.endless and not journey.lost
    return sorted((one.host, one.port, one.frame) for one in journey.arrivals), sorted(reasons(journey))


def route(journey: Journey) -> list[str]:
    return [leg.host for leg in journey.legs]


def test_on_demand_is_as_full() -> None:
    told: Counter[str] = Counter()
    for number in range(NETWORKS):
        seed = SEED + number
        full, lazy = some_networks(seed)
        before = {host: compiler.flows for host, compiler in lazy.compilers.items()}
        rnd = random.Random(seed)
        senders = [path for plugs in full.plugs.values() for path in plugs]
        for place in range(FRAMES if senders else 0):
            path = rnd.choice(senders)
            frame = some_frame(rnd, full.objects, full.port(path), b"token", 20000 + place)
            where = f"RETIA_SEED={seed} RETIA_ON_DEMAND=1, frame {place} from {path}: {frame.hex()}"
            wanted, first = full.send(path, frame), lazy.send(path, frame)
            assert ends(first) == ends(wanted), where
            told["redirected"] += len(first.legs) > len(wanted.legs)
            told["delivered by redirect"] += len(first.legs) > len(wanted.legs) and bool(first.arrivals)
            if rnd.random() < 0.5 and lazy.answer_wants(first):
                later = lazy.send(path, frame)
                full.send(path, frame)
                assert ends(later) == ends(wanted), where
                told["direct"] += bool(later.arrivals) and route(later) == route(wanted)
                assert not later.arrivals or route(later) == route(wanted), where
        for host in HOSTS:
            lazy.forget(host)
        assert {host: compiler.flows for host, compiler in lazy.compilers.items()} == before, f"RETIA_SEED={seed}"
        assert not any(compiler.conflicts for compiler in lazy.compilers.values()), f"RETIA_SEED={seed}"
    print(f"RETIA_SEED={SEED} RETIA_ON_DEMAND={NETWORKS}: {dict(told)}")
    if NETWORKS >= 20:
        assert all(told[kind] for kind in ("redirected", "delivered by redirect", "direct")), told
