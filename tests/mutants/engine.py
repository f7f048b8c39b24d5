"""Breaks of the rule engine: counts, joins, negation, recursion, winners, aggregates, undoing."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

PROGRAM = "tests/unit/rules/test_program.py::"
HARD = "tests/unit/rules/test_hard_cases.py::"
RANDOM = "tests/unit/rules/test_random.py::test_incremental_equals_naive"

MUTANTS = [
    Mutant(
        "negation-on-insert-only",
        "retia/rules/plan.py",
        "{'-' if negated else '+'} _w",
        "{'- max(_w, 0)' if negated else '+ _w'}",
        PROGRAM + "test_negation_takes_back_and_gives_again",
        "A port whose host comes back into service stays dark.",
    ),
    Mutant(
        "self-join-counts-twice",
        "retia/rules/engine.py",
        "table.before.append(plan)",
        "table.after.append(plan)",
        RANDOM,
        "Two ports of one address that come together leave flows which never go.",
    ),
    Mutant(
        "index-keeps-the-deleted",
        "retia/rules/tables.py",
        "            del index[k]\n",
        "            pass\n",
        RANDOM,
        "Flows are made of a port that was deleted.",
    ),
    Mutant(
        "second-reason-not-counted",
        "retia/rules/tables.py",
        "elif count + weight == 0:",
        "elif weight < 0:",
        RANDOM,
        "A flow that two objects need goes with the first of them.",
    ),
    Mutant(
        "nothing-rederived",
        "retia/rules/recursion.py",
        "candidates = gone[table.name] | {row",
        "candidates = {row",
        RANDOM,
        "A switch reached by two routers is cut off when one of them goes.",
    ),
    Mutant(
        "only-the-first-wave-deleted",
        "retia/rules/recursion.py",
        "        while any(todo.values()):\n            found: Split",
        "        for _ in range(1):\n            found: Split",
        PROGRAM + "test_recursion_ends_on_cycles_and_lets_go",
        "Switches behind a second router stay reached, and their flows stay, when the last guest is gone.",
    ),
    Mutant(
        "the-last-rival-wins",
        "retia/rules/keyed.py",
        "self.rows[key] = min(rivals",
        "self.rows[key] = max(rivals",
        PROGRAM + "test_the_rule_declared_first_wins_and_a_loser_is_promoted",
        "Hosts install the flow of the rule that should have given way.",
    ),
    Mutant(
        "the-loser-not-promoted",
        "retia/rules/keyed.py",
        "if k in rivals or (weight > 0 and current is not None):",
        "if weight > 0 and (k in rivals or current is not None):",
        PROGRAM + "test_the_rule_declared_first_wins_and_a_loser_is_promoted",
        "When the flow that won goes, the one that waited for its place is not installed.",
    ),
    Mutant(
        "stale-lowest",
        "retia/rules/aggregates.py",
        "    while group.heap[0] not in group.values:\n        heapq.heappop(group.heap)\n",
        "    if group.heap[0] not in group.values:\n        heapq.heappop(group.heap)\n",
        PROGRAM + "test_a_group_may_lose_its_best_two_at_once",
        "Packets follow a route that was deleted.",
    ),
    Mutant(
        "aggregate-not-undone",
        "retia/rules/engine.py",
        "        self._undo.append(undo)\n",
        "",
        HARD + "test_a_failure_behind_an_aggregate_undoes_the_aggregate",
        "A batch that fails leaves best routes behind that no record has.",
    ),
    Mutant(
        "drops-after-puts",
        "retia/rules/program.py",
        "            self._stage(staged, row, row.row)\n",
        "            self._stage(staged, row, row.row)\n"
        "        for row in drop:\n            self._stage(staged, row, None)\n",
        PROGRAM + "test_drops_come_before_puts_in_a_batch",
        "A port deleted and declared again within one batch is gone.",
    ),
    Mutant(
        "negation-through-a-circle",
        "retia/rules/strata.py",
        "if recursive and (name, other) in hard:",
        "if len(component) > 1 and (name, other) in hard:",
        PROGRAM + "test_a_wrong_rule_names_itself_and_its_line",
        "Rules that contradict themselves are accepted, and flows depend on the order of events.",
    ),
]
