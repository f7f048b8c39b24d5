"""The first packet between two hosts arrives, however cold the neighbours were."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.ovs.server import wait_for
from tests.ovs.switch.hosts import Host, ip, two_hosts


@pytest.fixture(scope="module")
def hosts() -> Iterator[tuple[Host, Host]]:
    with two_hosts() as (one, two):
        for host, other in ((one, two), (two, one)):
            host.add_tunnel()
            host.add_guest(other)
        yield one, two


def chill(*hosts: Host, kernel: bool = True) -> None:
    """Open vSwitch forgets, and the kernel too if asked."""
    for host in hosts:
        host.appctl("revalidator/purge")  # a cached flow of an ARP reply would teach it again
        if kernel:
            ip("-n", host.name, "neigh", "flush", "dev", "br-phys")
        wait_for(lambda host=host: host.appctl("tnl/neigh/flush") and not host.neighbours())


def test_cold_neighbours_lose_the_first_packet(hosts: tuple[Host, Host]) -> None:
    """Why all this: if it fails, Open vSwitch has learned to wait and `underlay` may go. Late ARP of the hosts' own
    may warm them in between on a busy machine, so one loss in some tries is enough."""
    one, two = hosts

    def lost() -> bool:
        chill(one, two)
        return not one.ping(two)

    assert any(lost() for _ in range(8))


@pytest.mark.parametrize("kernel", [True, False], ids=["both-cold", "kernel-knew-before"])
def test_warm_ones_lose_none(hosts: tuple[Host, Host], kernel: bool) -> None:
    one, two = hosts
    one.warm(two.address)
    two.warm(one.address)
    chill(one, two, kernel=kernel)
    assert one.warm(two.address).startswith("cold= ")
    assert two.warm(one.address).startswith("cold= ")
    assert two.address in one.neighbours() and one.address in two.neighbours()
    assert one.ping(two)


def test_a_peer_behind_a_gateway(hosts: tuple[Host, Host]) -> None:
    one, two = hosts
    ip("-n", one.name, "route", "replace", "10.99.0.0/16", "via", two.address)
    chill(one)
    assert one.warm("10.99.1.1").startswith("cold= ")
    assert one.neighbours() == {two.address}


def test_a_dead_peer_is_waited_for_shortly_and_named(hosts: tuple[Host, Host]) -> None:
    one, two = hosts
    said = one.warm("192.168.79.99", two.address)
    assert said.startswith("cold=192.168.79.99 ")
    assert 0.9 < float(said.partition("seconds=")[2]) < 3


def test_a_peer_without_a_route_is_named_and_not_waited_for(hosts: tuple[Host, Host]) -> None:
    one, two = hosts
    assert one.warm("10.77.0.1", two.address).startswith("cold=10.77.0.1 ")
    assert two.address in one.neighbours()


def test_after_a_restart_of_the_switch(hosts: tuple[Host, Host]) -> None:
    one, two = hosts
    one.warm(two.address)
    one.kill("ovs-vswitchd")
    for left in one.dir.glob("ovs-vswitchd.*"):
        left.unlink()
    one.start_switch()
    wait_for(lambda: "NXST" in one.run("ovs-ofctl", "dump-aggregate", "br-int", check=False))
    one.address_up()
    one.ofctl("add-flow", "br-int", f"in_port=1,actions=set_field:{two.address}->tun_dst,output:60000")
    one.ofctl("add-flow", "br-int", "in_port=60000,actions=output:1")
    assert one.warm(two.address).startswith("cold= ")
    two.warm(one.address)
    assert one.ping(two)
