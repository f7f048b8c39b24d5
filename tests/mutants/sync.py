"""Breaks on the way from the store to deltas."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

SYNC = "retia/store/sync.py"
CONTRACT = "tests/contract/store/test_sync.py::"

MUTANTS = [
    Mutant(
        "delete-forgotten",
        SYNC,
        "            self._drop(who)\n            self.problems.pop(event.key, None)\n            return",
        "            self.problems.pop(event.key, None)\n            return",
        CONTRACT + "test_tuplenet_d1_put_and_delete_close_together_leave_nothing[memory]",
        "A deleted port goes on receiving packets.",
    ),
    Mutant(
        "before-is-the-last-before",
        SYNC,
        "before.setdefault(who, self.view.get(who))",
        "before[who] = self.view.get(who)",
        CONTRACT + "test_what_piles_up_behind_a_slow_reader_is_squashed[memory]",
        "Of two changes that arrive together the first leaves flows behind that nothing removes.",
    ),
    Mutant(
        "gone-in-the-meantime",
        SYNC,
        "[who for who in self.view if is_of(who[0]) and who not in known]",
        "list[Identity]()",
        CONTRACT + "test_tuplenet_d7_after_a_compaction_only_the_difference_comes[memory]",
        "What is deleted while the store is away stays on this host.",
    ),
    Mutant(
        "watch-one-too-late",
        SYNC,
        "self._store.watch(self._prefix, self.revision + 1)",
        "self._store.watch(self._prefix, self.revision + 2)",
        CONTRACT + "test_a_snapshot_then_one_delta_a_revision[memory]",
        "The change that comes right after an agent's start is lost on its host.",
    ),
    Mutant(
        "everything-again",
        SYNC,
        "tuple(pair for pair in pairs if pair.old != pair.new)",
        "tuple(pair for pair in pairs if pair.old is not None or pair.new is not None)",
        CONTRACT + "test_tuplenet_d7_after_a_compaction_only_the_difference_comes[memory]",
        "Every reconnection costs work proportional to the network.",
    ),
    Mutant(
        "bad-record-forgets-the-good",
        SYNC,
        "            self.problems[event.key] = thing\n            return",
        "            self.problems[event.key] = thing\n            self.view.pop(who, None)\n            return",
        CONTRACT + "test_a_malformed_record_is_set_aside_and_the_last_good_one_kept[memory]",
        "One unreadable record cuts a working guest off.",
    ),
    Mutant(
        "problem-outlives-its-cause",
        SYNC,
        "        self.problems.pop(event.key, None)\n        self._before.setdefault",
        "        self._before.setdefault",
        CONTRACT + "test_a_malformed_record_is_set_aside_and_the_last_good_one_kept[memory]",
        "`retia status` goes on naming a record that was mended.",
    ),
    Mutant(
        "revision-of-the-first",
        SYNC,
        "            self.revision = batch.revision",
        "            self.revision = batches[0].revision",
        CONTRACT + "test_what_piles_up_behind_a_slow_reader_is_squashed[memory]",
        "`apply --wait` waits for a host that has everything.",
    ),
]
