"""Breaks of the pipeline's declaration: registers, priorities, ways, generation."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

FIELDS = "retia/pipeline/fields.py"
STAGE = "retia/pipeline/stage.py"
TESTS = "tests/unit/pipeline/"

MUTANTS = [
    Mutant(
        "flags-on-one-bit",
        FIELDS,
        'FORWARDED = Subfield("reg0", 17, 1)',
        'FORWARDED = Subfield("reg0", 16, 1)',
        TESTS + "test_fields.py::test_parts_of_the_flags_do_not_overlap",
        "Every ARP reply and every routed packet counts as forwarded before, and is dropped after a move.",
    ),
    Mutant(
        "overlap-not-noticed",
        FIELDS,
        "if taken.setdefault(bit, name) != name:",
        "if taken.setdefault(bit, name) == name:\n                continue\n            if bit == (0, 0):",
        TESTS + "test_fields.py::test_registers_that_overlap_are_refused",
        "Two registers share bits: packets leave by ports of other guests.",
    ),
    Mutant(
        "static-before-connected",
        "retia/pipeline/stages.py",
        'by_length("connected", "policy", "static")',
        'by_length("static", "policy", "connected")',
        "tests/unit/compile/test_forwarding.py::test_a_longer_static_prefix_beats_a_connected_one_but_not_an_equal",
        "A static route takes the packets of the network a router is in.",
    ),
    Mutant(
        "shortest-prefix-first",
        STAGE,
        "range(LONGEST_PREFIX, -1, -1)",
        "range(LONGEST_PREFIX + 1)",
        TESTS + "test_stage.py::test_longer_prefixes_come_first_and_kinds_in_order",
        "The default route takes every packet.",
    ),
    Mutant(
        "lowest-priority-is-a-miss",
        STAGE,
        "(len(one.priorities) - rank) for rank",
        "(len(one.priorities) - 1 - rank) for rank",
        TESTS + "test_stage.py::test_numbers_and_priorities_follow_the_order",
        "Which of two flows a packet takes is up to Open vSwitch.",
    ),
    Mutant(
        "stage-to-itself",
        STAGE,
        "if stages[name] <= stage:",
        "if stages[name] < stage:",
        TESTS + "test_stage.py::test_wrong_declarations",
        "A stage that goes to itself is declared, and Open vSwitch refuses its flows on every host.",
    ),
    Mutant(
        "undeclared-priority",
        "retia/pipeline/check.py",
        "if not stage.has(flow.priority):",
        "if flow.priority > max(stage.priorities.values()):",
        TESTS + "test_check.py::test_bad_flows",
        "A rule with a priority of its own passes review and shadows others' flows.",
    ),
    Mutant(
        "generation-blind-to-priorities",
        "retia/pipeline/generation.py",
        "{stage.priorities} {stage.next}",
        "{stage.next}",
        TESTS + "test_generation.py::test_another_stage_is_another_generation",
        "An upgraded agent takes the former pipeline's flows for its own, and packets see some of each.",
    ),
    Mutant(
        "cookie-without-its-rule",
        "retia/compile/cookies.py",
        "GENERATION << 56 | number << 40 for",
        "GENERATION << 56 for",
        "tests/unit/compile/test_explain.py::test_cookies_are_stable_and_decode",
        "`retia why` cannot say which rule made a flow.",
    ),
]
