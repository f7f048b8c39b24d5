"""Breaks of on-demand mode: what becomes of first packets, who is sent them, and what full hosts do for others."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

PACKET = "tests/golden/test_golden.py::test_packet"
RULES = "tests/unit/compile/test_on_demand.py::"

MUTANTS = [
    Mutant(
        "punt-before-redirect",
        "retia/compile/redirects.py",
        "ASK: Actions = (Resubmit(REDIRECT), Goto(WANT))",
        "ASK: Actions = (Goto(WANT),)",
        PACKET + "[on-demand-tuplenet-31-routed]",
        "The first packet to every new destination is lost.",
    ),
    Mutant(
        "redirected-for-ever",
        "retia/compile/redirects.py",
        "MARK: Actions = (Load(REDIRECTED, 1), ",
        "MARK: Actions = (",
        PACKET + "[edge-behind-to-nobody]",
        "Two edges play ball with what nobody has, and no TTL ends it.",
    ),
    Mutant(
        "out-by-another-uplink",
        "retia/compile/uplinks.py",
        "when(datapath=datapath, from_uplink=0, redirected=0, neighbour_mac=0)",
        "when(datapath=datapath, from_uplink=0, neighbour_mac=0)",
        PACKET + "[helpers-not-out-by-another-uplink]",
        "What a guest asks on its own switch comes out on a physical network that its host does not meet.",
    ),
    Mutant(
        "answer-stays-away",
        "retia/compile/arp.py",
        "    Load(FORWARDED, 0),\n",
        "",
        PACKET + "[on-demand-arp]",
        "Guests of on-demand hosts wait for a second ARP request before they reach anybody new.",
    ),
    Mutant(
        "full-hosts-serve-nobody",
        "retia/compile/modes.py",
        "return Reach(s, h) <= [ServedSeat(s, h)]",
        "return Reach(s, h) <= [ServedSeat(s, h), Asks(h)]",
        RULES + "test_a_full_host_reaches_what_on_demand_hosts_do",
        "First packets are lost unless the helper has a guest of the same network.",
    ),
    Mutant(
        "gateways-on-demand",
        "retia/compile/modes.py",
        "HostMode(g, ON_DEMAND, c), ~Gateway(g)]",
        "HostMode(g, ON_DEMAND, c)]",
        PACKET + "[helpers-an-edge-is-full]",
        "An edge that is set to on-demand mode asks for guests that the world sends to.",
    ),
    Mutant(
        "the-first-dead-or-not",
        "retia/compile/redirects.py",
        "first_of(hosts), Goto(HELPER))",
        "first_of(hosts[:1]), Goto(HELPER))",
        PACKET + "[helpers-by-the-first-that-lives]",
        "While one full host is dead, the first packets of all on-demand hosts are lost.",
    ),
    Mutant(
        "edges-alone-redirect",
        "retia/compile/redirects.py",
        "return Twinned(r) <= [TwinnedSwitch(s), PlainLink(r, s)]",
        "return Twinned(r) <= [TwinnedSwitch(s), PlainLink(r, s), Beside(r)]",
        PACKET + "[edge-behind-tuplenet-33-two-routers]",
        "While an edge's agent is dead, new guests behind a second router are not reached by it.",
    ),
]
