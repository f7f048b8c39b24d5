"""Breaks of traces: what reports, what is kept from guests, and how reports become one way."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

FLOWS = "tests/unit/compile/test_tracing.py::"
REPORTED = "tests/unit/trace/test_reported.py::"
TRACER = "tests/unit/daemons/test_tracer.py::"

MUTANTS = [
    Mutant(
        "reports-others-too",
        "retia/compile/tracing.py",
        "return merge(when(traced=1), (TOLD._replace(start=number, bits=1), 0))",
        "return merge(when(), (TOLD._replace(start=number, bits=1), 0))",
        FLOWS + "test_nothing_is_on_the_way_of_other_packets_and_nothing_stays",
        "While anybody traces, every packet of every guest goes up to the agents.",
    ),
    Mutant(
        "delivered-unasked",
        "retia/compile/tracing.py",
        "if stage in HELD or stage == DROP:",
        "if stage == DROP:",
        FLOWS + "test_each_stage_on_the_way_reports_once_and_the_packet_waits_before_it_leaves_or_is_routed",
        "Guests get the packets of those who trace.",
    ),
    Mutant(
        "strays-are-admitted",
        "retia/compile/tracing.py",
        "RULES = [tracing, report_stage, report_tunnelled, stray]",
        "RULES = [tracing, report_stage, report_tunnelled]",
        FLOWS + "test_where_nobody_traces_it_ends_as_it_arrives_and_that_is_counted",
        "A host whose agent is dead delivers traced packets to its guests.",
    ),
    Mutant(
        "handed-over-unasked",
        "retia/daemons/tracer.py",
        "if punt.table in HELD and (not out or (one.trace.deliver and not back)):",
        "if punt.table in HELD:",
        TRACER + "test_a_packet_is_told_of_and_goes_on_where_it_does_not_leave",
        "Guests get the packets of those who trace.",
    ),
    Mutant(
        "answered-though-traced",
        "retia/daemons/answerer.py",
        "original_of(punt.frame) if not punt.read(TRACED) else None",
        "original_of(punt.frame)",
        TRACER + "test_nobody_is_answered_for_a_traced_packet",
        "Guests get ICMP errors for packets they never sent.",
    ),
    Mutant(
        "sent-again-at-a-start",
        "retia/daemons/tracer.py",
        "isinstance(old, Trace) and new.go and not old.go",
        "new.go",
        TRACER + "test_an_agent_that_starts_amid_a_trace_sends_nothing",
        "An agent that starts sends the packets of all running traces once more.",
    ),
    Mutant(
        "one-piece-a-host",
        "retia/trace/reported.py",
        "begins = [place for place, point in enumerate(points) if point.stage == ADMIT.name] or [0]",
        "begins = [0]",
        REPORTED + "test_a_host_that_it_comes_to_twice",
        "A way that comes back to a host is told out of order.",
    ),
    Mutant(
        "waiting-is-an-end",
        "retia/trace/reported.py",
        "complete = reason is not Reason.NEIGHBOUR_ASKED",
        "complete = True",
        REPORTED + "test_every_end",
        "A packet that waits for ARP is told as dropped.",
    ),
]
