"""Breaks of gateways: which edge gets a packet, what is translated, who is told of it, and by which way it leaves."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

EDGES = "tests/unit/compile/test_edges.py::"
FLOWS = "tests/golden/test_golden.py::test_flows"
PACKET = "tests/golden/test_golden.py::test_packet"
WALKS = "tests/walks/test_histories.py::"

MUTANTS = [
    Mutant(
        "drained-still-chosen",
        "retia/compile/edges.py",
        "EdgeHost(r, h, w, n, True), Tunnel(h, k)]",
        "EdgeHost(r, h, w, n), Tunnel(h, k)]",
        EDGES + "test_a_drained_edge_holds_nothing",
        "An edge about to be taken away goes on getting new connections.",
    ),
    Mutant(
        "places-close-up",
        "retia/compile/choice.py",
        "places.get(slot, ABSENT) for slot in range(1, max(places) + 1)",
        "places[slot] for slot in sorted(places)",
        EDGES + "test_a_drained_edge_leaves_its_place_to_nobody",
        "When one edge goes, connections by all the others move, and break.",
    ),
    Mutant(
        "twice-when-flooded",
        "retia/compile/choice.py",
        "from_inside(d, m, 0), found(k, n), x)",
        "for_mac(d, m), found(k, n), x)",
        PACKET + "[gateways-flooded]",
        "While the physical network floods, an edge gets packets twice: itself, and by other hosts' uplinks.",
    ),
    Mutant(
        "lowest-priority-holds",
        "retia/compile/presence.py",
        "return (-priority, host)",
        "return (priority, host)",
        PACKET + "[gateways-holder-tells]",
        "Floating IPs are at the edge that the operator put last.",
    ),
    Mutant(
        "every-edge-answers",
        "retia/compile/holders.py",
        "asked_for(d, a), tell_unless(t, m), x)",
        "asked_for(d, a), tell(m), x)",
        PACKET + "[gateways-other-is-silent]",
        "Two edges answer ARP for one floating IP, and its packets go now to one, now to the other.",
    ),
    Mutant(
        "never-seen-is-dead",
        "retia/compile/edges.py",
        "PeerPort(h, k, o), PeerSeen(h, k)]",
        "PeerPort(h, k, o)]",
        PACKET + "[unseen-first-edge]",
        "Where BFD cannot get through, no packet does.",
    ),
    Mutant(
        "the-only-edge-is-asked",
        "retia/compile/edges.py",
        "return len(ranks) == 1",
        "return len(ranks) == 0",
        PACKET + "[only-edge-believed-dead]",
        "While BFD is silent the only edge gets nothing, though packets would pass.",
    ),
    Mutant(
        "no-way-round",
        "retia/compile/relays.py",
        "when(live_port=NOBODY_LIVE, forwarded=0), by_one_of(t)",
        "when(live_port=NOBODY_LIVE, forwarded=1), by_one_of(t)",
        PACKET + "[relayed-by-the-other-edge]",
        "One dead tunnel cuts guests off, though another edge reaches them.",
    ),
    Mutant(
        "first-of-the-ports",
        "retia/compile/relays.py",
        "return (host, ofport)",
        'return ("", ofport)',
        "tests/unit/compile/test_edges.py::test_the_order_of_edges_is_no_matter_of_ports_here",
        "Of three edges, retia trace --what-if shows another way than packets take.",
    ),
    Mutant(
        "forwarded-for-ever",
        "retia/compile/switching.py",
        "(Load(FORWARDED, 1), ForgetInPort()",
        "(Load(FORWARDED, 0), ForgetInPort()",
        PACKET + "[both-cut-once-each]",
        "Two edges that cannot reach a host send its packets to each other.",
    ),
    Mutant(
        "zones-of-another-router",
        "retia/compile/nat.py",
        "ZonesFact(router=r, dnat=z, snat=w)",
        "ZonesFact(dnat=z, snat=w)",
        WALKS + "test_history",
        "Connections of one tenant are translated as another's.",
    ),
    Mutant(
        "connection-of-before",
        "retia/compile/nat.py",
        "forgotten: Actions = (CtClear(), ",
        "forgotten: Actions = (",
        PACKET + "[two-gateways-answered-by-the-other]",
        "A tenant gets no answer from another's router on the same edge, but for the first.",
    ),
    Mutant(
        "answers-to-the-wrong-zone",
        "retia/compile/nat.py",
        "Ct(SNAT_ZONE, int(ANSWER), nat=Translate())",
        "Ct(DNAT_ZONE, int(ANSWER), nat=Translate())",
        PACKET + "[gateways-tuplenet-41-answer]",
        "Nothing comes back from outside.",
    ),
    Mutant(
        "neighbour-by-address-alone",
        "retia/compile/uplinks.py",
        "destination_port=port, neighbour_ip4=address",
        "neighbour_ip4=address",
        FLOWS + "[gateways]",
        "What one physical network says of an address is believed of another.",
    ),
    Mutant(
        "guests-are-asked-for",
        "retia/compile/beforehand.py",
        "HopOutside(s, g, x), ~PortClaim(s, g), ~RouterClaim(s, g)]",
        "HopOutside(s, g, x), ~RouterClaim(s, g)]",
        "tests/unit/compile/test_beforehand.py::test_what_is_inside_needs_no_asking",
        "A next hop that is a guest is asked for on the physical network, and named as silent for ever.",
    ),
    Mutant(
        "given-up-once-for-all",
        "retia/daemons/neighbours.py",
        "if not wanted and (one.standing is Standing.failed or one.used == NEVER):",
        "if one.standing is Standing.failed or (not wanted and one.used == NEVER):",
        "tests/unit/daemons/test_neighbours.py::test_one_that_is_silent_is_named_and_asked_without_end_at_a_slow_pace",
        "A gateway that was away when the edge came is asked for only when packets come.",
    ),
    Mutant(
        "inside-leaves-by-the-stack",
        "retia/compile/direct.py",
        "InsidePrefix(network(a, n), n, True)",
        "InsidePrefix(a, 32, True)",
        PACKET + "[direct-exit-tuplenet-46-inside]",
        "With direct exit, packets between guests leave the virtual network.",
    ),
    Mutant(
        "a-new-hop-breaks-the-batch",
        "retia/compile/routes.py",
        "        has(w, p),\n",
        "",
        WALKS + "test_every_rule_is_walked",
        "A second next hop beside one that moves stops the agent.",
    ),
]
