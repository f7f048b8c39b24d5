"""Breaks of what keeps the store true whoever writes: fences, index keys, transactions."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

TRANSACTIONS = "retia/store/transactions.py"
FENCE = "retia/store/fence.py"
EDGES = "retia/store/edges.py"
GATEWAY_RACES = "tests/unit/store/test_gateway_races.py::"
RACES = "tests/unit/store/test_catalog_races.py::test_both_decided_on_one_view"

MUTANTS = [
    Mutant(
        "parent-deleted-meanwhile",
        TRANSACTIONS,
        "            made.compares[joined] = revisions.get(joined, 0)\n",
        "            pass\n",
        RACES + "[port-switch-goes]",
        "Two operators at once leave a port in a switch that is gone.",
    ),
    Mutant(
        "index-not-compared",
        TRANSACTIONS,
        "made.compares |= {taken: 0 for taken in unit.takes - handed_on}",
        "made.compares |= {}",
        RACES + "[port-same-mac-port-takes-mac]",
        "Two ports of a switch get one MAC.",
    ),
    Mutant(
        "shape-not-compared",
        TRANSACTIONS,
        "        made.compares[shape] = revisions.get(shape, 0)\n",
        "",
        RACES + "[subnet-shrinks-port-at-the-edge]",
        "A port gets an address outside of every subnet, because one shrank in that moment.",
    ),
    Mutant(
        "handed-on-and-lost",
        TRANSACTIONS,
        "    made.deletes -= made.puts.keys()\n",
        "",
        "tests/unit/store/test_catalog.py::test_two_ports_swap_their_addresses",
        "Two ports that swapped their addresses hold them no more: a third can take one.",
    ),
    Mutant(
        "translations-of-two-routers-never-meet",
        FENCE,
        "beside = outside_ports(network, item.router) if isinstance(item, Nat) else []",
        "beside: list[RouterPort] = []",
        GATEWAY_RACES + "test_one_floating_ip_taken_by_two_at_once",
        "Two tenants take one floating IP at once, and both have it.",
    ),
    Mutant(
        "edge-minds-no-uplink",
        FENCE,
        "    all_after |= _met(network, before, after)\n",
        "",
        GATEWAY_RACES + "test_both_decided_on_one_view[uplink-makes-lan-outside-inner-edge-goes]",
        "A router meets the physical network on every host: its last edge went while an uplink came.",
    ),
    Mutant(
        "last-edge-goes",
        EDGES,
        "    if any(host in alive for host in active):\n        return\n",
        "    if others:\n        return\n",
        GATEWAY_RACES + "test_the_last_two_edges_are_not_both_drained_at_once",
        "The last edge that works is drained without a word.",
    ),
]
