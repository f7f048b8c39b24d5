"""The lab that random networks are tried in, one after the other: nobody in it answers by itself."""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from retia.lab import commands
from retia.lab.spaces import SpacesLab
from tests.agreement.networks import lab, some_network
from tests.agreement.packets import ABSORBED
from tests.agreement.travel import Hosts, settled


@asynccontextmanager
async def standing(name: str) -> AsyncIterator[SpacesLab]:
    async with commands.standing(lab(), f"{name}-{os.getpid()}", True, False) as made:
        assert isinstance(made, SpacesLab)
        with contextlib.ExitStack() as stack:
            for station in made.stations.values():
                stack.enter_context(station.absorb(ABSORBED))
                await station.run("sysctl", "-qw", "net.ipv4.icmp_echo_ignore_all=1")
            yield made


async def another_network(made: SpacesLab, rnd: random.Random) -> Hosts:
    """In place of the one before."""
    await made.apply(some_network(rnd), prune=True)
    await made.refresh()
    await made.settle(20)
    hosts = await settled(made)
    for host in made.hosts.values():  # of 3.1.0, a cached flow may drop for good what flows let pass
        await host.run("ovs-appctl", "revalidator/purge")
    return hosts
