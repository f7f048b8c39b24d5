"""Breaks of the agent's loop, its duties and what it writes: who binds, who answers, and when."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

LOOP = "tests/unit/daemons/test_loop.py::"
HOST = "tests/contract/store/test_host.py::"

MUTANTS = [
    Mutant(
        "started-without-interfaces",
        "retia/daemons/loop.py",
        "            return False\n        known = self._known_attachments",
        "            return self._known_records\n        known = self._known_attachments",
        LOOP + "test_nothing_is_sent_before_records_and_interfaces_are_known",
        "A restarted agent cuts its own guests off for a moment.",
    ),
    Mutant(
        "answered-while-the-switch-is-away",
        "retia/daemons/duties.py",
        "if self._asked and self._switch.connected:",
        "if self._asked:",
        LOOP + "test_a_barrier_is_not_answered_while_the_switch_is_away",
        "`apply --wait` says that a host has a change which it has not.",
    ),
    Mutant(
        "released-before-knowing",
        "retia/daemons/duties.py",
        "        if not self._ready:\n            return",
        "        if not self._ready and not self._held:\n            return",
        LOOP + "test_a_restarted_agent_releases_nothing_before_it_knows_its_interfaces",
        "A restarted agent gives its guests' bindings up, and other hosts drop packets for them.",
    ),
    Mutant(
        "takes-from-the-living",
        "retia/store/host.py",
        "                if await self._store.get(alive) is not None:\n                    return held\n",
        "",
        HOST + "test_tuplenet_d8_two_hosts_claim_one_port_and_settle_it_once[memory]",
        "Two hosts with one interface take the port from each other for ever.",
    ),
    Mutant(
        "releases-what-another-has",
        "retia/store/host.py",
        "isinstance(held, Binding) and held.host == self._host:\n            try",
        "isinstance(held, Binding):\n            try",
        HOST + "test_a_binding_is_taken_over_when_its_holder_is_dead_or_lets_go[memory]",
        "After a move the old host takes the guest off the network.",
    ),
    Mutant(
        "host-key-not-kept",
        "retia/store/host.py",
        "state = structs.replace(wanted, key=known.key)",
        "state = structs.replace(wanted, key=known.key % 0xFFFF + 1)",
        HOST + "test_a_host_keeps_its_key[memory]",
        "A restarted agent takes a new key, and every other host rewrites the flows of its ports.",
    ),
]
