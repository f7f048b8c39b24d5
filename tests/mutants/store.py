"""Breaks of what keeps the store true whoever writes: fences, index keys, transactions."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

TRANSACTIONS = "retia/store/transactions.py"
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
]
