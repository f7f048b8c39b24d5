"""Breaks of making the switch agree: reconciler and bundles."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

RECONCILER = "retia/switch/reconciler.py"
CONTRACT = "tests/contract/switch/test_switch.py::"
UNIT = "tests/unit/switch/test_reconciler.py::"

MUTANTS = [
    Mutant(
        "unchanged-flows-sent-again",
        RECONCILER,
        "for key, flow in wanted.items() if self.desired.get(key) != flow]",
        "for key, flow in wanted.items()]",
        UNIT + "test_what_is_right_is_not_sent_again",
        "Every change costs Open vSwitch flows that did not change.",
    ),
    Mutant(
        "all-sent-at-connect",
        RECONCILER,
        "wrong = [flow for key, flow in self.desired.items() if observed.get(key) != flow]",
        "wrong = list(self.desired.values())",
        UNIT + "test_a_reconnection_sends_the_difference",
        "A restarted agent touches every flow, and their counters begin at nothing.",
    ),
    Mutant(
        "difference-in-pieces",
        RECONCILER,
        "whole=bool(observed))",
        "whole=False)",
        UNIT + "test_a_reconnection_sends_the_difference",
        "During an upgrade packets see tables of two pipelines and go astray.",
    ),
    Mutant(
        "counters-of-another",
        RECONCILER,
        "return put(flow, reset_counts=old is not None and old.cookie != flow.cookie)",
        "return put(flow, reset_counts=False)",
        CONTRACT + "test_counters_live_as_long_as_what_they_count[software]",
        "A port's statistics begin with the packets of the port before it.",
    ),
    Mutant(
        "counters-of-another-at-connect",
        RECONCILER,
        "yield put(flow, reset_counts=old is not None and old.cookie != flow.cookie)",
        "yield put(flow, reset_counts=False)",
        UNIT + "test_a_flow_of_another_object_begins_to_count_anew_at_connect",
        "After a restart a port's statistics begin with the packets of the port before it.",
    ),
    Mutant(
        "strangers-stay",
        RECONCILER,
        "            if key not in self.desired:\n                yield delete(key)",
        "            if key in self.desired and key not in observed:\n                yield delete(key)",
        CONTRACT + "test_a_restarted_agent_finds_its_flows[software]",
        "What was deleted while an agent was down goes on receiving packets.",
    ),
    Mutant(
        "deleting-before-knowing",
        RECONCILER,
        "return await self._agree() if self._started else []",
        "return await self._agree()",
        CONTRACT + "test_nothing_is_removed_before_the_first_whole_set[software]",
        "A restarted agent empties the switch until it has heard from the store.",
    ),
    Mutant(
        "all-taken-out-first",
        RECONCILER,
        "if observed and not theirs and len(wrong) == len(self.desired):",
        "if observed and not theirs:",
        CONTRACT + "test_counters_live_as_long_as_what_they_count[software]",
        "A restarted agent throws away flows and counters that were right.",
    ),
    Mutant(
        "removed-by-hand-stays-removed",
        RECONCILER,
        "elif update.event == REMOVED or flow != wanted:",
        "elif flow != wanted:",
        CONTRACT + "test_what_someone_else_does_is_undone_within_a_second[software]",
        "A flow deleted by hand is missing until the agent is restarted.",
    ),
    Mutant(
        "strangers-tolerated",
        RECONCILER,
        "if update.event != REMOVED and not self._is_kept(flow):",
        "if update.event == REMOVED and not self._is_kept(flow):",
        CONTRACT + "test_what_someone_else_does_is_undone_within_a_second[software]",
        "A flow added by hand goes on leading packets astray.",
    ),
    Mutant(
        "change-while-away-forgotten",
        RECONCILER,
        "        self.desired[flow.key] = flow\n",
        "        if self._bundler:\n            self.desired[flow.key] = flow\n",
        CONTRACT + "test_tuplenet_d6_changes_while_it_is_away_are_in_when_it_is_back[software]",
        "A port created while Open vSwitch restarts gets no flows.",
    ),
    Mutant(
        "meter-put-back-without-its-flows",
        RECONCILER,
        "not in lacking] + await bundler.send(again)",
        "not in lacking]",
        CONTRACT + "test_a_meter_that_someone_takes_away_comes_back_with_its_flows[software]",
        "A meter removed by hand takes its flows along for good.",
    ),
    Mutant(
        "refusals-not-named",
        "retia/switch/bundle.py",
        "return self._named(sent), True",
        "return [], True",
        CONTRACT + "test_a_refused_flow_is_named_and_holds_up_no_other[ovs]",
        "A flow that Open vSwitch does not take is missing, and nobody is told.",
    ),
    Mutant(
        "bundle-of-one-slice",
        "retia/switch/bundle.py",
        "for start in range(0, len(changes), size):",
        "for start in range(0, min(len(changes), size), size):",
        UNIT + "test_many_changes_go_in_slices",
        "Of a large change only the first 5,000 flows arrive.",
    ),
]
